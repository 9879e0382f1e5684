"""Bacalhau's program, out of the upload or downloaded, proven against its checksum."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import tarfile
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path

import layout
import node
from deployment import DeploymentStep
from manifest import sha256_of
from steps import StepError
from workloads import Artifact

DOWNLOAD_ATTEMPTS = 4
DOWNLOAD_TIMEOUT_SECONDS = 60
DOWNLOAD_MAX_BYTES = 1 << 30


class Step(DeploymentStep):
    needs = ("configuration",)

    def check(self) -> None:
        self._artifact()

    def act(self) -> str:
        artifact = self._artifact()
        record = self.root.at(layout.BINARIES)
        if artifact is None:
            node.write_json(record, {})
            return "none asked for"
        if self._is_installed(artifact):
            return f"bacalhau from {artifact.source}, already there"
        content = fetch(artifact, self.upload)
        digest = hashlib.sha256(content).hexdigest()
        if digest != artifact.sha256:
            raise StepError(f"{artifact.source}: sha256 is {digest}, not {artifact.sha256}")
        program = unpack(content, "bacalhau")
        node.write_atomically(self.root.at(layout.BACALHAU), program, 0o755)
        installed = hashlib.sha256(program).hexdigest()
        node.write_json(record, {"bacalhau": {"source_sha256": artifact.sha256, "sha256": installed}})
        return f"bacalhau from {artifact.source}"

    def verify(self) -> None:
        artifact = self._artifact()
        if artifact is not None and not self._is_installed(artifact):
            raise StepError(f"{layout.BACALHAU}: missing, or not what was installed from {artifact.source}")

    def _artifact(self) -> Artifact | None:
        bacalhau = self.deployment.bacalhau()
        if bacalhau is None:
            return None
        artifact = bacalhau.artifacts.get(platform.machine())
        if artifact is None:
            raise StepError(f"no Bacalhau for {platform.machine()}; there is {', '.join(bacalhau.artifacts)}")
        return artifact

    def _is_installed(self, artifact: Artifact) -> bool:
        try:
            recorded = node.read_json_object(self.root.at(layout.BINARIES)).get("bacalhau")
            program = self.root.at(layout.BACALHAU)
            actual = {"source_sha256": artifact.sha256, "sha256": sha256_of(program)}
            return recorded == actual and os.access(program, os.X_OK)
        except (OSError, ValueError):
            return False


def fetch(artifact: Artifact, upload: Path) -> bytes:
    """The artifact's bytes, out of the upload or from its address (with some attempts). Raises StepError."""
    if artifact.path is not None:
        try:
            return (upload / artifact.path).read_bytes()
        except OSError as error:
            raise StepError(str(error)) from error
    attempt = 1
    while True:
        try:
            with urllib.request.urlopen(artifact.source, timeout=DOWNLOAD_TIMEOUT_SECONDS) as answer:
                content: bytes = answer.read(DOWNLOAD_MAX_BYTES)
                return content
        except (OSError, ValueError, HTTPException) as error:
            if attempt == DOWNLOAD_ATTEMPTS:
                raise StepError(f"{artifact.source}: {error} ({attempt} attempts)") from error
        time.sleep(2**attempt)
        attempt += 1


def unpack(content: bytes, name: str) -> bytes:
    """A program's bytes: the file of that name out of a tar archive, or the content itself. Raises StepError."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                file = archive.extractfile(member) if Path(member.name).name == name else None
                if file is not None:
                    return file.read()
    except tarfile.ReadError:
        return content
    raise StepError(f"the archive has no file {name}")
