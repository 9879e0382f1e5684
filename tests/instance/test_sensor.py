from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time

from support import INSTANCE, SCRIPTS, ScratchTest

import layout
from sensor import ANOMALIES, MIN_DATABASE_BYTES, Simulator, Store, load_settings, run

TEMPLATE = json.loads((INSTANCE / "config/sensor-config.json").read_text())


class SensorTest(ScratchTest):
    def setUp(self) -> None:
        super().setUp()
        self.database = self.root.at(layout.DATABASE)
        self.database.parent.mkdir(parents=True)

    def settings(self, **changes: object) -> None:
        self.write_json(layout.SENSOR_CONFIG, {**TEMPLATE, "sensor_id": "SENSOR_X", **changes})

    def query(self, sql: str) -> list[tuple[object, ...]]:
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            return database.execute(sql).fetchall()

    def test_the_shipped_configuration_gives_two_readings_a_second(self) -> None:
        self.settings()
        self.assertEqual(load_settings(self.root.at(layout.SENSOR_CONFIG)).interval_seconds, 0.5)

    def test_keeps_its_pace_says_that_it_is_ready_and_stops_gracefully(self) -> None:
        self.settings()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            address = str(self.root.at("/notify"))
            channel.bind(address)
            channel.settimeout(60)
            start = time.monotonic()
            process = subprocess.Popen(
                [sys.executable, "-B", SCRIPTS / "sensor.py", "--root", self.root.directory],
                env={**os.environ, "NOTIFY_SOCKET": address},
                stdout=subprocess.PIPE,
                text=True,
            )
            try:
                self.assertEqual(channel.recv(100), b"READY=1")
                while self.count() < 5 and time.monotonic() < start + 60:
                    time.sleep(0.02)
                # The first reading comes at once, so five take four pauses. This process may hear late that it is
                # ready, so the time counts from before its start.
                self.assertGreaterEqual(time.monotonic() - start, 2)
                process.send_signal(signal.SIGTERM)
                output, _ = process.communicate(timeout=60)
            finally:
                process.kill()
                process.wait()
        self.assertEqual(process.returncode, 0)
        self.assertIn(f"stopped after {self.count()} readings", output)
        # A graceful end folds the write-ahead log in.
        self.assertEqual([path.name for path in self.database.parent.iterdir()], ["sensor_data.db"])

    def count(self) -> int:
        return int(str(self.query("SELECT count(*) FROM sensor_readings")[0][0]))

    def test_the_file_stays_below_its_cap_and_keeps_the_newest(self) -> None:
        self.settings(max_database_bytes=MIN_DATABASE_BYTES * 2)
        settings = load_settings(self.root.at(layout.SENSOR_CONFIG))
        simulator = Simulator(settings, random.Random(1))
        store = Store(self.database, settings.max_database_bytes)
        for _ in range(5000):
            store.add("SENSOR_X", simulator.read())
        store.close()
        self.assertLessEqual(self.database.stat().st_size, settings.max_database_bytes)
        rows = self.query("SELECT min(id), max(id), count(*) FROM sensor_readings")[0]
        self.assertEqual(rows[1], 5000)
        self.assertGreater(int(str(rows[0])), 1)
        self.assertGreater(int(str(rows[2])), 500)

    def test_every_kind_of_anomaly_occurs_and_missing_data_is_missing(self) -> None:
        self.settings(anomaly_probability=0.5)
        simulator = Simulator(load_settings(self.root.at(layout.SENSOR_CONFIG)), random.Random(1))
        readings = [simulator.read() for _ in range(3000)]
        self.assertEqual({reading.anomaly for reading in readings}, {None, *ANOMALIES})
        for reading in readings:
            self.assertEqual(None in reading.values.values(), reading.anomaly == "missing_data")

    def test_without_anomalies_readings_stay_near_normal(self) -> None:
        self.settings(anomaly_probability=0)
        simulator = Simulator(load_settings(self.root.at(layout.SENSOR_CONFIG)), random.Random(1))
        mean = sum(simulator.read().values["temperature"] or 0 for _ in range(500)) / 500
        self.assertAlmostEqual(mean, TEMPLATE["normal"]["temperature"]["mean"], delta=0.3)

    def test_goes_on_with_the_file_that_is_there(self) -> None:
        self.settings(interval_seconds=0.01)
        settings = load_settings(self.root.at(layout.SENSOR_CONFIG))
        total = 0
        for _ in range(2):
            stop = threading.Event()
            timer = threading.Timer(0.2, stop.set)
            timer.start()
            total += run(settings, self.database, stop)
            timer.join()
        self.assertEqual(self.count(), total)

    def test_a_configuration_that_cannot_work_is_refused(self) -> None:
        wrong: dict[str, object] = {
            "interval_seconds": 0,
            "max_database_bytes": 100,
            "anomaly_probability": 2,
            "normal": {},
            "colour": "red",
        }
        for key, value in wrong.items():
            with self.subTest(key):
                self.settings(**{key: value})
                with self.assertRaises(ValueError):
                    load_settings(self.root.at(layout.SENSOR_CONFIG))
