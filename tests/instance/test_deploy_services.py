from __future__ import annotations

import hashlib
import io
import os
import platform
import shutil
import stat
import tarfile
from unittest import mock

from support import NODE, SCRIPTS, RecordingSystemd, ScratchTest, http_server

import deploy_services
import deployment
import layout
import node
from deployment import Deployment
from deployment_steps import identity_inputs
from layout import DEPLOYMENT_LOG as LOG
from layout import DEPLOYMENT_STEPS as RECORDS
from steps import StepError
from systemd import Systemd, SystemdError, cycle_in

UNIT = "[Service]\nExecStart=/bin/sleep 1\n[Install]\nWantedBy=multi-user.target\n"
PROGRAM = b"\x7fELF not really"


def archive(name: str, content: bytes) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as file:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        file.addfile(member, io.BytesIO(content))
    return raw.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class DeploymentTest(ScratchTest):
    def setUp(self) -> None:
        super().setUp()
        self.upload()
        self.systemd = RecordingSystemd(self.root)

    def deployment(self) -> Deployment:
        return Deployment(self.root, self.systemd)

    def run_main(self, *words: str) -> int:
        with mock.patch.object(deployment, "Systemd", lambda root: self.systemd):
            return deploy_services.main(["--root", str(self.root.directory), *words])

    def failed(self, step: str) -> str:
        """Runs everything and expects the failure of one step; its reason."""
        self.assertEqual(self.run_main(), 1)
        records = self.records(RECORDS)
        self.assertEqual([name for name, status in records.items() if status == "failed"], [step])
        later = list(records)[list(records).index(step) + 1 :]
        self.assertEqual({records[name] for name in later} - {"pending"}, set())
        self.assertFalse(self.root.at(layout.DEPLOYMENT_COMPLETE).exists())
        self.assertNotIn("start spot-reboot.service", self.systemd.calls)
        return str(self.read_json(f"{RECORDS}/{step}.json")["detail"])

    def enable_bacalhau(self, artifact: dict[str, str], token_file: str | None = None) -> None:
        settings = {
            "enabled": True,
            "version": "1.6.0",
            "artifacts": {platform.machine(): artifact},
            "orchestrators": ["nats://192.0.2.1:4222"],
            "token_file": token_file,
            "labels": {"team": "a"},
            "allowed_paths": [],
        }
        self.write_json(f"{layout.UPLOAD}/config/workloads.json", {"version": 1, "bacalhau": settings})
        self.seal()


class Table(DeploymentTest):
    def test_every_module_of_a_step_is_in_the_contract_and_every_step_of_the_contract_has_its_module(self) -> None:
        modules = {path.stem for path in (SCRIPTS / "deployment_steps").glob("*.py")} - {"__init__"}
        self.assertEqual(modules, {name.replace("-", "_") for name in layout.DEPLOYMENT})
        self.assertEqual(list(self.deployment().steps), list(layout.DEPLOYMENT))


