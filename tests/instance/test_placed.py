"""Every file that a deployment and the start of a node put there is in placed.json, which says what compares it."""

from __future__ import annotations

import json
import stat
from pathlib import PurePosixPath

from support import INSTANCE, METADATA, metadata_service
from test_deploy_services import PROGRAM, UNIT, DeploymentTest, sha256

import layout
import node
from startup import Startup

PLACED = json.loads((INSTANCE / "placed.json").read_text(encoding="utf-8"))["files"]


def row_of(path: str) -> dict[str, str] | None:
    """The row that has a path of the node; of units and hooks the one whose pattern has it."""
    for row in PLACED:
        folder = row.get("below") or "*" in (row["content"] or "")
        if (str(PurePosixPath(path).parent) if folder else path) == layout.PATHS[row["place"]]:
            found: dict[str, str] = row
            return found
    return None


class Placed(DeploymentTest):
    """A deployed and started node with everything that a step can make."""

    def setUp(self) -> None:
        super().setUp()
        self.write(f"{layout.UPLOAD}/files/on-interruption.d/10-save", "#!/bin/sh\n")
        self.write(f"{layout.UPLOAD}/files/systemd/mine.service", UNIT)
        self.write(f"{layout.UPLOAD}/files/bacalhau", PROGRAM)
        self.write(f"{layout.UPLOAD}/config/bacalhau-token", "s3cret\n", 0o600)
        self.enable_bacalhau(
            {"path": "files/bacalhau", "sha256": sha256(PROGRAM)}, token_file="config/bacalhau-token"
        )
        self.assertEqual(self.run_main(), 0)
        with metadata_service(METADATA) as service:
            self.assertTrue(Startup(self.root, service, metadata_seconds=0).runner.run_all())

    def put(self) -> dict[str, str]:
        """Path on the node of each file outside the upload, with its mode."""
        upload = self.root.at(layout.UPLOAD)
        files = [path for path in self.root.directory.rglob("*") if path.is_file() and upload not in path.parents]
        return {f"/{path.relative_to(self.root.directory)}": f"{stat.S_IMODE(path.stat().st_mode):o}" for path in files}

    def test_each_file_has_a_row_with_its_mode(self) -> None:
        put = self.put()
        self.assertGreater(len(put), 20)
        for path, mode in put.items():
            with self.subTest(path):
                row = row_of(path)
                self.assertIsNotNone(row, "no check compares it: add its row to instance/placed.json")
                self.assertEqual(row and row["mode"], mode)

    def test_each_row_is_put_by_something(self) -> None:
        places = {row["place"] for path in self.put() if (row := row_of(path)) is not None}
        # Others write them: the first boot, the deployment's unit, the watcher over the user's units.
        others = {"hostKeyProof", "deploymentResult", "ownUnitsSteps"}
        self.assertEqual({row["place"] for row in PLACED} - places, others)

    def test_a_copy_is_what_the_row_says_of_the_payload(self) -> None:
        upload = self.root.at(layout.UPLOAD)
        copies = 0
        for row in PLACED:
            if "/" not in (row["content"] or ""):
                continue
            for source in upload.glob(row["content"]):
                place = self.root.at(layout.PATHS[row["place"]])
                target = place / source.name if "*" in row["content"] else place
                with self.subTest(str(target)):
                    self.assertEqual(target.read_bytes(), source.read_bytes())
                copies += 1
        self.assertGreater(copies, 8)

    def test_each_folder_is_in_the_contract_or_a_row_means_it_whole(self) -> None:
        upload = self.root.at(layout.UPLOAD)
        known = {directory.path for directory in layout.DIRECTORIES}
        known |= {layout.PATHS[row["place"]] for row in PLACED if row.get("below")}
        known |= {str(parent) for path in [*known, layout.UPLOAD] for parent in PurePosixPath(path).parents}
        for path in self.root.directory.rglob("*"):
            if path.is_dir() and path != upload and upload not in path.parents:
                with self.subTest(str(path)):
                    self.assertIn(f"/{path.relative_to(self.root.directory)}", known)

    def test_the_guard_sees_a_file_that_no_check_compares(self) -> None:
        for path in (f"{layout.SETTINGS}/other.json", f"{layout.STATE}/other.json", "/opt/sensor/other"):
            node.write_json(self.root.at(path), {})
            self.assertIsNone(row_of(path), path)
