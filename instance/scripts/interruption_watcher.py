#!/usr/bin/python3
"""
Watches for the end of a spot instance. On a rebalance recommendation: log and run the user's hooks. On the two-minute
notice: the same, then stop the workloads in order, all in the time that is left.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType

# An import must leave nothing beside the uploaded scripts: the upload is compared with its manifest.
sys.dont_write_bytecode = True

import layout  # noqa: E402
import node  # noqa: E402
from metadata import MetadataError, MetadataService  # noqa: E402
from systemd import Systemd, SystemdError  # noqa: E402

POLL_SECONDS = 5.0
# What EC2 gives between the notice and the end; used when a notice carries no readable time.
NOTICE_SECONDS = 120.0
# Kept back at the end, for the machine's own shutdown.
RESERVE_SECONDS = 10.0
# Hooks get at most this part of the time left, so that the workloads can still be stopped.
HOOKS_PART = 0.5
# A rebalance recommendation has no end time; its hooks must not keep the watcher from seeing the notice for long.
REBALANCE_HOOK_SECONDS = 30.0
MIN_SECONDS = 1.0

# Event kind, where it is told, and the key that holds its time.
SOURCES = (
    ("interruption", "meta-data/spot/instance-action", "time"),
    ("rebalance", "meta-data/events/recommendations/rebalance", "noticeTime"),
)
# What stops first stops taking in work: the user's own units, then Bacalhau, then the sensor.
STOP_ORDER = (layout.BACALHAU_UNIT, layout.SENSOR_UNIT)


@dataclass(frozen=True)
class Notice:
    kind: str
    time: str
    action: str


def read_notices(service: MetadataService) -> list[Notice]:
    """What the metadata service announces now. Raises MetadataError."""
    notices = []
    for kind, path, key in SOURCES:
        text = service.get(path)
        if text is None:
            continue
        try:
            raw = json.loads(text)
            notices.append(Notice(kind, str(raw[key]), str(raw.get("action", kind))))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise MetadataError(f"{path}: not a notice: {text[:200]!r}") from error
    return notices


def seconds_left(notice: Notice, now: datetime) -> float:
    """Time until the instance ends, less the reserve; never below MIN_SECONDS."""
    try:
        end = datetime.fromisoformat(notice.time.replace("Z", "+00:00"))
        left = (end - now).total_seconds()
    except (ValueError, TypeError):
        left = NOTICE_SECONDS
    return max(MIN_SECONDS, min(left, NOTICE_SECONDS) - RESERVE_SECONDS)


class Watcher:
    """Polls, acts on each notice once, and keeps a status file that tells how the last look went."""

    def __init__(self, root: node.Root, service: MetadataService, systemd: Systemd) -> None:
        self._root = root
        self._service = service
        self._systemd = systemd
        self._status = root.at(layout.INTERRUPTION)
        # A watcher that was restarted must not handle a notice again.
        self._handled = self._handled_before()
        self._last_error: str | None = None

    def look(self) -> None:
        error = None
        try:
            for notice in read_notices(self._service):
                if notice not in self._handled:
                    self._handled.append(notice)
                    self._record(None)
                    self._handle(notice)
        except MetadataError as failure:
            error = str(failure)
        if error != self._last_error:
            log(f"metadata service: {error or 'answers again'}")
            self._last_error = error
        self._record(error)

    def _handle(self, notice: Notice) -> None:
        log(f"{notice.kind}: {notice.action} at {notice.time}")
        if notice.kind != "interruption":
            self._run_hooks(notice, REBALANCE_HOOK_SECONDS)
            return
        deadline = time.monotonic() + seconds_left(notice, datetime.now(timezone.utc))
        self._run_hooks(notice, (deadline - time.monotonic()) * HOOKS_PART)
        for unit in self._workloads():
            self._stop(unit, max(MIN_SECONDS, deadline - time.monotonic()))

    def _run_hooks(self, notice: Notice, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        environment = {**os.environ, "SPOT_EVENT": notice.kind, "SPOT_ACTION": notice.action, "SPOT_TIME": notice.time}
        for hook in sorted(self._root.at(layout.HOOKS).glob("*")):
            if not os.access(hook, os.X_OK) or not hook.is_file():
                log(f"hook {hook.name}: not executable, left out")
                continue
            log(f"hook {hook.name}: {run_hook(hook, environment, max(MIN_SECONDS, deadline - time.monotonic()))}")

    def _stop(self, unit: str, seconds: float) -> None:
        try:
            self._systemd.stop(unit, seconds)
            log(f"{unit}: stopped")
        except SystemdError as error:
            log(f"{unit}: {error}")

    def _workloads(self) -> list[str]:
        """Installed workloads in the order in which they are to be stopped."""
        try:
            units = node.read_json_object(self._root.at(layout.DEPLOYMENT_COMPLETE)).get("units")
        except (OSError, ValueError) as error:
            log(f"no list of workloads: {error}")
            return []
        lists = units if isinstance(units, dict) else {}
        return [*lists.get("user", []), *(unit for unit in STOP_ORDER if unit in lists.get("installed", []))]

    def _handled_before(self) -> list[Notice]:
        try:
            handled = node.read_json_object(self._status)["handled"]
            return [Notice(**value) for value in handled] if isinstance(handled, list) else []
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def _record(self, error: str | None) -> None:
        self._status.parent.mkdir(parents=True, exist_ok=True)
        status = {
            "checkedAt": node.utc_now(),
            "metadata": "ok" if error is None else "error",
            "detail": error or "",
            "handled": [asdict(notice) for notice in self._handled],
        }
        node.write_json(self._status, status)


def run_hook(hook: Path, environment: dict[str, str], seconds: float) -> str:
    """Runs one hook with all that it starts; what became of it, in a few words."""
    try:
        process = subprocess.Popen([hook], env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        return f"could not be started: {error}"
    try:
        return f"exit code {process.wait(seconds)}"
    except subprocess.TimeoutExpired:
        # The group, not the process alone: a shell's children would live on.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return f"ended after {seconds:.0f} s"


def log(text: str) -> None:
    print(text, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Watch for the interruption of a spot instance.")
    parser.add_argument("--root", type=Path, default=node.default_root(), help="directory that stands for /")
    root = node.Root(parser.parse_args(argv).root)
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    watcher = Watcher(root, MetadataService(), Systemd(root))
    watcher.look()
    node.notify_systemd("READY=1")
    while not stop.wait(POLL_SECONDS):
        watcher.look()
    return 0


if __name__ == "__main__":
    sys.exit(main())
