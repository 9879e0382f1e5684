"""What `--check` says of a node whose files were changed after each step had done its work."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from unittest import mock

from support import INSTANCE_ID, METADATA, metadata_service
from test_deploy_services import PROGRAM, DeploymentTest, sha256

import layout
import node
import startup
from deployment import Deployment
from layout import BACALHAU_TOKEN as TOKEN
from layout import DEPLOYMENT_STEPS as RECORDS
from startup import Startup


class AlteredNode(DeploymentTest):
    """One deployed and started node with everything that a step can make; each test changes one thing."""

    def setUp(self) -> None:
        super().setUp()
        self.write(f"{layout.UPLOAD}/files/on-interruption.d/10-save", "#!/bin/sh\n")
        self.write(f"{layout.UPLOAD}/files/bacalhau", PROGRAM)
        self.write(f"{layout.UPLOAD}/config/token", "s3cret\n", 0o600)
        self.enable_bacalhau({"path": "files/bacalhau", "sha256": sha256(PROGRAM)}, token_file="config/token")
        self.assertEqual(self.run_main(), 0)
        with metadata_service(METADATA) as service:
            self.assertTrue(Startup(self.root, service, metadata_seconds=0).runner.run_all())

    def remove(self, absolute: str) -> None:
        self.root.at(absolute).unlink()

    def alter_json(self, absolute: str, **values: object) -> None:
        # In place, so that owner and mode stay as they are.
        path = self.root.at(absolute)
        path.write_bytes(node.json_bytes({**node.read_json_object(path), **values}))

    def said_by(self, main: Callable[[list[str]], int], code: int = 1) -> list[str]:
        """What a program's `--check` says of the steps that are not done."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            self.assertEqual(main(["--root", str(self.root.directory), "--check"]), code)
        return [line for line in printed.getvalue().splitlines() if not line.endswith(": ok")]

    def deployment_says(self, code: int = 1) -> list[str]:
        return self.said_by(lambda words: self.run_main(*words[2:]), code)

    def startup_says(self, code: int = 1) -> list[str]:
        return self.said_by(startup.main, code)

    def test_left_alone_both_say_that_all_is_done(self) -> None:
        self.assertEqual(self.deployment_says(0), [])
        self.assertEqual(self.startup_says(0), [])

    def test_a_hook_that_is_gone_or_other_is_named(self) -> None:
        hook = f"{layout.HOOKS}/10-save"
        said = [f"scripts: not done: missing or different: {self.root.at(hook)}"]
        self.write(hook, "#!/bin/sh\nexit 1\n", 0o755)
        self.assertEqual(self.deployment_says(), said)
        self.remove(hook)
        self.assertEqual(self.deployment_says(), said)

    def test_configuration_that_is_other_and_a_token_that_is_gone_or_open_are_named(self) -> None:
        self.alter_json(f"{layout.SETTINGS}/bacalhau.json", NameProvider="mine")
        different = self.root.at(f"{layout.SETTINGS}/bacalhau.json")
        self.assertEqual(self.deployment_says(), [f"configuration: not done: missing or different: {different}"])
        self.assertEqual(self.run_main(), 0, "a deployed node is left as it is")
        different.write_bytes((self.root.at(layout.UPLOAD) / "config/bacalhau.json").read_bytes())
        said = [f"configuration: not done: {TOKEN}: missing, or not of mode 0600"]
        self.root.at(TOKEN).chmod(0o644)
        self.assertEqual(self.deployment_says(), said)
        self.remove(TOKEN)
        self.assertEqual(self.deployment_says(), said)

    def test_a_node_that_forgot_its_name_is_named(self) -> None:
        self.alter_json(layout.NODE, node="")
        self.assertIn(f"identity-inputs: not done: {layout.NODE}: no node", self.deployment_says())

    def test_a_program_that_is_gone_or_other_or_not_to_be_run_is_named(self) -> None:
        fault = f"{layout.BACALHAU}: missing, or not what was installed from files/bacalhau"
        said = [f"workload-binaries: not done: {fault}"]
        self.root.at(layout.BACALHAU).chmod(0o644)
        self.assertEqual(self.deployment_says(), said)
        self.write(layout.BACALHAU, PROGRAM + b"!", 0o755)
        self.assertEqual(self.deployment_says(), said)
        self.remove(layout.BACALHAU)
        self.assertEqual(self.deployment_says(), said)

    def test_a_machine_that_no_program_is_for_is_an_obstacle_before_anything_is_tried(self) -> None:
        with mock.patch("platform.machine", lambda: "riscv64"):
            said = self.deployment_says()
        self.assertEqual(len(said), 1)
        self.assertRegex(said[0], "^workload-binaries: cannot be done: no Bacalhau for riscv64; there is ")

    def test_a_marker_of_another_payload_or_of_none_is_named(self) -> None:
        said = ["deployment-complete: not done: the marker is missing or names another payload"]
        self.alter_json(layout.DEPLOYMENT_COMPLETE, digest="0" * 64)
        self.assertEqual(self.deployment_says(), said)
        self.remove(layout.DEPLOYMENT_COMPLETE)
        self.assertEqual(self.deployment_says(), said)

    def test_completion_waits_for_every_step_and_not_only_for_those_it_follows(self) -> None:
        self.remove(layout.DEPLOYMENT_COMPLETE)
        self.alter_json(f"{RECORDS}/directories.json", status="failed")
        self.alter_json(f"{RECORDS}/configuration.json", status="failed")
        self.assertEqual(self.run_main("--step", "deployment-complete"), 1)
        self.assertFalse(self.root.at(layout.DEPLOYMENT_COMPLETE).exists())
        record = self.read_json(f"{RECORDS}/deployment-complete.json")
        self.assertEqual(record["detail"], "not done: directories, configuration")
        self.assertIn("cannot be done: not done: directories, configuration", self.deployment_says()[-1])

    def test_an_identity_that_is_gone_or_another_s_is_named(self) -> None:
        said = f"identity: not done: {layout.IDENTITY}: missing, or not the identity of {INSTANCE_ID}"
        self.alter_json(layout.IDENTITY, metadata={})
        self.assertEqual(self.startup_says(), [said])
        self.remove(layout.IDENTITY)
        self.assertEqual(self.startup_says()[0], said)

    def test_a_sensor_configuration_that_was_not_rendered_is_named(self) -> None:
        self.alter_json(layout.SENSOR_CONFIG, sensor_id="SENSOR_XX_YYY_0000")
        said = f"sensor-configuration: not done: {layout.SENSOR_CONFIG}: not what was rendered"
        self.assertEqual(self.startup_says(), [said])

    def test_a_bacalhau_configuration_that_was_not_rendered_or_lies_open_is_named(self) -> None:
        step = f"bacalhau-configuration: not done: {layout.BACALHAU_CONFIG}"
        self.root.at(layout.BACALHAU_CONFIG).chmod(0o640)
        self.assertEqual(self.startup_says(), [f"{step}: readable by others"])
        self.root.at(layout.BACALHAU_CONFIG).chmod(0o600)
        self.alter_json(layout.BACALHAU_CONFIG, Labels={})
        self.assertEqual(self.startup_says(), [f"{step}: not what was rendered"])

    def test_a_token_that_nobody_filled_in_is_named(self) -> None:
        self.write(TOKEN, "${BACALHAU_TOKEN}\n", 0o600)
        with metadata_service(METADATA) as service:
            self.assertFalse(Startup(self.root, service, metadata_seconds=0).runner.run_all())
        said = f"bacalhau-configuration: not done: {layout.BACALHAU_CONFIG}: a placeholder was left"
        self.assertEqual(self.startup_says(), [said])

    def test_a_start_of_an_earlier_boot_does_not_count(self) -> None:
        self.alter_json(layout.STARTUP_COMPLETE, bootId="an earlier one")
        self.assertEqual(self.startup_says(), ["startup-complete: not done: not complete in this boot"])

    def test_a_start_is_complete_only_with_every_step(self) -> None:
        self.alter_json(f"{layout.STARTUP_STEPS}/clock.json", status="failed")
        self.assertEqual(startup.main(["--root", str(self.root.directory), "--step", "startup-complete"]), 1)
        record = self.read_json(f"{layout.STARTUP_STEPS}/startup-complete.json")
        self.assertEqual(record["detail"], "not done: clock")

    def test_a_second_look_at_a_deployment_installs_nothing_anew(self) -> None:
        before = self.root.at(layout.BACALHAU).stat().st_mtime_ns
        self.assertTrue(Deployment(self.root, self.systemd).runner.run_one("workload-binaries"))
        self.assertEqual(self.root.at(layout.BACALHAU).stat().st_mtime_ns, before)
        self.assertIn("already there", str(self.read_json(f"{RECORDS}/workload-binaries.json")["detail"]))
