"""What the client runs on a node over SSH. Whole uploads are tested over a real channel (upload.test.ts)."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
from typing import Any
from unittest import mock

from support import CLIENT, ScratchTest

import layout
import read_records
from receive_upload import Place, receive


class Records(ScratchTest):
    def answer(self, state: str = "inactive") -> dict[str, Any]:
        answered = subprocess.CompletedProcess([], 3, f"{state}\n".encode())
        keys = ("manifest", "deploymentSteps", "deploymentResult", "deploymentComplete")
        self.printed.truncate(0)
        self.printed.seek(0)
        with (
            mock.patch.object(read_records, "CLOUD_INIT", str(self.root.at("/run/cloud-init"))),
            mock.patch("subprocess.run", return_value=answered) as run,
        ):
            read_records.main(layout.DEPLOY_UNIT, *(str(self.root.at(layout.PATHS[key])) for key in keys))
        self.assertEqual(run.call_args.args[0], ["systemctl", "is-active", layout.DEPLOY_UNIT])
        read: dict[str, Any] = json.loads(self.printed.getvalue())
        return read

    def test_a_fresh_node_has_none(self) -> None:
        answer = self.answer()
        self.assertEqual(answer["cloudInit"], {"isDone": False, "stage": None, "errors": []})
        self.assertIsNone(answer["payloadDigest"])
        self.assertEqual(answer["deployment"], {"isActive": False, "steps": [], "result": None, "complete": None})

    def test_all_that_is_there_is_told(self) -> None:
        self.write_json("/run/cloud-init/status.json", {"v1": {"stage": "init", "init": {"errors": ["no"]}, "x": 1}})
        self.write_json("/run/cloud-init/result.json", {})
        self.write_json(layout.MANIFEST, {"digest": "d"})
        self.write_json(layout.PATHS["deploymentResult"], {"SERVICE_RESULT": "success"})
        self.write_json(layout.DEPLOYMENT_COMPLETE, {"digest": "d", "bootId": "b", "completedAt": "now"})
        answer = self.answer("activating")
        self.assertEqual(answer["cloudInit"], {"isDone": True, "stage": "init", "errors": ["no"]})
        self.assertEqual(answer["payloadDigest"], "d")
        self.assertEqual(answer["deployment"]["complete"], {"digest": "d", "bootId": "b"})
        self.assertEqual((answer["deployment"]["isActive"], answer["deployment"]["result"]), (True, "success"))

    def test_steps_come_in_their_order_whichever_version_recorded_them(self) -> None:
        for names in (("a", "b", "c"), ("03-a", "01-b", "02-c")):
            for position, name in zip((3, 1, 2), names, strict=True):
                record = {"name": name[-1], "status": "ok", "detail": "", "attempt": 1}
                if name[-1] == name:
                    record["position"] = position
                self.write_json(f"{layout.DEPLOYMENT_STEPS}/{name}.json", record)
            steps = self.answer()["deployment"]["steps"]
            self.assertEqual(steps, [{"name": name, "status": "ok", "detail": ""} for name in "bca"])
            shutil.rmtree(self.root.at(layout.DEPLOYMENT_STEPS))

    def test_a_record_that_is_cut_off_is_none(self) -> None:
        self.write(layout.DEPLOYMENT_COMPLETE, '{"digest"')
        self.write(f"{layout.DEPLOYMENT_STEPS}/x.json", "[]")
        deployment = self.answer()["deployment"]
        self.assertEqual((deployment["complete"], deployment["steps"]), (None, []))


class Receiving(ScratchTest):
    def receive(self, manifest: dict[str, object], **members: bytes | None) -> list[str]:
        """Of members without content, and of what `None` stands for (a directory), the names alone."""
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as archive:
            for name, content in {"manifest.json": json.dumps(manifest).encode(), **members}.items():
                member = tarfile.TarInfo(name)
                if content is None:
                    member.type = tarfile.DIRTYPE
                else:
                    member.size = len(content)
                archive.addfile(member, io.BytesIO(content or b""))
        raw.seek(0)
        staging = self.root.directory / "staging"
        staging.mkdir(exist_ok=True)
        place = Place("/none", "/none/manifest.json", "/none/steps", "/none/complete", "d")
        with tarfile.open(fileobj=raw, mode="r|") as stream:
            return receive(stream, str(staging), place)

    def test_what_differs_from_the_manifest_is_named_each(self) -> None:
        entries = [
            {"path": "a", "type": "file", "mode": "0644", "size": 1, "sha256": "0"},
            {"path": "b", "type": "file", "mode": "0644", "size": 2, "sha256": "0"},
            {"path": "c", "type": "link", "target": "a"},
            {"path": "d", "type": "directory", "mode": "0755"},
        ]
        found = self.receive({"digest": "d", "entries": entries}, a=b"x", b=b"x", c=None, e=b"")
        self.assertEqual(
            found,
            [
                "a: its sha256 differs",
                "b: 1 bytes, not 2",
                "c: is a directory, not a link",
                "e: not in the manifest, or twice in the stream",
                "d: did not arrive",
            ],
        )

    def test_a_manifest_of_another_payload_is_refused_before_anything_is_unpacked(self) -> None:
        self.assertEqual(
            self.receive({"digest": "other", "entries": []}), ["the manifest has another digest than announced"]
        )
        self.assertEqual(os.listdir(self.root.directory / "staging"), [])


class Programs(ScratchTest):
    def test_each_runs_alone_as_its_text(self) -> None:
        """What is given to `python3 -c` can import nothing of ours."""
        for path in CLIENT.glob("*.py"):
            result = subprocess.run(
                ["python3", "-I", "-c", path.read_text(encoding="utf-8")], capture_output=True, text=True, check=False
            )
            self.assertIn("TypeError", result.stderr, path.name)
