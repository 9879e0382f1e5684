from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import unittest

from support import INSTANCE

from systemd import LATER_THAN_MULTI_USER, cycle_in, is_installable, values_of

SERVICES = sorted((INSTANCE / "services").glob("*.service"))
UPLOAD = "/opt/uploaded_files/"
# As on a node: Linux, and root.
IS_NODE_LIKE = sys.platform == "linux" and os.geteuid() == 0
# What deployment itself puts on a node.
INSTALLED = {"/usr/local/bin/bacalhau"}
# What every Debian and Ubuntu has.
OF_THE_SYSTEM = {"/usr/bin/python3", "/usr/bin/systemctl"}


class Units(unittest.TestCase):
    def each(self) -> dict[str, str]:
        self.assertEqual(len(SERVICES), 6)
        return {path.name: path.read_text() for path in SERVICES}

    def test_L5_none_orders_itself_after_what_comes_later(self) -> None:
        for name, text in self.each().items():
            self.assertIsNone(cycle_in(text), name)
            self.assertFalse(set(values_of(text, "After")) & LATER_THAN_MULTI_USER, name)
            self.assertNotIn("cloud-", text)

    def test_L5_the_guard_sees_a_cycle_over_continued_lines(self) -> None:
        text = "[Unit]\nAfter=network.target \\\n  cloud-init.target\n[Install]\nWantedBy=multi-user.target\n"
        self.assertEqual(cycle_in(text), "cloud-init.target")

    def test_L7_no_unit_forks_or_restarts_for_ever(self) -> None:
        for name, text in self.each().items():
            self.assertIn(values_of(text, "Type")[0], {"oneshot", "exec", "notify"}, name)
            if values_of(text, "Restart"):
                self.assertEqual(values_of(text, "Restart"), ["on-failure"], name)
                burst, interval = (int(values_of(text, f"StartLimit{key}")[0]) for key in ("Burst", "IntervalSec"))
                pause = int(values_of(text, "RestartSec")[0])
                # All attempts fall into the interval, so that a unit that cannot run ends as failed.
                self.assertLess(burst * (pause + 5), interval, name)

    def test_L9_L11_L15_every_program_is_one_absolute_path_that_will_be_there(self) -> None:
        for name, text in self.each().items():
            commands = re.findall(r"^Exec\w+=(.*)$", text, re.MULTILINE)
            self.assertEqual(len(commands), 1, name)
            self.assertNotRegex(commands[0], r"[\"'$;|&]", name)
            self.assertIn(commands[0].split()[0], INSTALLED | OF_THE_SYSTEM, name)
            for word in commands[0].split():
                if word.startswith(UPLOAD):
                    self.assertTrue((INSTANCE / word.removeprefix(UPLOAD)).is_file(), word)

    def test_L11_no_unit_is_skipped_in_silence(self) -> None:
        for name, text in self.each().items():
            self.assertNotIn("Condition", text, name)

    def test_a_script_never_leaves_bytecode_in_the_upload(self) -> None:
        for name, text in self.each().items():
            if UPLOAD in text:
                self.assertIn("/usr/bin/python3 -B /opt", text, name)

    def test_L3_L17_the_reboot_is_systemd_s_own_never_enabled_and_waits_for_the_deployment_s_end(self) -> None:
        text = self.each()["spot-reboot.service"]
        self.assertEqual(values_of(text, "ExecStart"), ["/usr/bin/systemctl", "reboot"])
        self.assertFalse(is_installable(text))
        self.assertEqual(values_of(text, "After"), ["spot-deploy.service"])

    @unittest.skipUnless(IS_NODE_LIKE, "only Linux has a systemd-analyze, and it needs root")
    def test_L9_systemd_finds_no_fault(self) -> None:
        self.assertTrue(shutil.which("systemd-analyze"), "install the package systemd: it has systemd-analyze")
        command = ["systemd-analyze", "verify", "--man=no", *map(str, SERVICES)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        names = [path.name for path in SERVICES]
        about = [line for line in result.stderr.splitlines() if any(name in line for name in names)]
        # On a machine that is no node the programs themselves are not there.
        self.assertEqual([line for line in about if "is not executable" not in line], [])
