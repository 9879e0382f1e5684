"""The list of what was uploaded, its digest, and the comparison with what is there. README.md defines the format."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from node import read_json_object

NAME = "manifest.json"

# The keys of each type of entry, and the type of each value.
ENTRY_KEYS: dict[str, dict[str, type]] = {
    "file": {"path": str, "type": str, "mode": str, "size": int, "sha256": str},
    "directory": {"path": str, "type": str, "mode": str},
    "link": {"path": str, "type": str, "target": str},
}


class ManifestError(Exception):
    """The manifest cannot be read or says something impossible."""


@dataclass(frozen=True)
class Entry:
    path: str
    type: str
    mode: int | None = None
    size: int | None = None
    sha256: str | None = None
    target: str | None = None


@dataclass(frozen=True)
class Manifest:
    digest: str
    entries: tuple[Entry, ...]


def digest_of(entries: list[dict[str, object]]) -> str:
    """The digest of a payload: sha256 over its entries as canonical JSON, in the byte order of their paths."""
    ordered = sorted(entries, key=lambda entry: str(entry["path"]).encode())
    lines = [json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False) for entry in ordered]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def load(path: Path) -> Manifest:
    """Reads a manifest and proves its digest. Raises ManifestError."""
    try:
        raw = read_json_object(path)
    except (OSError, ValueError) as error:
        raise ManifestError(str(error)) from error
    entries = raw.get("entries")
    if raw.get("version") != 1 or not isinstance(entries, list) or not entries:
        raise ManifestError(f"{path}: not a manifest of version 1 with entries")
    parsed = tuple(_entry(entry) for entry in entries)
    paths = [entry.path for entry in parsed]
    twice = sorted({path for path in paths if paths.count(path) > 1}) if len(set(paths)) < len(paths) else []
    if twice:
        raise ManifestError(f"listed twice: {', '.join(twice)}")
    digest = digest_of(entries)
    if raw.get("digest") != digest:
        raise ManifestError(f"{path}: digest is {raw.get('digest')}, its entries give {digest}")
    return Manifest(digest, parsed)


def differences(manifest: Manifest, directory: Path) -> list[str]:
    """Every way in which a directory differs from its manifest, one phrase each; empty when it does not."""
    found = [text for entry in manifest.entries for text in _differences(entry, directory / entry.path)]
    return found + [f"{path}: not in the manifest" for path in _foreign(manifest, directory)]


def _entry(raw: object) -> Entry:
    if not isinstance(raw, dict):
        raise ManifestError(f"not an entry: {raw!r}")
    keys = ENTRY_KEYS.get(str(raw.get("type")))
    if keys is None or set(raw) != set(keys) or any(type(raw[key]) is not kind for key, kind in keys.items()):
        raise ManifestError(f"not an entry: {json.dumps(raw, ensure_ascii=False)}")
    path = PurePosixPath(raw["path"])
    if path.is_absolute() or ".." in path.parts or str(path) != raw["path"] or str(path) in (".", NAME):
        raise ManifestError(f"not a path inside the upload: {raw['path']}")
    try:
        mode = int(raw["mode"], 8) if "mode" in raw else None
    except ValueError as error:
        raise ManifestError(f"{path}: not a mode: {raw['mode']}") from error
    return Entry(raw["path"], raw["type"], mode, raw.get("size"), raw.get("sha256"), raw.get("target"))


def _differences(entry: Entry, path: Path) -> list[str]:
    try:
        status = path.lstat()
    except OSError:
        return [f"{entry.path}: missing"]
    if _type_of(status.st_mode) != entry.type:
        return [f"{entry.path}: is a {_type_of(status.st_mode)}, not a {entry.type}"]
    if entry.type == "link":
        target = os.readlink(path)
        return [] if target == entry.target else [f"{entry.path}: points to {target}, not to {entry.target}"]
    found = []
    mode = stat.S_IMODE(status.st_mode)
    if entry.mode is not None and mode != entry.mode:
        found.append(f"{entry.path}: mode {mode:04o}, not {entry.mode:04o}")
    if entry.type == "file":
        if status.st_size != entry.size:
            found.append(f"{entry.path}: {status.st_size} bytes, not {entry.size}")
        elif sha256_of(path) != entry.sha256:
            found.append(f"{entry.path}: content differs (sha256)")
    return found


def _type_of(mode: int) -> str:
    names = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
    return names.get(stat.S_IFMT(mode), "special file")


def _foreign(manifest: Manifest, directory: Path) -> list[str]:
    expected = {NAME}
    for entry in manifest.entries:
        expected.add(entry.path)
        # The empty manifest path "." is among the parents and harms nothing.
        expected.update(str(parent) for parent in PurePosixPath(entry.path).parents)
    there = []
    for parent, directories, files in os.walk(directory):
        there += [os.path.relpath(os.path.join(parent, name), directory) for name in [*directories, *files]]
    return sorted(set(there) - expected)


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
