from __future__ import annotations

import json
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone

from support import METADATA, RecordingSystemd, ScratchTest, http_server, metadata_answers

import layout
from interruption_watcher import Notice, Watcher, run_hook, seconds_left
from metadata import MetadataService

ACTION = "meta-data/spot/instance-action"
REBALANCE = "meta-data/events/recommendations/rebalance"
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


class WatcherTest(ScratchTest):
    def setUp(self) -> None:
        super().setUp()
        self.values = dict(METADATA)
        self.systemd = RecordingSystemd(self.root)
        self.address = self.enter(http_server(metadata_answers(self.values)))
        units = {"installed": ["sensor.service", "bacalhau.service", "mine.service"], "user": ["mine.service"]}
        self.write_json(layout.DEPLOYMENT_COMPLETE, {"units": units})

    def enter(self, context: AbstractContextManager[str]) -> str:
        value = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return value

    def watcher(self) -> Watcher:
        return Watcher(self.root, MetadataService(self.address), self.systemd)

    def hook(self, name: str, script: str, mode: int = 0o755) -> None:
        self.write(f"{layout.HOOKS}/{name}", f"#!/bin/sh\n{script}\n", mode)

    def announce(self, seconds: float = 120) -> None:
        end = datetime.now(timezone.utc) + timedelta(seconds=seconds)
        self.values[ACTION] = json.dumps({"action": "terminate", "time": f"{end:%Y-%m-%dT%H:%M:%SZ}"})

    def test_without_a_notice_it_only_tells_that_the_service_answers(self) -> None:
        self.watcher().look()
        status = self.read_json(layout.INTERRUPTION)
        self.assertEqual((status["metadata"], status["handled"], self.systemd.calls), ("ok", [], []))

    def test_the_notice_runs_the_hooks_then_stops_the_workloads_in_order(self) -> None:
        ran = self.root.at("/ran")
        self.hook("20-second", f'echo "second" >> {ran}')
        self.hook("10-first", f'echo "$SPOT_EVENT $SPOT_ACTION" >> {ran}')
        self.hook("30-not-meant", f"echo never >> {ran}", 0o644)
        self.announce()
        self.watcher().look()
        self.assertEqual(ran.read_text().splitlines(), ["interruption terminate", "second"])
        stops = ["stop mine.service", "stop bacalhau.service", "stop sensor.service"]
        self.assertEqual(self.systemd.calls, stops)
        self.assertIn("30-not-meant: not executable", self.printed.getvalue())

    def test_a_notice_is_handled_once_even_by_a_watcher_that_was_restarted(self) -> None:
        self.announce()
        watcher = self.watcher()
        watcher.look()
        watcher.look()
        self.watcher().look()
        self.assertEqual(len(self.systemd.calls), 3)

    def test_a_rebalance_recommendation_runs_hooks_and_stops_nothing(self) -> None:
        ran = self.root.at("/ran")
        self.hook("10", f'echo "$SPOT_EVENT" >> {ran}')
        self.values[REBALANCE] = '{"noticeTime": "2026-01-01T00:00:00Z"}'
        self.watcher().look()
        self.assertEqual((ran.read_text(), self.systemd.calls), ("rebalance\n", []))

    def test_a_hook_that_hangs_does_not_keep_the_workloads_from_being_stopped(self) -> None:
        self.hook("10-hangs", "sleep 60 & wait")
        self.announce(seconds=13)
        self.watcher().look()
        self.assertEqual(len(self.systemd.calls), 3)
        # By far the larger part of the time that is left is the workloads'.
        self.assertRegex(self.printed.getvalue(), "10-hangs: ended after [0-5] s")

    def test_a_hook_that_cannot_be_started_is_named(self) -> None:
        hook = self.write("/hook", "#!/no/such/interpreter\n", 0o755)
        self.assertIn("could not be started", run_hook(hook, {}, 1))

    def test_a_service_that_answers_nonsense_is_shown_and_stops_nothing(self) -> None:
        for text in ("<html>", "[]", "{}", '"x"'):
            with self.subTest(text):
                self.values[ACTION] = text
                self.watcher().look()
                status = self.read_json(layout.INTERRUPTION)
                self.assertEqual((status["metadata"], self.systemd.calls), ("error", []))
                self.assertIn("not a notice", str(status["detail"]))

    def test_an_outage_is_logged_when_it_begins_and_when_it_ends(self) -> None:
        watcher = self.watcher()
        self.values[ACTION] = "nonsense"
        watcher.look()
        watcher.look()
        del self.values[ACTION]
        watcher.look()
        self.assertEqual(len(self.printed.getvalue().splitlines()), 2)
        self.assertIn("answers again", self.printed.getvalue())

    def test_the_time_left_keeps_a_reserve_and_survives_a_bad_clock(self) -> None:
        def left(text: str) -> float:
            return seconds_left(Notice("interruption", text, "terminate"), NOW)

        self.assertEqual(left("2026-01-01T00:02:00Z"), 110)
        self.assertEqual(left("2025-12-31T00:00:00Z"), 1)
        self.assertEqual(left("2027-01-01T00:00:00Z"), 110)
        self.assertEqual(left("soon"), 110)
        self.assertEqual(left("2026-01-01T00:02:00"), 110)
