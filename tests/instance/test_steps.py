from __future__ import annotations

import json
import re
from collections.abc import Callable

from support import ScratchTest

from steps import Runner, Step, StepError, act, arguments, nothing

RECORDS = "/var/lib/spot-deployer/steps"
LOG = "/opt/deployment.log"


def failing(reason: str) -> Callable[[], None]:
    def fail() -> None:
        raise StepError(reason)

    return fail


class Steps(ScratchTest):
    def setUp(self) -> None:
        super().setUp()
        self.done: list[str] = []

    def step(
        self,
        name: str,
        *needs: str,
        check: Callable[[], None] = nothing,
        verify: Callable[[], None] = nothing,
        run: Callable[[], str] | None = None,
    ) -> Step:
        def do() -> str:
            self.done.append(name)
            return f"{name} done"

        return Step(name, needs, check, run or do, verify)

    def runner(self, *steps: Step) -> Runner:
        return Runner(steps, self.root.at(RECORDS), self.root.at(LOG))

    def act(self, runner: Runner, *words: str) -> int:
        return act(runner, arguments("", ["--root", str(self.root.directory), *words]))

    def test_runs_in_order_and_records_each(self) -> None:
        self.assertEqual(self.act(self.runner(self.step("one"), self.step("two", "one"))), 0)
        self.assertEqual(self.done, ["one", "two"])
        self.assertEqual(
            sorted(path.name for path in self.root.at(RECORDS).iterdir()), ["one.json", "two.json"]
        )
        record = self.read_json(f"{RECORDS}/one.json")
        self.assertEqual(list(record), ["position", "name", "start", "end", "status", "detail", "attempt"])
        self.assertEqual((record["status"], record["detail"], record["attempt"]), ("ok", "one done", 1))
        self.assertLessEqual(str(record["start"]), str(record["end"]))
        line = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] STEP {}: ok: {} done"
        for text, name in zip(self.read(LOG).splitlines(), ("one", "two"), strict=True):
            self.assertTrue(re.fullmatch(line.replace("{}", name), text), text)

    def test_L4_the_first_failure_ends_the_run_is_named_and_nothing_later_happens(self) -> None:
        for part in ("check", "run", "verify"):
            with self.subTest(part):
                self.done.clear()
                broken = self.step("two", **{part: failing("no\nsuch disk")})  # type: ignore[arg-type]
                runner = self.runner(self.step("one"), broken, self.step("three"))
                self.assertEqual(self.act(runner), 1)
                self.assertNotIn("three", self.done)
                self.assertEqual(self.records(RECORDS), {"one": "ok", "two": "failed", "three": "pending"})
                self.assertTrue(self.read(LOG).endswith("STEP two: failed: no such disk\n"))

    def test_an_error_that_nobody_foresaw_fails_the_step_with_its_own_words(self) -> None:
        self.assertEqual(self.act(self.runner(self.step("one", check=lambda: [][1]))), 1)
        self.assertIn("IndexError", str(self.read_json(f"{RECORDS}/one.json")["detail"]))

    def test_a_later_run_does_not_leave_an_earlier_run_s_word_on_later_steps(self) -> None:
        self.act(self.runner(self.step("one"), self.step("two")))
        self.act(self.runner(self.step("one", check=failing("gone")), self.step("two")))
        self.assertEqual(self.records(RECORDS), {"one": "failed", "two": "pending"})
        self.assertEqual(self.read_json(f"{RECORDS}/one.json")["attempt"], 2)

    def test_check_changes_nothing_and_tells_what_is_in_the_way(self) -> None:
        runner = self.runner(
            self.step("one"),
            self.step("two", verify=failing("not there")),
            self.step("three", check=failing("no disk"), verify=failing("not there")),
        )
        self.assertEqual(self.act(runner, "--check"), 1)
        self.assertEqual(list(self.root.directory.iterdir()), [])
        self.assertEqual(self.done, [])
        shown = ["one: ok", "two: not done: not there", "three: cannot be done: no disk"]
        self.assertEqual(self.printed.getvalue().splitlines(), shown)

    def test_list_names_the_steps(self) -> None:
        self.assertEqual(self.act(self.runner(self.step("one"), self.step("two")), "--list"), 0)
        self.assertEqual(self.printed.getvalue(), "one\ntwo\n")

    def test_one_step_runs_only_after_what_it_needs(self) -> None:
        runner = self.runner(self.step("one"), self.step("two", "one"))
        self.assertEqual(self.act(runner, "--step", "two"), 2)
        self.assertIn("two needs one first", self.printed.getvalue())
        self.assertEqual(self.act(runner, "--step", "one"), 0)
        self.assertEqual(self.act(runner, "--step", "two"), 0)
        self.assertEqual(self.done, ["one", "two"])

    def test_an_unknown_step_is_an_error_that_names_the_known_ones(self) -> None:
        self.assertEqual(self.act(self.runner(self.step("one")), "--step", "other"), 2)
        self.assertIn("the steps are one", self.printed.getvalue())

    def test_a_table_that_needs_what_comes_later_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            self.runner(self.step("one", "two"), self.step("two"))

    def test_a_record_is_whole_while_its_step_runs(self) -> None:
        seen: list[str] = []

        def look() -> str:
            seen.append(json.loads(self.read(f"{RECORDS}/one.json"))["status"])
            return ""

        self.act(self.runner(self.step("one", run=look)))
        self.assertEqual(seen, ["running"])
