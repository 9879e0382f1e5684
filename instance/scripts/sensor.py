#!/usr/bin/python3
"""A simulated environmental sensor: readings, now and then an anomaly, in an SQLite file that stays below its cap."""

from __future__ import annotations

import argparse
import math
import random
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

# An import must leave nothing beside the uploaded scripts: the upload is compared with its manifest.
sys.dont_write_bytecode = True

import layout  # noqa: E402
import node  # noqa: E402

QUANTITIES = ("temperature", "humidity", "pressure", "vibration", "voltage")
ANOMALIES = ("spike", "trend", "pattern", "missing_data", "noise")
# How long an anomaly lasts, in readings.
ANOMALY_READINGS = {"spike": 1, "trend": 20, "pattern": 20, "missing_data": 5, "noise": 10}

PAGE_BYTES = 4096
MIN_DATABASE_BYTES = 16 * PAGE_BYTES
# The write-ahead log is folded in after so many pages, so that it stays small beside any cap.
LOG_PAGES = 100
# Looking at the size on every reading would cost more than the reading.
READINGS_PER_SIZE_CHECK = 20
# The oldest part that goes when the file is full.
FORGOTTEN_PART = 10

SCHEMA = """
CREATE TABLE IF NOT EXISTS sensor_readings (
    id INTEGER PRIMARY KEY,
    timestamp TEXT NOT NULL,
    sensor_id TEXT NOT NULL,
    temperature REAL,
    humidity REAL,
    pressure REAL,
    vibration REAL,
    voltage REAL,
    anomaly_type TEXT
)
"""
INSERT = """
INSERT INTO sensor_readings
    (timestamp, sensor_id, temperature, humidity, pressure, vibration, voltage, anomaly_type)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
FORGET = """
DELETE FROM sensor_readings
WHERE id < (SELECT min(id) + max(1, (max(id) - min(id)) / ?) FROM sensor_readings)
"""


@dataclass(frozen=True)
class Normal:
    """What a quantity does while nothing is wrong."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class Settings:
    sensor_id: str
    interval_seconds: float
    max_database_bytes: int
    anomaly_probability: float
    normal: dict[str, Normal]


@dataclass(frozen=True)
class Reading:
    values: dict[str, float | None]
    anomaly: str | None


def load_settings(path: Path) -> Settings:
    """Reads sensor-config.json as the start of the node rendered it. Raises ValueError or OSError."""
    raw = node.read_json_object(path)
    known = {"sensor_id", "interval_seconds", "max_database_bytes", "anomaly_probability", "normal"}
    if set(raw) != known:
        raise ValueError(f"{path}: has keys {sorted(raw)}, not {sorted(known)}")
    normal = raw["normal"]
    if not isinstance(normal, dict) or set(normal) != set(QUANTITIES):
        raise ValueError(f"{path}: normal does not describe {', '.join(QUANTITIES)}")
    settings = Settings(
        sensor_id=str(raw["sensor_id"]),
        interval_seconds=_number(path, "interval_seconds", raw["interval_seconds"]),
        max_database_bytes=int(_number(path, "max_database_bytes", raw["max_database_bytes"])),
        anomaly_probability=_number(path, "anomaly_probability", raw["anomaly_probability"]),
        normal={
            name: Normal(_number(path, name, value.get("mean")), _number(path, name, value.get("deviation")))
            for name, value in normal.items()
        },
    )
    if settings.interval_seconds <= 0 or not 0 <= settings.anomaly_probability <= 1:
        raise ValueError(f"{path}: interval_seconds is above 0, anomaly_probability between 0 and 1")
    if settings.max_database_bytes < MIN_DATABASE_BYTES:
        raise ValueError(f"{path}: max_database_bytes is at least {MIN_DATABASE_BYTES}")
    return settings


