"""Settings and templates for the start of the node, and Bacalhau's token, which nobody else may read."""

from __future__ import annotations

import stat
from pathlib import Path

import layout
import node
from deployment import DeploymentStep, require_copies
from steps import StepError
from workloads import PLACEHOLDER

# Each is a copy of the file of its name in the upload's config/.
SETTINGS = (layout.SENSOR_SETTINGS, layout.WORKLOAD_SETTINGS, layout.BACALHAU_SETTINGS)


class Step(DeploymentStep):
    needs = ("directories",)

    def check(self) -> None:
        for source in self._copies():
            try:
                node.read_json_object(source)
            except (OSError, ValueError) as error:
                raise StepError(str(error)) from error
            found = PLACEHOLDER.search(source.read_text(encoding="utf-8"))
            if found:
                raise StepError(f"config/{source.name}: a placeholder was left: {found.group()}")
        self._uploaded_token()

    def act(self) -> str:
        copies = self._copies()
        for source, target in copies.items():
            node.write_atomically(target, source.read_bytes(), 0o644)
        token = self._uploaded_token()
        if token is not None:
            node.write_atomically(self.root.at(layout.BACALHAU_TOKEN), token, 0o600)
        return f"{len(copies)} files{'' if token is None else ', one token'}"

    def verify(self) -> None:
        require_copies(self._copies())
        if self._uploaded_token() is not None:
            token = self.root.at(layout.BACALHAU_TOKEN)
            if not token.is_file() or stat.S_IMODE(token.stat().st_mode) != 0o600:
                raise StepError(f"{layout.BACALHAU_TOKEN}: missing, or not of mode 0600")

    def _copies(self) -> dict[Path, Path]:
        targets = [self.root.at(path) for path in SETTINGS]
        return {self.upload / "config" / target.name: target for target in targets}

    def _uploaded_token(self) -> bytes | None:
        bacalhau = self.deployment.bacalhau()
        if bacalhau is None or bacalhau.token_file is None:
            return None
        path = self.upload / bacalhau.token_file
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