class WholeDeployment(DeploymentTest):
    def test_L3_L4_every_step_is_done_and_the_reboot_comes_last(self) -> None:
        self.assertEqual(self.run_main(), 0)
        self.assertEqual(
            self.records(RECORDS),
            dict.fromkeys(layout.DEPLOYMENT, "ok"),
        )
        self.assertEqual(self.systemd.calls, ["verify", "reload", "enable", "start spot-reboot.service"])
        marker = self.read_json(layout.DEPLOYMENT_COMPLETE)
        self.assertEqual(marker["digest"], self.deployment().manifest().digest)
        self.assertEqual(marker["bootId"], node.boot_id())
        self.assertIn(f"STEP deployment-complete: ok: payload {marker['digest']}", self.read(LOG).splitlines()[-1])

    def test_check_and_list_change_nothing(self) -> None:
        before = sorted(self.root.directory.rglob("*"))
        self.assertEqual(self.run_main("--check"), 1)
        self.assertEqual(self.run_main("--list"), 0)
        self.assertEqual(sorted(self.root.directory.rglob("*")), before)
        self.assertEqual(self.systemd.calls, [])

    def test_a_deployed_node_says_so_and_does_not_reboot_again(self) -> None:
        self.run_main()
        self.systemd.calls.clear()
        self.assertEqual(self.run_main(), 0)
        self.assertIn("already deployed: payload", self.printed.getvalue())
        self.assertEqual(self.systemd.calls, [])
        self.assertEqual(self.run_main("--check"), 0)

    def test_another_payload_is_refused_and_nothing_is_touched(self) -> None:
        self.run_main()
        self.systemd.calls.clear()
        log = self.read(LOG)
        self.write(f"{layout.UPLOAD}/files/new", "x")
        self.seal()
        for words in ((), ("--step", "units")):
            self.assertEqual(self.run_main(*words), 3)
        self.assertIn("replace the node", self.printed.getvalue())
        self.assertEqual((self.systemd.calls, self.read(LOG)), ([], log))
        self.assertEqual(set(self.records(RECORDS).values()), {"ok"})

    def test_L17_a_reboot_that_cannot_be_started_is_a_failure_and_no_refusal(self) -> None:
        with mock.patch.object(self.systemd, "start_detached", side_effect=SystemdError("systemctl start: no")):
            self.assertEqual(self.run_main(), 1)
        self.assertIn("the reboot could not be started: systemctl start: no", self.printed.getvalue())

    def test_a_broken_marker_is_not_taken_for_a_fresh_node(self) -> None:
        self.write(layout.DEPLOYMENT_COMPLETE, "{")
        self.assertEqual(self.run_main(), 3)
        self.assertEqual(self.systemd.calls, [])

    def test_a_run_after_a_failed_one_goes_through(self) -> None:
        self.root.at(layout.NODE).unlink()
        self.failed("identity-inputs")
        self.write_json(layout.NODE, NODE)
        self.assertEqual(self.run_main(), 0)
        self.assertEqual(self.read_json(f"{RECORDS}/identity-inputs.json")["attempt"], 2)

    def test_one_step_alone_does_not_reboot(self) -> None:
        self.assertEqual(self.run_main("--step", "verify-manifest"), 0)
        self.assertEqual(self.systemd.calls, [])

    def test_completion_alone_is_refused(self) -> None:
        self.assertEqual(self.run_main("--step", "deployment-complete"), 2)
        self.assertFalse(self.root.at(layout.DEPLOYMENT_COMPLETE).exists())

    def test_a_scratch_root_never_reaches_this_machine_s_service_manager(self) -> None:
        called: list[list[str]] = []
        with mock.patch("systemd._run", side_effect=lambda command, *_: called.append(command)):
            systemd = Systemd(self.root)
            systemd.start_detached("spot-reboot.service")
            systemd.reload()
        self.assertEqual(called, [])


class EachStep(DeploymentTest):
    def test_L12_a_manifest_mismatch_is_named(self) -> None:
        self.write(f"{layout.UPLOAD}/config/bacalhau.json", "{}")
        self.assertIn("config/bacalhau.json: 2 bytes", self.failed("verify-manifest"))

    def test_L12_a_manifest_that_is_not_there_is_named(self) -> None:
        self.root.at(layout.MANIFEST).unlink()
        self.assertRegex(self.failed("verify-manifest"), r"^\[Errno 2\].*/manifest\.json'$")

    def test_L12_many_differences_are_counted(self) -> None:
        for number in range(30):
            self.write(f"{layout.UPLOAD}/files/{number}", "")
        self.assertIn("and 11 more", self.failed("verify-manifest"))

    def test_L2_directories_have_owner_and_mode(self) -> None:
        self.run_main()
        for directory in layout.DIRECTORIES:
            with self.subTest(directory.path):
                self.assertTrue(self.root.at(directory.path).is_dir())
        self.assertEqual(stat.S_IMODE(self.root.at("/bacalhau_data").stat().st_mode), 0o700)
        self.root.at("/opt/sensor/data").chmod(0o777)
        with self.assertRaisesRegex(StepError, "/opt/sensor/data: mode 0777"):
            self.deployment().steps["directories"].verify()
        self.root.at("/opt/sensor/exports").rmdir()
        with self.assertRaisesRegex(StepError, "/opt/sensor/exports: missing"):
            self.deployment().steps["directories"].verify()

    def test_L2_a_file_in_a_directory_s_place_fails_the_step(self) -> None:
        self.write("/opt/sensor/data", "")
        self.assertIn("/opt/sensor/data", self.failed("directories"))

    def test_L8_a_script_with_a_syntax_error_fails_before_anything_runs_it(self) -> None:
        self.write(f"{layout.UPLOAD}/scripts/sensor.py", "def broken(:\n")
        self.seal()
        self.assertIn("sensor.py", self.failed("scripts"))

    def test_an_upload_without_scripts_is_refused(self) -> None:
        shutil.rmtree(self.root.at(layout.UPLOAD) / "scripts")
        self.seal()
        self.assertEqual(self.failed("scripts"), "the upload has no scripts")

    def test_the_user_s_interruption_hooks_are_installed_to_run(self) -> None:
        self.write(f"{layout.UPLOAD}/files/on-interruption.d/10-save", "#!/bin/sh\n")
        self.seal()
        self.assertEqual(self.run_main(), 0)
        self.assertTrue(os.access(self.root.at(layout.HOOKS) / "10-save", os.X_OK))

    def test_configuration_that_is_not_json_is_named(self) -> None:
        self.write(f"{layout.UPLOAD}/config/sensor-config.json", "{,}")
        self.seal()
        self.assertIn("sensor-config.json: not JSON", self.failed("configuration"))

    def test_a_placeholder_left_in_configuration_is_named(self) -> None:
        self.write_json(f"{layout.UPLOAD}/config/bacalhau.json", {"NameProvider": "${NAME}"})
        self.seal()
        self.assertIn("${NAME}", self.failed("configuration"))

    def test_settings_with_an_unknown_key_are_refused(self) -> None:
        self.write_json(
            f"{layout.UPLOAD}/config/workloads.json", {"version": 1, "bacalhau": {"enabled": True, "colour": "red"}}
        )
        self.seal()
        self.assertIn("colour", self.failed("configuration"))

    def test_a_node_that_does_not_know_its_name_fails(self) -> None:
        self.root.at(layout.NODE).unlink()
        self.assertRegex(self.failed("identity-inputs"), r"^\[Errno 2\].*/node\.json'$")
        self.write(layout.NODE, "[]")
        self.assertRegex(self.failed("identity-inputs"), "/node.json: not a JSON object$")
        self.write_json(layout.NODE, {**NODE, "generation": ""})
        self.assertIn("no generation", self.failed("identity-inputs"))

    def test_a_python_that_gives_other_identities_is_found(self) -> None:
        with mock.patch.object(identity_inputs, "identity_text", lambda _id: "other"):
            self.assertIn("differs under Python", self.failed("identity-inputs"))


