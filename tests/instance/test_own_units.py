from __future__ import annotations

import subprocess
from collections.abc import Sequence
from unittest import mock

from support import RecordingSystemd, ScratchTest

import layout
import node
import own_units
import systemd
from layout import OWN_UNITS_STEPS as RECORDS
from layout import STARTUP_LOG as LOG
from own_units import OwnUnits
from systemd import Systemd, SystemdError

WELL = {
    "Type": "simple",
    "UnitFileState": "enabled",
    "ActiveState": "active",
    "SubState": "running",
    "Result": "success",
}
STARTING = {**WELL, "Type": "oneshot", "ActiveState": "activating", "SubState": "start"}
ENDED = {**WELL, "Type": "oneshot", "ActiveState": "inactive", "SubState": "dead"}


class StatesOverTime(RecordingSystemd):
    """Answers with one state after another; the last one stays."""

    def __init__(self, root: node.Root, *states: dict[str, dict[str, str]]) -> None:
        super().__init__(root)
        self.left = list(states)

    def states(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        self.calls.append("states")
        now = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        return {name: now.get(name, {}) for name in names}


class States(ScratchTest):
    def test_the_states_of_units_are_told_by_name(self) -> None:
        said = "Id=b.service\nType=exec\nResult=a=b\n\nId=a.service\nType=oneshot\nJob=7\n"
        answer = subprocess.CompletedProcess([], 0, said, "")
        with mock.patch.object(systemd, "_run", return_value=answer) as run:
            states = Systemd(self.root).states(["a.service", "b.service", "c.service"])
        self.assertEqual(run.call_args.args[0][-3:], ["a.service", "b.service", "c.service"])
        self.assertEqual(states["a.service"], {"Id": "a.service", "Type": "oneshot", "Job": "7"})
        self.assertEqual((states["b.service"]["Result"], states["c.service"]), ("a=b", {}))


    def test_a_command_that_fails_is_an_error_with_systemd_s_own_words_or_its_exit_code(self) -> None:
        for said, expected in {"Unit x.service not found.\n": "Unit x.service not found.", "": "exit code 5"}.items():
            answer = subprocess.CompletedProcess([], 5, "", said)
            with self.subTest(expected), mock.patch.object(systemd, "_run", return_value=answer):
                with self.assertRaisesRegex(SystemdError, f"^systemctl stop x.service: {expected}$"):
                    Systemd(self.root).stop("x.service", 1)


class OwnUnitsTest(ScratchTest):
    def deployed(self, *names: str) -> None:
        self.write_json(layout.DEPLOYMENT_COMPLETE, {"units": {"user": list(names)}})

    def look(self, *states: dict[str, dict[str, str]], patience: float = 30) -> bool:
        self.systemd = StatesOverTime(self.root, *states)
        with mock.patch.object(own_units, "LOOK_SECONDS", 0):
            return OwnUnits(self.root, self.systemd, patience).runner.run_all()

    def recorded(self) -> tuple[object, object]:
        record = self.read_json(f"{RECORDS}/own-units.json")
        return record["status"], record["detail"]

    def test_is_done_when_every_unit_is_active_or_has_ended_well(self) -> None:
        self.deployed("mine.service", "once.service", "by-a-timer.service")
        others = {**ENDED, "Type": "simple", "UnitFileState": "static"}
        self.assertTrue(self.look({"mine.service": WELL, "once.service": ENDED, "by-a-timer.service": others}))
        self.assertEqual(self.recorded(), ("ok", "mine.service, once.service, by-a-timer.service"))

    def test_waits_for_what_is_still_starting_or_not_yet_begun(self) -> None:
        self.deployed("once.service")
        queued = {**ENDED, "Job": "42"}
        self.assertTrue(self.look(*({"once.service": state} for state in (queued, STARTING, ENDED))))
        self.assertGreaterEqual(self.systemd.calls.count("states"), 3)

    def test_names_the_unit_that_hangs_in_its_start_when_the_time_is_over(self) -> None:
        self.deployed("mine.service", "hangs.service")
        self.assertFalse(self.look({"mine.service": WELL, "hangs.service": STARTING}, patience=0))
        said = "hangs.service: still starting after 0 s (activating, start)"
        self.assertEqual(self.recorded(), ("failed", said))
        self.assertTrue(self.read(LOG).endswith(f"STEP own-units: failed: {said}\n"))

    def test_names_the_unit_that_fails_without_waiting_for_it(self) -> None:
        for state, said in {
            ("failed", "failed", "exit-code"): "fails.service: failed (failed), exit-code",
            ("activating", "auto-restart", "exit-code"): "fails.service: activating (auto-restart), exit-code",
            ("inactive", "dead", "success"): "fails.service: inactive (dead), success",
        }.items():
            with self.subTest(said):
                self.deployed("fails.service")
                active, sub, result = state
                self.assertFalse(
                    self.look({"fails.service": {**WELL, "ActiveState": active, "SubState": sub, "Result": result}})
                )
                self.assertEqual(self.recorded(), ("failed", said))

    def test_a_unit_that_systemd_does_not_know_is_named(self) -> None:
        self.deployed("gone.service")
        self.assertFalse(self.look({}))
        self.assertEqual(self.recorded(), ("failed", "gone.service: unknown"))

    def test_without_units_of_the_user_s_there_is_nothing_to_ask(self) -> None:
        self.deployed()
        self.assertTrue(self.look({}))
        self.assertEqual(self.recorded(), ("ok", "there are none"))
        self.assertEqual(self.systemd.calls, [])

    def test_a_service_manager_that_fails_is_named(self) -> None:
        self.deployed("mine.service")
        with mock.patch.object(RecordingSystemd, "states", side_effect=SystemdError("no bus")):
            self.assertFalse(OwnUnits(self.root, RecordingSystemd(self.root), 0).runner.run_all())
        self.assertEqual(self.recorded(), ("failed", "no bus"))

    def test_a_node_that_was_never_deployed_is_named(self) -> None:
        self.assertFalse(self.look({}))
        self.assertIn("deployment-complete.json", str(self.recorded()[1]))
