"""What a node is to run, as the client wrote it to config/workloads.json, and Bacalhau's configuration made of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from node import read_json_object

PLACEHOLDER = re.compile(r"\$\{[^}]*\}|\{\{[^}]*\}\}|<[A-Z][A-Z_]+>|\b(?:CHANGE|REPLACE)_?ME\b")
SHA256 = re.compile(r"[0-9a-f]{64}")


class WorkloadsError(ValueError):
    """The settings say something that cannot work."""


@dataclass(frozen=True)
class Artifact:
    """A program to install: from `url`, or from `path` inside the upload. `sha256` is that of the file as it comes."""

    sha256: str
    url: str | None
    path: str | None

    @property
    def source(self) -> str:
        return self.url or self.path or ""


@dataclass(frozen=True)
class Bacalhau:
    version: str
    artifacts: dict[str, Artifact]
    """By machine name, as `uname -m` says it."""
    orchestrators: tuple[str, ...]
    token_file: str | None
    """Path inside the upload."""
    labels: dict[str, str]
    allowed_paths: tuple[str, ...]


def load_bacalhau(path: Path) -> Bacalhau | None:
    """Bacalhau's settings, or None when it is not enabled. Raises WorkloadsError (a ValueError) or OSError."""
    raw = read_json_object(path)
    settings = raw.get("bacalhau")
    if raw.get("version") != 1 or set(raw) != {"version", "bacalhau"} or not isinstance(settings, dict):
        raise WorkloadsError(f"{path}: not workload settings of version 1")
    if settings == {"enabled": False}:
        return None
    known = {"enabled", "version", "artifacts", "orchestrators", "token_file", "labels", "allowed_paths"}
    if settings.get("enabled") is not True or set(settings) != known:
        raise WorkloadsError(f"{path}: bacalhau has keys {sorted(settings)}, not {sorted(known)}")
    artifacts, labels, token_file = settings["artifacts"], settings["labels"], settings["token_file"]
    if not isinstance(artifacts, dict) or not artifacts:
        raise WorkloadsError(f"{path}: bacalhau.artifacts names no program")
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise WorkloadsError(f"{path}: bacalhau.labels is not a table of strings")
    if not isinstance(settings["version"], str) or not isinstance(token_file, (str, type(None))):
        raise WorkloadsError(f"{path}: bacalhau.version or bacalhau.token_file is not a string")
    return Bacalhau(
        version=settings["version"],
        artifacts={machine: _artifact(path, machine, value) for machine, value in artifacts.items()},
        orchestrators=_strings(path, "orchestrators", settings["orchestrators"]),
        token_file=token_file,
        labels=labels,
        allowed_paths=_strings(path, "allowed_paths", settings["allowed_paths"]),
    )


def render_bacalhau(
    base: dict[str, object], settings: Bacalhau, labels: dict[str, str], token: str | None
) -> dict[str, object]:
    """The configuration of a compute node: the template, with what belongs to this fleet and this node put in."""
    template = base.get("Compute")
    compute: dict[str, object] = dict(template) if isinstance(template, dict) else {}
    compute["Orchestrators"] = list(settings.orchestrators)
    if token is not None:
        compute["Auth"] = {"Token": token}
    if settings.allowed_paths:
        compute["AllowListedLocalPaths"] = list(settings.allowed_paths)
    return {**base, "Compute": compute, "Labels": {**settings.labels, **labels}}


def _artifact(path: Path, machine: str, raw: object) -> Artifact:
    if isinstance(raw, dict) and set(raw) in ({"url", "sha256"}, {"path", "sha256"}):
        sha256, source = raw["sha256"], raw.get("url", raw.get("path"))
        if isinstance(sha256, str) and SHA256.fullmatch(sha256) and isinstance(source, str) and source:
            return Artifact(sha256, raw.get("url"), raw.get("path"))
    raise WorkloadsError(f"{path}: bacalhau.artifacts.{machine} needs sha256 and either url or path")


def _strings(path: Path, key: str, raw: object) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(value, str) for value in raw):
        raise WorkloadsError(f"{path}: bacalhau.{key} is not a list of strings")
    return tuple(raw)
