from __future__ import annotations

import json
import stat

from support import INSTANCE_ID, METADATA, NODE, RecordingSystemd, ScratchTest, metadata_service

import layout
import node
from deployment import Deployment
from generate_node_identity import identity_text
from layout import BACALHAU_TOKEN as TOKEN
from layout import STARTUP_STEPS as RECORDS
from startup import Startup

BACALHAU = {
    "enabled": True,
    "version": "1.6.0",
    "artifacts": {"x86_64": {"url": "http://127.0.0.1:9/b", "sha256": "0" * 64}},
    "orchestrators": ["nats://192.0.2.1:4222"],
    "token_file": "config/token",
    "labels": {"team": "a", "region": "mine"},
    "allowed_paths": ["/data/**"],
}


class StartupTest(ScratchTest):
    def setUp(self) -> None:
        super().setUp()
        self.upload()
        self.assertTrue(Deployment(self.root, RecordingSystemd(self.root)).runner.run_all())

    def start(self, values: dict[str, str] = METADATA) -> bool:
        with metadata_service(values) as service:
            return Startup(self.root, service, metadata_seconds=0).runner.run_all()

    def failed(self, step: str, values: dict[str, str] = METADATA) -> str:
        self.assertFalse(self.start(values))
        records = self.records(RECORDS)
        self.assertEqual([name for name, status in records.items() if status == "failed"], [step])
        return self.read("/opt/startup.log").splitlines()[-1]

    def test_prepares_the_node_and_says_in_which_boot(self) -> None:
        self.assertTrue(self.start())
        self.assertEqual(set(self.records(RECORDS).values()), {"ok"})
        self.assertEqual(self.read(layout.IDENTITY), identity_text(INSTANCE_ID))
        marker = self.read_json(layout.STARTUP_COMPLETE)
        self.assertEqual((marker["instanceId"], marker["bootId"]), (INSTANCE_ID, node.boot_id()))
        identity = self.read_json(layout.IDENTITY)
        self.assertEqual(self.read_json(layout.SENSOR_CONFIG)["sensor_id"], identity["sensor_id"])
        self.assertFalse(self.root.at(layout.BACALHAU_CONFIG).exists())

    def test_a_second_start_writes_the_same_bytes(self) -> None:
        self.start()
        before = self.read(layout.IDENTITY), self.read(layout.SENSOR_CONFIG)
        self.assertTrue(self.start())
        self.assertEqual((self.read(layout.IDENTITY), self.read(layout.SENSOR_CONFIG)), before)
        self.assertEqual(self.read_json(f"{RECORDS}/identity.json")["attempt"], 2)

    def test_L21_without_a_valid_id_there_is_no_identity(self) -> None:
        for name, value in {"page": "<html>401</html>", "constant": "unknown"}.items():
            with self.subTest(name):
                values = {**METADATA, "meta-data/instance-id": value}
                self.assertIn("not an instance id", self.failed("metadata", values))
                self.assertFalse(self.root.at(layout.IDENTITY).exists())

    def test_L21_the_id_of_an_earlier_boot_is_not_used(self) -> None:
        self.start()
        self.write_json(layout.INSTANCE, {**self.read_json(layout.INSTANCE), "bootId": "another"})
        self.write_json(f"{RECORDS}/metadata.json", {"status": "ok"})
        self.assertFalse(Startup(self.root).runner.run_one("identity"))
        self.assertIn("not asked in this boot", self.read("/opt/startup.log").splitlines()[-1])

    def test_an_image_made_from_a_node_gets_its_own_identity(self) -> None:
        self.start()
        self.assertTrue(self.start({**METADATA, "meta-data/instance-id": "i-0fff"}))
        self.assertEqual(self.read(layout.IDENTITY), identity_text("i-0fff"))

    def test_a_fact_that_the_service_does_not_tell_is_named(self) -> None:
        values = {key: value for key, value in METADATA.items() if not key.endswith("region")}
        self.assertIn("placement/region", self.failed("metadata", values))

    def test_a_clock_before_the_deployment_is_named(self) -> None:
        marker = self.read_json(layout.DEPLOYMENT_COMPLETE)
        self.write_json(layout.DEPLOYMENT_COMPLETE, {**marker, "completedAt": "2999-01-01T00:00:00.000Z"})
        self.assertIn("the clock says", self.failed("clock"))

    def test_a_deployment_that_ended_at_no_time_is_named(self) -> None:
        marker = self.read_json(layout.DEPLOYMENT_COMPLETE)
        self.write_json(layout.DEPLOYMENT_COMPLETE, {**marker, "completedAt": "soon"})
        self.assertIn(f"{layout.DEPLOYMENT_COMPLETE}: not a time: soon", self.failed("clock"))

    def test_a_node_that_was_never_deployed_does_not_start(self) -> None:
        self.root.at(layout.DEPLOYMENT_COMPLETE).unlink()
        self.assertIn("deployment-complete.json", self.failed("clock"))

    def test_L20_bacalhau_is_told_its_orchestrator_token_and_labels(self) -> None:
        self.write_json("/etc/spot-deployer/workloads.json", {"version": 1, "bacalhau": BACALHAU})
        self.write(TOKEN, "s3cret\n", 0o600)
        self.assertTrue(self.start())
        path = self.root.at(layout.BACALHAU_CONFIG)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        config = json.loads(path.read_text())
        self.assertEqual(
            config["Compute"],
            {
                "Enabled": True,
                "Orchestrators": ["nats://192.0.2.1:4222"],
                "Auth": {"Token": "s3cret"},
                "AllowListedLocalPaths": ["/data/**"],
            },
        )
        labels = config["Labels"]
        # What a node is counts more than what somebody calls it.
        self.assertEqual((labels["team"], labels["region"]), ("a", "us-west-2"))
        self.assertEqual((labels["instance_id"], labels["node"]), (INSTANCE_ID, NODE["node"]))
        self.assertFalse(config["Orchestrator"]["Enabled"])
        self.assertNotIn("s3cret", self.read("/opt/startup.log") + self.printed.getvalue())

    def test_settings_that_cannot_be_right_are_named(self) -> None:
        self.write_json("/etc/spot-deployer/workloads.json", {"version": 2})
        self.assertIn("not workload settings of version 1", self.failed("bacalhau-configuration"))

    def test_a_token_that_is_gone_is_named(self) -> None:
        self.write_json("/etc/spot-deployer/workloads.json", {"version": 1, "bacalhau": BACALHAU})
        self.assertIn("bacalhau-token", self.failed("bacalhau-configuration"))
