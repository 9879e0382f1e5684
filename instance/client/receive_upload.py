"""
The node's side of an upload: reads a tar stream, proves it against the manifest that travels first in it, and only then
puts it in place. The client gives it to `python3 -c` over SSH, with the arguments of `Place` in their order.

It answers one line of JSON before it reads (`ready`, `unchanged`, `started` or `refused`) and one after (`stored` or
`broken`). That the upload has its manifest says "complete": it goes first when an older payload is replaced and comes
last when a new one is in place. Whatever an interrupted upload left lies under `.incoming` and goes with the next one,
and so does what one still has there that waits on a lost connection: of several, the last to begin counts.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

INCOMING = ".incoming"


@dataclass(frozen=True)
class Place:
    """Where an upload goes, and what says that a deployment has begun; absolute paths."""

    root: str
    manifest: str
    """Directly in the root."""
    steps: str
    """Folder of the deployment's records."""
    complete: str
    """Marker of a deployment that is over."""
    digest: str
    """Of the payload that is to come."""

    @property
    def incoming(self) -> str:
        return os.path.join(self.root, INCOMING)

    @property
    def manifest_name(self) -> str:
        return os.path.basename(self.manifest)

    def has_started(self) -> bool:
        """Raises OSError when the records cannot be read."""
        return os.path.exists(self.complete) or (os.path.isdir(self.steps) and len(os.listdir(self.steps)) > 0)

    def present_digest(self) -> object:
        """The digest of what lies whole in the root; None when nothing does."""
        try:
            with open(self.manifest, encoding="utf-8") as file:
                return json.load(file).get("digest")
        except (OSError, ValueError):
            return None


def say(state: str, **more: object) -> None:
    print(json.dumps({"state": state, **more}), flush=True)


def receive(stream: tarfile.TarFile, staging: str, place: Place) -> list[str]:
    """Unpacks into staging what the manifest names and returns a list of all that differs from it."""
    members = iter(stream)
    first = next(members, None)
    if first is None:
        return ["the stream is empty"]
    if os.path.normpath(first.name) != place.manifest_name:
        return [f"the stream does not begin with {place.manifest_name}"]
    text = content_of(stream, first).read()
    manifest = json.loads(text)
    wanted: dict[str, dict[str, Any]] = {entry["path"]: entry for entry in manifest["entries"]}
    if manifest["digest"] != place.digest:
        return ["the manifest has another digest than announced"]
    target = os.path.join(staging, place.manifest_name)
    with open(target, "wb") as file:
        file.write(text)
    os.chmod(target, 0o644)

    problems: list[str] = []
    seen: set[str] = set()
    for member in members:
        path = os.path.normpath(member.name)
        entry = wanted.get(path)
        if entry is None or path in seen:
            problems.append(f"{path}: not in the manifest, or twice in the stream")
            continue
        seen.add(path)
        problem = unpack(stream, member, entry, os.path.join(staging, path))
        if problem is not None:
            problems.append(f"{path}: {problem}")
    problems += [f"{path}: did not arrive" for path in sorted(set(wanted) - seen)]
    # Deepest first: a directory without write permission must not hinder its own contents.
    for path in sorted((path for path in seen if wanted[path]["type"] == "directory"), reverse=True):
        os.chmod(os.path.join(staging, path), int(wanted[path]["mode"], 8))
    return problems


def unpack(stream: tarfile.TarFile, member: tarfile.TarInfo, entry: dict[str, Any], target: str) -> str | None:
    """Puts one member in its place; how it differs from its entry in the manifest, or None."""
    kind = kind_of(member)
    if kind != entry["type"]:
        return f"is a {kind}, not a {entry['type']}"
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if kind == "directory":
        os.makedirs(target, exist_ok=True)
        return None
    if kind == "link":
        if member.linkname != entry["target"]:
            return f"links to {member.linkname}"
        os.symlink(member.linkname, target)
        return None
    source, hasher, size = content_of(stream, member), hashlib.sha256(), 0
    with open(target, "xb") as file:
        while chunk := source.read(1 << 20):
            hasher.update(chunk)
            size += len(chunk)
            file.write(chunk)
    os.chmod(target, int(entry["mode"], 8))
    if size != entry["size"]:
        return f"{size} bytes, not {entry['size']}"
    return None if hasher.hexdigest() == entry["sha256"] else "its sha256 differs"


def kind_of(member: tarfile.TarInfo) -> str:
    if member.isdir():
        return "directory"
    if member.issym():
        return "link"
    return "file" if member.isreg() else "other"


def content_of(stream: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    """A member's bytes. Raises ValueError for one that has none."""
    content = stream.extractfile(member)
    if content is None:
        raise ValueError(f"{member.name} is no file")
    return content


@contextlib.contextmanager
def alone(root: str) -> Iterator[None]:
    """For the short moments in which two receivers would be in each other's way."""
    held = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def put_in_place(staging: str, old: str, place: Place) -> None:
    """Raises OSError, also when a later upload has thrown the staging away."""
    if not os.path.isdir(staging):
        raise OSError("a later upload has taken this one's place")
    os.mkdir(old)
    if os.path.exists(place.manifest):
        os.rename(place.manifest, os.path.join(old, place.manifest_name))
    for name in os.listdir(place.root):
        if name != INCOMING:
            os.rename(os.path.join(place.root, name), os.path.join(old, name))
    for name in os.listdir(staging):
        if name != place.manifest_name:
            os.rename(os.path.join(staging, name), os.path.join(place.root, name))
    os.rename(os.path.join(staging, place.manifest_name), place.manifest)


def main(place: Place) -> int:
    try:
        begun = place.has_started()
    except OSError as error:
        say("refused", reason=f"the records of a deployment cannot be read: {error}")
        return 1
    if place.present_digest() == place.digest:
        say("unchanged")
        return 0
    if begun:
        say("started", reason="its deployment has started, and a configured node is never changed")
        return 1
    try:
        os.makedirs(place.root, exist_ok=True)
        with alone(place.root):
            shutil.rmtree(place.incoming, ignore_errors=True)
            os.mkdir(place.incoming)
            own = tempfile.mkdtemp(prefix="upload-", dir=place.incoming)
        staging = os.path.join(own, "new")
        os.mkdir(staging)
    except OSError as error:
        say("refused", reason=f"{place.root} cannot be written: {error}")
        return 1
    say("ready")
    try:
        with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as stream:
            problems = receive(stream, staging, place)
        if problems:
            say("broken", problems=problems)
            return 1
        with alone(place.root):
            put_in_place(staging, os.path.join(own, "old"), place)
        say("stored")
        return 0
    except (tarfile.TarError, OSError, ValueError, KeyError, EOFError) as error:
        say("broken", problems=[f"{type(error).__name__}: {error}"])
        return 1
    finally:
        # Its own alone: a node may notice a lost connection only when the next upload is under way.
        shutil.rmtree(own, ignore_errors=True)
        with contextlib.suppress(OSError), alone(place.root):
            os.rmdir(place.incoming)


if __name__ == "__main__":
    sys.exit(main(Place(*sys.argv[1:])))