def _number(path: Path, key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{path}: {key} is not a number")
    return float(value)


class Simulator:
    """Draws readings; an anomaly, once begun, colours one quantity for its time."""

    def __init__(self, settings: Settings, chance: random.Random) -> None:
        self._settings = settings
        self._chance = chance
        self._anomaly: str | None = None
        self._quantity = QUANTITIES[0]
        self._age = 0

    def read(self) -> Reading:
        if self._anomaly is not None and self._age >= ANOMALY_READINGS[self._anomaly]:
            self._anomaly = None
        if self._anomaly is None and self._chance.random() < self._settings.anomaly_probability:
            self._anomaly = self._chance.choice(ANOMALIES)
            self._quantity = self._chance.choice(QUANTITIES)
            self._age = 0
        values: dict[str, float | None] = {
            name: round(self._chance.gauss(normal.mean, normal.deviation), 4)
            for name, normal in self._settings.normal.items()
        }
        if self._anomaly is not None:
            values[self._quantity] = self._disturbed(self._anomaly, self._settings.normal[self._quantity])
            self._age += 1
        return Reading(values, self._anomaly)

    def _disturbed(self, anomaly: str, normal: Normal) -> float | None:
        if anomaly == "missing_data":
            return None
        offsets = {
            "spike": 10.0,
            "trend": self._age * 0.5,
            "pattern": 5.0 * math.sin(self._age * math.pi / 5),
            "noise": self._chance.gauss(0, 5),
        }
        return round(normal.mean + offsets[anomaly] * normal.deviation, 4)


class Store:
    """The SQLite file. Its oldest readings make room, so that it stays below the cap."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._max_pages = max_bytes // PAGE_BYTES
        self._written = 0
        self._database = sqlite3.connect(path, isolation_level=None)
        # Readers never wait for the writer, and two readings a second need no two flushes to the disk a second.
        for pragma in (f"page_size={PAGE_BYTES}", "journal_mode=WAL", "synchronous=NORMAL"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute(f"PRAGMA wal_autocheckpoint={LOG_PAGES}")
        self._database.execute(SCHEMA)

    def add(self, sensor_id: str, reading: Reading) -> None:
        values = [reading.values[name] for name in QUANTITIES]
        self._database.execute(INSERT, (node.utc_now(), sensor_id, *values, reading.anomaly))
        self._written += 1
        if self._written % READINGS_PER_SIZE_CHECK == 0:
            self._make_room()

    def _make_room(self) -> None:
        # Freed pages are used again by later readings: the file stops growing, nothing needs to be moved. A few pages
        # below the cap, because the file grows between two looks.
        if self._pages("page_count") - self._pages("freelist_count") > self._max_pages - 4:
            self._database.execute(FORGET, (FORGOTTEN_PART,))

    def _pages(self, pragma: str) -> int:
        return int(self._database.execute(f"PRAGMA {pragma}").fetchone()[0])

    def close(self) -> None:
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._database.close()


def run(settings: Settings, database: Path, stop: threading.Event) -> int:
    """Writes readings at their interval until `stop`; returns how many."""
    store = Store(database, settings.max_database_bytes)
    simulator = Simulator(settings, random.Random())
    count = 0
    due = time.monotonic()
    try:
        node.notify_systemd("READY=1")
        while not stop.wait(max(0.0, due - time.monotonic())):
            store.add(settings.sensor_id, simulator.read())
            count += 1
            # After a pause of the whole machine the missed readings are not made up for.
            due = max(due + settings.interval_seconds, time.monotonic())
    finally:
        store.close()
    return count


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Simulate a sensor until told to stop.")
    parser.add_argument("--root", type=Path, default=node.default_root(), help="directory that stands for /")
    root = node.Root(parser.parse_args(argv).root)
    try:
        settings = load_settings(root.at(layout.SENSOR_CONFIG))
    except (OSError, ValueError) as error:
        print(f"no usable configuration: {error}", file=sys.stderr)
        return 1
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    print(f"{settings.sensor_id}: a reading each {settings.interval_seconds} s", flush=True)
    count = run(settings, root.at(layout.DATABASE), stop)
    print(f"stopped after {count} readings", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