class Binaries(DeploymentTest):
    def test_a_program_of_the_upload_is_installed(self) -> None:
        self.write(f"{layout.UPLOAD}/files/bacalhau", PROGRAM)
        self.enable_bacalhau({"path": "files/bacalhau", "sha256": sha256(PROGRAM)})
        self.assertEqual(self.run_main(), 0)
        self.assertEqual(self.root.at(layout.BACALHAU).read_bytes(), PROGRAM)
        self.assertTrue(os.access(self.root.at(layout.BACALHAU), os.X_OK))
        self.assertIn("bacalhau.service", self.systemd.enabled)

    def test_a_release_archive_is_downloaded_and_unpacked(self) -> None:
        release = archive("./bacalhau", PROGRAM)
        with http_server(lambda *_: (200, release)) as address:
            self.enable_bacalhau({"url": f"{address}/bacalhau.tar.gz", "sha256": sha256(release)})
            self.assertEqual(self.run_main(), 0)
        self.assertEqual(self.root.at(layout.BACALHAU).read_bytes(), PROGRAM)

    def test_an_archive_without_the_program_is_refused(self) -> None:
        release = archive("readme", PROGRAM)
        self.write(f"{layout.UPLOAD}/files/b.tar.gz", release)
        self.enable_bacalhau({"path": "files/b.tar.gz", "sha256": sha256(release)})
        self.assertIn("no file bacalhau", self.failed("workload-binaries"))

    def test_a_program_that_the_upload_lacks_is_named(self) -> None:
        self.enable_bacalhau({"path": "files/bacalhau", "sha256": sha256(PROGRAM)})
        self.assertRegex(self.failed("workload-binaries"), r"^\[Errno 2\].*/files/bacalhau'$")

    def test_L18_another_content_than_pinned_is_refused(self) -> None:
        self.write(f"{layout.UPLOAD}/files/bacalhau", PROGRAM + b"!")
        self.enable_bacalhau({"path": "files/bacalhau", "sha256": sha256(PROGRAM)})
        self.assertIn("sha256 is", self.failed("workload-binaries"))
        self.assertFalse(self.root.at(layout.BACALHAU).exists())

    def test_L18_settings_without_a_checksum_are_refused(self) -> None:
        self.enable_bacalhau({"path": "files/bacalhau"})
        self.assertIn("needs sha256", self.failed("configuration"))

    def test_a_download_that_keeps_failing_is_named_with_its_attempts(self) -> None:
        with http_server(lambda *_: (503, "")) as address, mock.patch("time.sleep"):
            self.enable_bacalhau({"url": f"{address}/b", "sha256": "0" * 64})
            self.assertIn("503", self.failed("workload-binaries"))

    def test_a_machine_without_a_program_is_named(self) -> None:
        self.enable_bacalhau({"url": "http://127.0.0.1:9/b", "sha256": "0" * 64})
        with mock.patch("platform.machine", lambda: "riscv64"):
            self.assertIn("no Bacalhau for riscv64", self.failed("workload-binaries"))

    def test_a_token_is_readable_by_nobody_else_and_in_no_log(self) -> None:
        self.write(f"{layout.UPLOAD}/files/bacalhau", PROGRAM)
        self.write(f"{layout.UPLOAD}/config/token", "s3cret-token\n", 0o600)
        self.enable_bacalhau({"path": "files/bacalhau", "sha256": sha256(PROGRAM)}, token_file="config/token")
        self.assertEqual(self.run_main(), 0)
        token = self.root.at("/etc/spot-deployer/bacalhau-token")
        self.assertEqual(stat.S_IMODE(token.stat().st_mode), 0o600)
        written = self.read(LOG) + self.printed.getvalue()
        written += "".join(path.read_text() for path in self.root.at(layout.STATE).rglob("*.json"))
        self.assertNotIn("s3cret-token", written)

    def test_a_token_that_others_can_read_or_that_is_none_is_refused(self) -> None:
        self.enable_bacalhau({"url": "http://127.0.0.1:9/b", "sha256": "0" * 64}, token_file="config/token")
        self.assertRegex(self.failed("configuration"), r"^\[Errno 2\].*/config/token'$")
        self.write(f"{layout.UPLOAD}/config/token", "s3cret-token\n", 0o644)
        self.seal()
        self.assertIn("config/token: readable by others (mode 0644)", self.failed("configuration"))
        self.write(f"{layout.UPLOAD}/config/token", "\n", 0o600)
        self.seal()
        self.assertIn("config/token: empty", self.failed("configuration"))

    def test_bacalhau_s_unit_is_not_installed_when_it_is_not_enabled(self) -> None:
        self.assertEqual(self.run_main(), 0)
        self.assertFalse((self.root.at(layout.UNITS) / "bacalhau.service").exists())


