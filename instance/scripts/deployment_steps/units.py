"""Our units and the user's: sound, installed, enabled, and naming nothing that was not uploaded."""

from __future__ import annotations

import re
from pathlib import Path

import layout
import node
from deployment import DeploymentStep, enabled_of, require_copies
from steps import StepError
from systemd import COMMAND_MARKS, COMMANDS, SystemdError, assignments, cycle_in

# A word of a unit that is or ends in a path inside the upload. One with patterns, variables or systemd's specifiers is
# for those who fill them in. fleet/node/payload.ts judges alike, before the launch.
UPLOADED = re.compile(rf"(?:[\w-]+=)?({re.escape(layout.UPLOAD)}(?:/[^\s$%*?;|&<>\\\"']*)?)")


class Step(DeploymentStep):
    needs = ("scripts", "workload-binaries")

    def check(self) -> None:
        for name, path in self.deployment.units().items():
            text = path.read_text(encoding="utf-8")
            later = cycle_in(text)
            if later is not None:
                raise StepError(f"{name}: After={later} with WantedBy=multi-user.target is an ordering cycle")
            for key, words in assignments(text):
                for position, word in enumerate(words):
                    self._require_uploaded(f"{name}: {key}", word, runs=key in COMMANDS and position == 0)

    def act(self) -> str:
        copies, systemd = self._copies(), self.deployment.systemd
        for source, target in copies.items():
            node.write_atomically(target, source.read_bytes(), 0o644)
        try:
            complaints = systemd.verify(list(copies.values()))
            if complaints:
                raise StepError("; ".join(complaints))
            systemd.reload()
            systemd.enable(enabled_of(self.deployment.units()))
        except SystemdError as error:
            raise StepError(str(error)) from error
        return f"{', '.join(target.name for target in copies.values())} installed"

    def verify(self) -> None:
        require_copies(self._copies())
        try:
            enabled = enabled_of(self.deployment.units())
            states = {name: self.deployment.systemd.state_of_file(name) for name in enabled}
        except SystemdError as error:
            raise StepError(str(error)) from error
        wrong = [f"{name} is {state}" for name, state in states.items() if state != "enabled"]
        if wrong:
            raise StepError(f"not enabled: {', '.join(wrong)}")

    def _copies(self) -> dict[Path, Path]:
        return {source: self.root.at(layout.UNITS) / name for name, source in self.deployment.units().items()}

    def _require_uploaded(self, where: str, word: str, runs: bool) -> None:
        """A path inside the upload that a word is, or that stands in its text for a shell, must be there."""
        whole = word.lstrip(COMMAND_MARKS) if runs else word
        for part in [whole] if self.root.at(whole).exists() else whole.split():
            named = UPLOADED.fullmatch(part)
            if named is None:
                continue
            path = self.root.at(named[1])
            if not path.exists():
                raise StepError(f"{where} names {named[1]}, which was not uploaded")
            if runs and path.is_dir():
                raise StepError(f"{where} names {named[1]}, a folder: only a file can be run")
