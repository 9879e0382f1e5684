#!/usr/bin/python3
"""
Turns an upload into a configured node, once: a table of steps, each checked, recorded and logged, then the reboot.
A node that has been deployed is never edited: another payload is refused, the node is to be replaced.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import re
import stat
import sys
import tarfile
import time
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path

# An import must leave nothing beside the uploaded scripts: the upload is compared with its manifest.
sys.dont_write_bytecode = True

import layout  # noqa: E402
import node  # noqa: E402
from generate_node_identity import identity_text  # noqa: E402
from manifest import Manifest, ManifestError, differences, load, sha256_of  # noqa: E402
from steps import EXIT_FAILED, EXIT_OK, EXIT_REFUSED, Runner, Step, StepError, act, arguments, nothing  # noqa: E402
from systemd import (  # noqa: E402
    COMMAND_MARKS,
    COMMANDS,
    Systemd,
    SystemdError,
    assignments,
    cycle_in,
    is_installable,
)
from workloads import PLACEHOLDER, Artifact, Bacalhau, WorkloadsError, load_bacalhau  # noqa: E402

CONFIGURATION = ("sensor-config.json", "workloads.json", "bacalhau.json")
NODE_KEYS = ("stack", "lineage", "node", "generation")

# sha256 of the identity of i-test: proves that this node's Python gives the same identities as every other.
PROBE_ID = "i-test"
PROBE_SHA256 = "e0b3397b60f866fe252f750071ede397267e4d184d19ee071b96290b626f24fb"

DOWNLOAD_ATTEMPTS = 4
DOWNLOAD_TIMEOUT_SECONDS = 60
DOWNLOAD_MAX_BYTES = 1 << 30
SHOWN_DIFFERENCES = 20

# A word of a unit that is or ends in a path inside the upload. One with patterns, variables or systemd's specifiers is
# for those who fill them in. fleet/node/payload.ts judges alike, before the launch.
UPLOADED = re.compile(rf"(?:[\w-]+=)?({re.escape(layout.UPLOAD)}(?:/[^\s$%*?;|&<>\\\"']*)?)")


class Deployment:
    """The steps of a deployment below one root."""

    def __init__(self, root: node.Root, systemd: Systemd | None = None) -> None:
        self._root = root
        self._systemd = systemd or Systemd(root)
        self._upload = root.at(layout.UPLOAD)
        self.runner = Runner(self._table(), root.at(layout.DEPLOYMENT_STEPS), root.at(layout.DEPLOYMENT_LOG))

    def _table(self) -> list[Step]:
        return [
            Step("verify-manifest", (), nothing, self.read_manifest, self.verify_manifest),
            Step("directories", ("verify-manifest",), nothing, self.make_directories, self.verify_directories),
            Step("scripts", ("directories",), self.check_scripts, self.install_hooks, self.verify_hooks),
            Step(
                "configuration",
                ("directories",),
                self.check_configuration,
                self.configure,
                self.verify_configuration,
            ),
            Step("identity-inputs", ("scripts",), nothing, self.name_node, self.verify_identity_inputs),
            Step(
                "workload-binaries",
                ("configuration",),
                self.check_binaries,
                self.install_binaries,
                self.verify_binaries,
            ),
            Step("units", ("scripts", "workload-binaries"), self.check_units, self.install_units, self.verify_units),
            Step(
                "deployment-complete",
                ("units", "identity-inputs"),
                self.check_complete,
                self.complete,
                self.verify_complete,
            ),
        ]

    # What is already there

    def deployed_digest(self) -> str | None:
        """The digest that this node was deployed with; None when it was not. Raises StepError."""
        marker = self._root.at(layout.DEPLOYMENT_COMPLETE)
        if not marker.exists():
            return None
        try:
            return str(node.read_json_object(marker).get("digest"))
        except (OSError, ValueError) as error:
            raise StepError(f"this node was deployed, but its marker cannot be read: {error}") from error

    def _manifest(self) -> Manifest:
        try:
            return load(self._root.at(layout.MANIFEST))
        except ManifestError as error:
            raise StepError(str(error)) from error

    def uploaded_digest(self) -> str:
        """The digest of what was uploaded. Raises StepError."""
        return self._manifest().digest

    # verify-manifest

    def read_manifest(self) -> str:
        manifest = self._manifest()
        return f"{len(manifest.entries)} entries, payload {manifest.digest}"

    def verify_manifest(self) -> None:
        found = differences(self._manifest(), self._upload)
        if found:
            more = len(found) - SHOWN_DIFFERENCES
            raise StepError("; ".join(found[:SHOWN_DIFFERENCES]) + (f"; and {more} more" if more > 0 else ""))

    # directories

    def make_directories(self) -> str:
        for directory in layout.DIRECTORIES:
            path = self._root.at(directory.path)
            path.mkdir(parents=True, exist_ok=True)
            if directory.kind != "system":
                os.chown(path, os.geteuid(), os.getegid())
                path.chmod(directory.mode)
        return f"{len(layout.DIRECTORIES)} directories"

    def verify_directories(self) -> None:
        wrong = []
        for directory in layout.DIRECTORIES:
            path = self._root.at(directory.path)
            if not path.is_dir():
                wrong.append(f"{directory.path}: missing")
            elif directory.kind != "system":
                status = path.stat()
                if stat.S_IMODE(status.st_mode) != directory.mode or status.st_uid != os.geteuid():
                    wrong.append(f"{directory.path}: mode {stat.S_IMODE(status.st_mode):04o}, owner {status.st_uid}")
        if wrong:
            raise StepError("; ".join(wrong))

    # scripts

    def check_scripts(self) -> None:
        """Every script is Python that this node's own interpreter accepts; compiled in memory only."""
        scripts = sorted((self._upload / "scripts").glob("*.py"))
        if not scripts:
            raise StepError("the upload has no scripts")
        for script in scripts:
            try:
                compile(script.read_bytes(), str(script), "exec")
            except (SyntaxError, ValueError) as error:
                raise StepError(f"{script.name}: {error}") from error

    def _hooks(self) -> list[Path]:
        return sorted(path for path in (self._upload / "files/on-interruption.d").glob("*") if path.is_file())

    def install_hooks(self) -> str:
        for hook in self._hooks():
            node.write_atomically(self._root.at(layout.HOOKS) / hook.name, hook.read_bytes(), 0o755)
        return f"{len(self._hooks())} interruption hooks"

    def verify_hooks(self) -> None:
        self._require_copies({hook: self._root.at(layout.HOOKS) / hook.name for hook in self._hooks()})

    # configuration

    def _bacalhau(self) -> Bacalhau | None:
        try:
            return load_bacalhau(self._upload / "config/workloads.json")
        except (OSError, WorkloadsError, ValueError) as error:
            raise StepError(str(error)) from error

    def check_configuration(self) -> None:
        for name in CONFIGURATION:
            path = self._upload / "config" / name
            try:
                node.read_json_object(path)
            except (OSError, ValueError) as error:
                raise StepError(str(error)) from error
            found = PLACEHOLDER.search(path.read_text(encoding="utf-8"))
            if found:
                raise StepError(f"config/{name}: a placeholder was left: {found.group()}")
        self._uploaded_token()

    def configure(self) -> str:
        for name in CONFIGURATION:
            content = (self._upload / "config" / name).read_bytes()
            node.write_atomically(self._root.at(layout.SETTINGS) / name, content, 0o644)
        token = self._uploaded_token()
        if token is not None:
            node.write_atomically(self._root.at(layout.BACALHAU_TOKEN), token, 0o600)
        return f"{len(CONFIGURATION)} files{'' if token is None else ', one token'}"

    def verify_configuration(self) -> None:
        settings = self._root.at(layout.SETTINGS)
        self._require_copies({self._upload / "config" / name: settings / name for name in CONFIGURATION})
        if self._uploaded_token() is not None:
            token = self._root.at(layout.BACALHAU_TOKEN)
            if not token.is_file() or stat.S_IMODE(token.stat().st_mode) != 0o600:
                raise StepError(f"{layout.BACALHAU_TOKEN}: missing, or not of mode 0600")

    def _uploaded_token(self) -> bytes | None:
        bacalhau = self._bacalhau()
        if bacalhau is None or bacalhau.token_file is None:
            return None
        path = self._upload / bacalhau.token_file
        try:
            token = path.read_bytes().strip()
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError as error:
            raise StepError(str(error)) from error
        if mode & 0o077:
            raise StepError(f"{bacalhau.token_file}: readable by others (mode {mode:04o})")
        if not token:
            raise StepError(f"{bacalhau.token_file}: empty")
        return token + b"\n"

    # identity-inputs

    def _node(self) -> dict[str, object]:
        try:
            value = node.read_json_object(self._root.at(layout.NODE))
        except (OSError, ValueError) as error:
            raise StepError(str(error)) from error
        missing = [key for key in NODE_KEYS if not isinstance(value.get(key), str) or not value[key]]
        if missing:
            raise StepError(f"{layout.NODE}: no {', '.join(missing)}")
        return value

    def name_node(self) -> str:
        value = self._node()
        return f"node {value['node']} of stack {value['stack']}"

    def verify_identity_inputs(self) -> None:
        self._node()
        if hashlib.sha256(identity_text(PROBE_ID).encode()).hexdigest() != PROBE_SHA256:
            raise StepError(f"the identity of {PROBE_ID} differs under Python {platform.python_version()}")

    # workload-binaries

    def _bacalhau_artifact(self) -> Artifact | None:
        bacalhau = self._bacalhau()
        if bacalhau is None:
            return None
        artifact = bacalhau.artifacts.get(platform.machine())
        if artifact is None:
            raise StepError(f"no Bacalhau for {platform.machine()}; there is {', '.join(bacalhau.artifacts)}")
        return artifact

    def check_binaries(self) -> None:
        self._bacalhau_artifact()

    def install_binaries(self) -> str:
        artifact = self._bacalhau_artifact()
        record = self._root.at(layout.BINARIES)
        if artifact is None:
            node.write_json(record, {})
            return "none asked for"
        if self._bacalhau_is_installed(artifact):
            return f"bacalhau from {artifact.source}, already there"
        content = fetch(artifact, self._upload)
        digest = hashlib.sha256(content).hexdigest()
        if digest != artifact.sha256:
            raise StepError(f"{artifact.source}: sha256 is {digest}, not {artifact.sha256}")
        program = unpack(content, "bacalhau")
        node.write_atomically(self._root.at(layout.BACALHAU), program, 0o755)
        installed = hashlib.sha256(program).hexdigest()
        node.write_json(record, {"bacalhau": {"source_sha256": artifact.sha256, "sha256": installed}})
        return f"bacalhau from {artifact.source}"

    def verify_binaries(self) -> None:
        artifact = self._bacalhau_artifact()
        if artifact is not None and not self._bacalhau_is_installed(artifact):
            raise StepError(f"{layout.BACALHAU}: missing, or not what was installed from {artifact.source}")

    def _bacalhau_is_installed(self, artifact: Artifact) -> bool:
        try:
            recorded = node.read_json_object(self._root.at(layout.BINARIES)).get("bacalhau")
            program = self._root.at(layout.BACALHAU)
            actual = {"source_sha256": artifact.sha256, "sha256": sha256_of(program)}
            return recorded == actual and os.access(program, os.X_OK)
        except (OSError, ValueError):
            return False

    # units

    def _units(self) -> dict[str, Path]:
        """Unit files to install, by name: the project's, then the user's."""
        wanted = self._bacalhau() is not None
        ours = sorted((self._upload / "services").glob("*.service"))
        units = {path.name: path for path in ours if wanted or path.name != layout.BACALHAU_UNIT}
        for path in sorted((self._upload / "files/systemd").glob("*.service")):
            if path.name in units or path.name == layout.BACALHAU_UNIT or path.name == layout.DEPLOY_UNIT:
                raise StepError(f"files/systemd/{path.name}: the name is taken by a unit of spot-deployer")
            units[path.name] = path
        return units

    def check_units(self) -> None:
        for name, path in self._units().items():
            text = path.read_text(encoding="utf-8")
            later = cycle_in(text)
            if later is not None:
                raise StepError(f"{name}: After={later} with WantedBy=multi-user.target is an ordering cycle")
            for key, words in assignments(text):
                for position, word in enumerate(words):
                    self._require_uploaded(f"{name}: {key}", word, runs=key in COMMANDS and position == 0)

    def _require_uploaded(self, where: str, word: str, runs: bool) -> None:
        """A path inside the upload that a word is, or that stands in its text for a shell, must be there."""
        whole = word.lstrip(COMMAND_MARKS) if runs else word
        for part in [whole] if self._root.at(whole).exists() else whole.split():
            named = UPLOADED.fullmatch(part)
            if named is None:
                continue
            path = self._root.at(named[1])
            if not path.exists():
                raise StepError(f"{where} names {named[1]}, which was not uploaded")
            if runs and path.is_dir():
                raise StepError(f"{where} names {named[1]}, a folder: only a file can be run")

    def install_units(self) -> str:
        units = self._units()
        for name, source in units.items():
            node.write_atomically(self._root.at(layout.UNITS) / name, source.read_bytes(), 0o644)
        try:
            complaints = self._systemd.verify([self._root.at(layout.UNITS) / name for name in units])
            if complaints:
                raise StepError("; ".join(complaints))
            self._systemd.reload()
            self._systemd.enable(self._enabled(units))
        except SystemdError as error:
            raise StepError(str(error)) from error
        return f"{', '.join(units)} installed"

    def verify_units(self) -> None:
        units = self._units()
        self._require_copies({source: self._root.at(layout.UNITS) / name for name, source in units.items()})
        try:
            states = {name: self._systemd.state_of_file(name) for name in self._enabled(units)}
        except SystemdError as error:
            raise StepError(str(error)) from error
        wrong = [f"{name} is {state}" for name, state in states.items() if state != "enabled"]
        if wrong:
            raise StepError(f"not enabled: {', '.join(wrong)}")

    def _enabled(self, units: dict[str, Path]) -> list[str]:
        return [name for name, path in units.items() if is_installable(path.read_text(encoding="utf-8"))]

    # deployment-complete

    def check_complete(self) -> None:
        self.runner.require_ok([name for name in self.runner.names if name != "deployment-complete"])

    def complete(self) -> str:
        units = self._units()
        users = sorted(name for name, path in units.items() if path.parent.name == "systemd")
        marker = {
            "digest": self.uploaded_digest(),
            "completedAt": node.utc_now(),
            "bootId": node.boot_id(),
            "units": {"installed": list(units), "enabled": self._enabled(units), "user": users},
        }
        node.write_json(self._root.at(layout.DEPLOYMENT_COMPLETE), marker)
        return f"payload {marker['digest']}"

    def verify_complete(self) -> None:
        if self.deployed_digest() != self.uploaded_digest():
            raise StepError("the marker is missing or names another payload")

    # After the table

    def request_reboot(self) -> None:
        """Asks for the reboot, which begins when this program's unit has ended. Raises StepError."""
        try:
            self._systemd.start_detached(layout.REBOOT_UNIT)
        except SystemdError as error:
            raise StepError(f"the reboot could not be started: {error}") from error

    def _require_copies(self, copies: dict[Path, Path]) -> None:
        wrong = [
            str(target)
            for source, target in copies.items()
            if not target.is_file() or target.read_bytes() != source.read_bytes()
        ]
        if wrong:
            raise StepError(f"missing or different: {', '.join(wrong)}")


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


def main(argv: Sequence[str] | None = None) -> int:
    chosen = arguments("Deploy what was uploaded, then reboot.", argv)
    deployment = Deployment(node.Root(chosen.root))
    if chosen.list or chosen.check:
        return act(deployment.runner, chosen)
    try:
        deployed = deployment.deployed_digest()
        if deployed is not None:
            return refuse(deployed, deployment.uploaded_digest())
    except StepError as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    code = act(deployment.runner, chosen)
    if code != EXIT_OK or chosen.step:
        return code
    try:
        deployment.request_reboot()
    except StepError as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED
    return EXIT_OK


def refuse(deployed: str, uploaded: str) -> int:
    if deployed == uploaded:
        print(f"already deployed: payload {deployed}")
        return EXIT_OK
    print(f"refused: deployed with payload {deployed}, uploaded is {uploaded}; replace the node", file=sys.stderr)
    return EXIT_REFUSED


if __name__ == "__main__":
    sys.exit(main())