class Units(DeploymentTest):
    def test_the_user_s_own_units_are_installed_and_enabled(self) -> None:
        self.write(f"{layout.UPLOAD}/files/systemd/mine.service", UNIT)
        self.seal()
        self.assertEqual(self.run_main(), 0)
        self.assertIn("mine.service", self.systemd.enabled)
        self.assertEqual(self.read_json(layout.DEPLOYMENT_COMPLETE)["units"]["user"], ["mine.service"])  # type: ignore[index]

    def test_a_user_s_unit_that_takes_one_of_our_names_is_refused(self) -> None:
        for name in ("sensor.service", "bacalhau.service", "spot-deploy.service"):
            with self.subTest(name):
                path = self.write(f"{layout.UPLOAD}/files/systemd/{name}", UNIT)
                self.seal()
                self.assertIn(name, self.failed("units"))
                path.unlink()

    def test_L5_a_unit_that_makes_an_ordering_cycle_is_refused(self) -> None:
        ordering = "[Unit]\nAfter=network.target cloud-init.target\n"
        self.write(f"{layout.UPLOAD}/files/systemd/mine.service", ordering + UNIT)
        self.seal()
        self.assertIn("After=cloud-init.target", self.failed("units"))
        self.assertIsNone(cycle_in("[Unit]\nAfter=network-online.target\n" + UNIT))

    def test_L9_what_systemd_says_of_a_unit_fails_the_step(self) -> None:
        self.systemd.complaints = ["sensor.service:7: Unbalanced quoting, ignoring"]
        self.assertIn("Unbalanced quoting", self.failed("units"))
        self.assertNotIn("enable", self.systemd.calls)

    def test_L11_a_unit_that_names_a_file_that_was_not_uploaded_is_refused(self) -> None:
        (self.root.at(layout.UPLOAD) / "scripts/sensor.py").unlink()
        self.seal()
        said = "sensor.service: ExecStart names /opt/uploaded_files/scripts/sensor.py, which was not uploaded"
        self.assertEqual(self.failed("units"), said)

    def test_L11_whatever_directive_names_it(self) -> None:
        for line in (
            "ExecStart=-/opt/uploaded_files/files/run",
            'ExecStart="/opt/uploaded_files/files/run it"',
            "ExecStart=/bin/cat --from=/opt/uploaded_files/files/run",
            "ExecStart=/bin/sh -c 'exec /opt/uploaded_files/files/run --quiet'",
            "WorkingDirectory=/opt/uploaded_files/files/run",
            "ConditionPathExists=/opt/uploaded_files/files/run",
        ):
            with self.subTest(line):
                self.write(f"{layout.UPLOAD}/files/systemd/mine.service", f"[Service]\n{line}\n{UNIT}")
                self.seal()
                self.assertRegex(self.failed("units"), r"mine\.service: \w+ names .*run.*, which was not uploaded")

    def test_L11_a_unit_that_would_run_a_folder_is_refused(self) -> None:
        self.write(f"{layout.UPLOAD}/files/tool/run", "#!/bin/sh\n", 0o755)
        unit = "[Service]\nExecStart=+/opt/uploaded_files/files/tool\n"
        self.write(f"{layout.UPLOAD}/files/systemd/mine.service", unit)
        self.seal()
        said = "mine.service: ExecStart names /opt/uploaded_files/files/tool, a folder: only a file can be run"
        self.assertEqual(self.failed("units"), said)

    def test_a_unit_may_name_what_was_uploaded_in_every_other_way(self) -> None:
        self.write(f"{layout.UPLOAD}/files/tool/run it", "#!/bin/sh\n", 0o755)
        (self.root.at(layout.UPLOAD) / "files/current").symlink_to("tool")
        self.write(
            f"{layout.UPLOAD}/files/systemd/mine.service",
            "[Service]\n"
            "# ExecStart=/opt/uploaded_files/files/of-old\n"
            'ExecStartPre=-"/opt/uploaded_files/files/tool/run it" --quiet\n'
            "ExecStart=/usr/bin/python3 -m http.server \\\n"
            "  --directory /opt/uploaded_files/files/tool\n"
            "ExecStartPost=/bin/sh -c 'test -e /opt/uploaded_files/files/*.sh || true'\n"
            "ExecReload=/bin/echo /opt/uploaded_files/files/%i.conf --x=/opt/uploaded_files/files\n"
            "WorkingDirectory=/opt/uploaded_files/files/current\n"
            "ReadOnlyPaths=/opt/uploaded_files /opt/uploaded_files/files/tool\n"
            "EnvironmentFile=-/opt/uploaded_files/files/where-there-is-one\n",
        )
        self.seal()
        self.assertEqual(self.run_main(), 0)

    def test_L4_a_unit_that_did_not_become_enabled_fails_the_step(self) -> None:
        self.systemd.refuse_to_enable = {"sensor.service"}
        self.assertIn("sensor.service is disabled", self.failed("units"))

    def test_a_service_manager_that_fails_is_named(self) -> None:
        for method in ("reload", "state_of_file"):
            with self.subTest(method), mock.patch.object(self.systemd, method, side_effect=SystemdError("no bus")):
                self.assertEqual(self.failed("units"), "no bus")

    def test_systemd_s_own_tools_are_asked_in_order(self) -> None:
        calls = self.write("/calls", "")
        for name in ("systemctl", "systemd-analyze"):
            self.write(f"/bin/{name}", f'#!/bin/sh\necho "{name} $*" >> {calls}\necho enabled\n', 0o755)
        path = f"{self.root.at('/bin')}:{os.environ['PATH']}"
        # The fake analyze prints a line without a unit's name and ends with 0: no complaint.
        with mock.patch.dict(os.environ, {"PATH": path}):
            self.assertTrue(Deployment(self.root).runner.run_all())
        words = [line.split()[:3] for line in calls.read_text().splitlines()]
        self.assertEqual(words[0], ["systemd-analyze", "verify", "--man=no"])
        self.assertEqual(words[1], ["systemctl", f"--root={self.root.directory}", "enable"])
        self.assertEqual({tuple(line[2:]) for line in words[2:]}, {("is-enabled",)})

    def test_a_tool_that_is_not_there_or_fails_is_named(self) -> None:
        self.write("/bin/systemd-analyze", "#!/bin/sh\necho 'Failed to open root' >&2\nexit 1\n", 0o755)
        with mock.patch.dict(os.environ, {"PATH": str(self.root.at("/bin"))}):
            self.assertFalse(Deployment(self.root).runner.run_all())
            self.assertIn("Failed to open root", self.read(LOG))
            self.root.at("/bin/systemd-analyze").unlink()
            self.assertFalse(Deployment(self.root).runner.run_all())
        self.assertIn("systemd-analyze", self.read(LOG).splitlines()[-1])
