"""Runs a table of steps: each is checked before and after, recorded and logged; the first failure ends the run."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from node import default_root, read_json_object, utc_now, write_json

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3


class StepError(Exception):
    """Why a step cannot be done or is not done, in words for a person."""


def nothing() -> None:
    """A check that has nothing to look at."""


@dataclass(frozen=True)
class Step:
    """One line of a table. `check` and `verify` change nothing and raise StepError with the reason."""

    name: str
    needs: tuple[str, ...]
    """Names of earlier steps that must be done."""
    check: Callable[[], None]
    """Can it be done?"""
    run: Callable[[], str]
    """Does it, again and again with the same result; returns what was done in a few words."""
    verify: Callable[[], None]
    """Is it done?"""


class Runner:
    """
    A table of steps with its records (`name.json`: position from 1, name, start, end, status, detail, attempt) and its
    log. Status is pending, running, ok or failed.
    """

    def __init__(self, steps: Sequence[Step], records: Path, log: Path) -> None:
        known: set[str] = set()
        for step in steps:
            if step.name in known or not known.issuperset(step.needs):
                raise ValueError(f"step {step.name}: named twice, or needs a step that does not come before it")
            known.add(step.name)
        self._steps = tuple(steps)
        self._records = records
        self._log = log

    @property
    def names(self) -> list[str]:
        return [step.name for step in self._steps]

    def run_all(self) -> bool:
        """Runs every step in order; False at the first that fails. Nothing after it is touched."""
        self._records.mkdir(parents=True, exist_ok=True)
        for step in self._steps:
            # What an earlier run said of a later step must not be read as this run's word.
            self._write(step, "pending", "", None, None, self._attempts(step))
        return all(map(self._perform, self._steps))

    def run_one(self, name: str) -> bool:
        """Runs one step, when all that it needs is recorded as done. Raises StepError when not, or for no such step."""
        by_name = {step.name: step for step in self._steps}
        if name not in by_name:
            raise StepError(f"no step {name}; the steps are {', '.join(self.names)}")
        step = by_name[name]
        missing = [need for need in step.needs if not self._is_done(need)]
        if missing:
            raise StepError(f"{name} needs {', '.join(missing)} first")
        self._records.mkdir(parents=True, exist_ok=True)
        return self._perform(step)

    def report(self) -> bool:
        """Prints what is done, what could be done and what is in the way. Changes nothing."""
        done = True
        for step in self._steps:
            undone = reason_of(step.verify)
            if undone is None:
                print(f"{step.name}: ok")
                continue
            done = False
            obstacle = reason_of(step.check)
            print(f"{step.name}: {f'not done: {undone}' if obstacle is None else f'cannot be done: {obstacle}'}")
        return done

    def require_ok(self, names: Sequence[str]) -> None:
        """Raises StepError naming every step of `names` that is not recorded as done."""
        undone = [name for name in names if not self._is_done(name)]
        if undone:
            raise StepError(f"not done: {', '.join(undone)}")

    def _perform(self, step: Step) -> bool:
        attempt = self._attempts(step) + 1
        start = utc_now()
        self._write(step, "running", "", start, None, attempt)
        detail = ""

        def whole() -> None:
            nonlocal detail
            step.check()
            detail = step.run()
            step.verify()

        reason = reason_of(whole)
        status = "ok" if reason is None else "failed"
        detail = one_line(detail if reason is None else reason)
        self._write(step, status, detail, start, utc_now(), attempt)
        self._say(f"STEP {step.name}: {status}{': ' + detail if detail else ''}")
        return reason is None

    def _say(self, text: str) -> None:
        line = f"[{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S}] {text}"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a", encoding="utf-8") as log:
            log.write(line + "\n")
        print(line, flush=True)

    def _path(self, name: str) -> Path:
        return self._records / f"{name}.json"

    def _recorded(self, name: str) -> dict[str, object]:
        try:
            return read_json_object(self._path(name))
        except (OSError, ValueError):
            return {}

    def _is_done(self, name: str) -> bool:
        return self._recorded(name).get("status") == "ok"

    def _attempts(self, step: Step) -> int:
        attempt = self._recorded(step.name).get("attempt")
        return attempt if isinstance(attempt, int) else 0

    def _write(self, step: Step, status: str, detail: str, start: str | None, end: str | None, attempt: int) -> None:
        record = {
            "position": self.names.index(step.name) + 1,
            "name": step.name,
            "start": start,
            "end": end,
            "status": status,
            "detail": detail,
            "attempt": attempt,
        }
        write_json(self._path(step.name), record)


def reason_of(action: Callable[[], None]) -> str | None:
    """Why an action failed, or None. An error that nobody foresaw also shows its trace on stderr."""
    try:
        action()
    except StepError as error:
        return str(error)
    except Exception as error:
        traceback.print_exc()
        return f"{type(error).__name__}: {error}"
    return None


def one_line(text: str) -> str:
    return " ".join(text.split())


def arguments(description: str, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line of every program that runs a table: `root`, and at most one of `list`, `check`, `step`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--root", type=Path, default=default_root(), help="directory that stands for / (or SPOT_ROOT)")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--list", action="store_true", help="list the steps")
    mode.add_argument("--check", action="store_true", help="say what is done and what is not; change nothing")
    mode.add_argument("--step", metavar="NAME", help="run one step")
    return parser.parse_args(argv)


def act(runner: Runner, chosen: argparse.Namespace) -> int:
    """Does what the command line asks and returns the exit code: 0 done, 1 a step failed, 2 not understood."""
    if chosen.list:
        print("\n".join(runner.names))
        return EXIT_OK
    if chosen.check:
        return EXIT_OK if runner.report() else EXIT_FAILED
    try:
        done = runner.run_one(chosen.step) if chosen.step else runner.run_all()
    except StepError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    except OSError as error:
        print(f"cannot keep records: {error} (is this root?)", file=sys.stderr)
        return EXIT_FAILED
    return EXIT_OK if done else EXIT_FAILED
