from __future__ import annotations

import json
import os
from typing import Any

from support import ScratchTest

import layout
from manifest import Manifest, ManifestError, differences, digest_of, load

# What is wrong with these is the digest itself, or they have no entries that could have one.
WITH_THEIR_OWN_DIGEST = {"other digest", "changed entry", "no entries", "an entry of text"}


class ManifestTest(ScratchTest):
    def setUp(self) -> None:
        super().setUp()
        self.write(f"{layout.UPLOAD}/files/Grüße ☃.txt", "a")
        self.write(f"{layout.UPLOAD}/scripts/run", "b", 0o755)
        (self.root.at(layout.UPLOAD) / "files/empty").mkdir()
        (self.root.at(layout.UPLOAD) / "files/link").symlink_to("Grüße ☃.txt")
        self.seal()

    def load(self) -> Manifest:
        return load(self.root.at(layout.MANIFEST))

    def found(self) -> list[str]:
        return differences(self.load(), self.root.at(layout.UPLOAD))

    def test_an_upload_that_arrived_whole_has_no_differences(self) -> None:
        self.assertEqual(self.found(), [])

    def test_the_digest_is_the_documented_one(self) -> None:
        # Written out by hand, so that a change of the canonical form cannot go unseen.
        entries: list[dict[str, object]] = [
            {"type": "link", "target": "a", "path": "ü"},
            {"path": "a b", "type": "directory", "mode": "0755"},
        ]
        self.assertEqual(
            digest_of(entries), "ac78234a62037c0699e3eef36a47752d00f3c84bc5cbab6be40c772c094190dc"
        )

    def test_L12_every_missing_or_differing_thing_is_named(self) -> None:
        upload = self.root.at(layout.UPLOAD)
        (upload / "files/Grüße ☃.txt").write_text("x")
        (upload / "scripts/run").chmod(0o644)
        (upload / "files/empty").rmdir()
        (upload / "files/link").unlink()
        (upload / "files/link").symlink_to("elsewhere")
        (upload / "scripts/__pycache__").mkdir()
        self.assertEqual(
            sorted(self.found()),
            [
                "files/Grüße ☃.txt: content differs (sha256)",
                "files/empty: missing",
                "files/link: points to elsewhere, not to Grüße ☃.txt",
                "scripts/__pycache__: not in the manifest",
                "scripts/run: mode 0644, not 0755",
            ],
        )

    def test_L12_a_truncated_file_is_named_with_its_sizes(self) -> None:
        (self.root.at(layout.UPLOAD) / "scripts/run").write_text("")
        self.assertEqual(self.found(), ["scripts/run: 0 bytes, not 1"])

    def test_a_file_in_the_place_of_a_directory_is_named(self) -> None:
        (self.root.at(layout.UPLOAD) / "files/empty").rmdir()
        (self.root.at(layout.UPLOAD) / "files/empty").write_text("")
        self.assertEqual(self.found(), ["files/empty: is a file, not a directory"])

    def test_a_pipe_is_not_opened_but_named(self) -> None:
        (self.root.at(layout.UPLOAD) / "scripts/run").unlink()
        os.mkfifo(self.root.at(layout.UPLOAD) / "scripts/run")
        self.assertEqual(self.found(), ["scripts/run: is a special file, not a file"])

    def test_a_manifest_that_cannot_be_right_is_refused(self) -> None:
        good = json.loads(self.read(layout.MANIFEST))
        file = next(entry for entry in good["entries"] if entry["type"] == "file")
        broken: dict[str, Any] = {
            "other version": {**good, "version": 2},
            "no entries": {**good, "entries": []},
            "other digest": {**good, "digest": "0" * 64},
            "changed entry": {**good, "entries": good["entries"][1:]},
            "way out": {**good, "entries": [{**file, "path": "../etc/passwd"}]},
            "absolute": {**good, "entries": [{**file, "path": "/etc/passwd"}]},
            "itself": {**good, "entries": [{**file, "path": "manifest.json"}]},
            "twice": {**good, "entries": [file, file]},
            "mode": {**good, "entries": [{**file, "mode": "rwx"}]},
            "unknown key": {**good, "entries": [{**file, "owner": "me"}]},
            "size as text": {**good, "entries": [{**file, "size": "1"}]},
            "not an object": [],
            "an entry of text": {**good, "entries": ["files"]},
        }
        for name, value in broken.items():
            with self.subTest(name):
                if isinstance(value, dict) and name not in WITH_THEIR_OWN_DIGEST:
                    value = {**value, "digest": digest_of(value["entries"])}
                self.write_json(layout.MANIFEST, value)
                with self.assertRaises(ManifestError):
                    self.load()

    def test_a_manifest_that_is_not_there_or_half_there_is_refused(self) -> None:
        self.write(layout.MANIFEST, '{"version": 1, "dig')
        with self.assertRaisesRegex(ManifestError, "not JSON"):
            self.load()
        self.root.at(layout.MANIFEST).unlink()
        with self.assertRaises(ManifestError):
            self.load()
