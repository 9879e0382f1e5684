"""The few things that scripts of a node ask of systemd."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from node import Root

COMMAND_SECONDS = 120

STATE_PROPERTIES = "Id,Type,UnitFileState,ActiveState,SubState,Result,Job"

# Ordering after these and being wanted by multi-user.target is a cycle, which systemd breaks by dropping a job:
# the unit is enabled, and dead after boot, with nothing in its journal.
LATER_THAN_MULTI_USER = frozenset({"multi-user.target", "graphical.target", "cloud-init.target", "cloud-final.service"})


# The keys whose value is a command.
COMMANDS = frozenset(
    {"ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost"}
)
# May stand before a command's program; they say how to run it.
COMMAND_MARKS = "-@:+!"
WORD = re.compile(r"\"([^\"]*)\"|'([^']*)'|(\S+)")


class SystemdError(Exception):
    """A command of systemd's failed; its own words."""


class Systemd:
    """Below a scratch root there is no service manager: files are looked at and links made, nothing is started."""

    def __init__(self, root: Root) -> None:
        self._root = root

    def verify(self, units: Sequence[Path]) -> list[str]:
        """What `systemd-analyze verify` says about these units, line by line."""
        result = _run(["systemd-analyze", "verify", "--man=no", *map(str, units)])
        names = [unit.name for unit in units]
        lines = (result.stdout + result.stderr).splitlines()
        about = [line for line in lines if any(name in line for name in names)]
        return about or (lines or ["systemd-analyze failed without a word"] if result.returncode != 0 else [])

    def reload(self) -> None:
        if self._root.is_real:
            self._systemctl("daemon-reload")

    def enable(self, names: Sequence[str]) -> None:
        self._systemctl("enable", *names)

    def state_of_file(self, name: str) -> str:
        """What `is-enabled` says: enabled, static, disabled, …"""
        result = _run(self._command("is-enabled", name))
        return result.stdout.strip() or result.stderr.strip() or "unknown"

    def states(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """What systemd knows of these units now, by name; `Job` only of one that is being started or stopped."""
        shown = self._systemctl("show", f"--property={STATE_PROPERTIES}", *names)
        units = [dict(line.split("=", 1) for line in unit.splitlines()) for unit in shown.strip().split("\n\n")]
        by_id = {unit.get("Id"): unit for unit in units}
        return {name: by_id.get(name, {}) for name in names}

    def start_detached(self, name: str) -> None:
        if self._root.is_real:
            self._systemctl("start", "--no-block", name)

    def stop(self, name: str, seconds: float) -> None:
        self._systemctl("stop", name, seconds=seconds)

    def _command(self, *words: str) -> list[str]:
        return ["systemctl", *([] if self._root.is_real else [f"--root={self._root.directory}"]), *words]

    def _systemctl(self, *words: str, seconds: float = COMMAND_SECONDS) -> str:
        result = _run(self._command(*words), seconds)
        if result.returncode != 0:
            said = (result.stderr or result.stdout).strip() or f"exit code {result.returncode}"
            raise SystemdError(f"systemctl {' '.join(words)}: {said}")
        return result.stdout


def assignments(unit: str) -> list[tuple[str, list[str]]]:
    """Each key of a unit file's text with the words of its value: continuation lines joined, quotes taken off."""
    joined = re.sub(r"\\\n", " ", unit)
    lines = re.findall(r"^\s*(\w+)\s*=(.*)$", joined, re.MULTILINE)
    return [(key, ["".join(parts) for parts in WORD.findall(value)]) for key, value in lines]


def values_of(unit: str, key: str) -> list[str]:
    """Every word given to a key in a unit file's text, over all its lines."""
    return [word for name, words in assignments(unit) if name == key for word in words]


def is_installable(unit: str) -> bool:
    return re.search(r"^\s*\[Install\]\s*$", unit, re.MULTILINE) is not None


def cycle_in(unit: str) -> str | None:
    """The unit after which this one orders itself although it is part of what comes before; None when sound."""
    wanted = set(values_of(unit, "WantedBy")) | set(values_of(unit, "RequiredBy"))
    after = set(values_of(unit, "After")) & LATER_THAN_MULTI_USER
    return min(after) if after and "multi-user.target" in wanted else None


def _run(command: list[str], seconds: float = COMMAND_SECONDS) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SystemdError(str(error)) from error
