#!/usr/bin/python3
"""After each boot: has every unit of the user's own started? Recorded and logged; nothing is started or stopped."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

# An import must leave nothing beside the uploaded scripts: the upload is compared with its manifest.
sys.dont_write_bytecode = True

import layout  # noqa: E402
import node  # noqa: E402
from steps import Runner, Step, StepError, act, arguments, nothing  # noqa: E402
from systemd import Systemd, SystemdError  # noqa: E402

# What systemd itself allows a start, but for units of Type=oneshot: those may take for ever.
PATIENCE_SECONDS = 90.0
LOOK_SECONDS = 1.0

UnitState = dict[str, str]


class OwnUnits:
    """One step: to see them all started. One that hangs is named when the time is over, and left alone."""

    def __init__(
        self, root: node.Root, systemd: Systemd | None = None, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._root = root
        self._systemd = systemd or Systemd(root)
        self._patience_seconds = patience_seconds
        self.runner = Runner(
            [Step("own-units", (), nothing, self.wait, self.verify)],
            root.at(layout.OWN_UNITS_STEPS),
            root.at(layout.STARTUP_LOG),
        )

    def wait(self) -> str:
        end = time.monotonic() + self._patience_seconds
        while any(map(is_starting, self._states().values())) and time.monotonic() < end:
            time.sleep(LOOK_SECONDS)
        return ", ".join(self._names()) or "there are none"

    def verify(self) -> None:
        troubles = [self._trouble_with(name, state) for name, state in self._states().items() if not has_started(state)]
        if troubles:
            raise StepError("; ".join(troubles))

    def _trouble_with(self, name: str, state: UnitState) -> str:
        if "ActiveState" not in state:
            return f"{name}: unknown"
        active, sub = state["ActiveState"], state.get("SubState")
        if is_starting(state):
            return f"{name}: still starting after {self._patience_seconds:.0f} s ({active}, {sub})"
        return f"{name}: {active} ({sub}), {state.get('Result')}"

    def _names(self) -> list[str]:
        try:
            units = node.read_json_object(self._root.at(layout.DEPLOYMENT_COMPLETE)).get("units")
        except (OSError, ValueError) as error:
            raise StepError(str(error)) from error
        names = units.get("user") if isinstance(units, dict) else None
        return [str(name) for name in names] if isinstance(names, list) else []

    def _states(self) -> dict[str, UnitState]:
        names = self._names()
        try:
            return self._systemd.states(names) if names else {}
        except SystemdError as error:
            raise StepError(str(error)) from error


def is_starting(state: UnitState) -> bool:
    """Its start is under way or still to come. One that failed and waits for its restart is not starting."""
    active = state.get("ActiveState")
    if active == "inactive":
        return "Job" in state
    return active == "activating" and state.get("SubState") != "auto-restart"


def has_started(state: UnitState) -> bool:
    """It is active, has ended well (oneshot), or is for others to start."""
    active = state.get("ActiveState")
    if active != "inactive" or is_starting(state):
        return active == "active"
    ended_well = state.get("Type") == "oneshot" and state.get("Result") == "success"
    return ended_well or state.get("UnitFileState") == "static"


def main(argv: Sequence[str] | None = None) -> int:
    chosen = arguments("See that the user's own units have started.", argv)
    return act(OwnUnits(node.Root(chosen.root)).runner, chosen)


if __name__ == "__main__":
    sys.exit(main())
