"""What every script of a node relies on: files that are whole or not there, and settings that are right or refused."""

from __future__ import annotations

import copy
import stat
from typing import Any
from unittest import mock

from support import ScratchTest

from node import read_json_object, write_atomically
from workloads import WorkloadsError, load_bacalhau

SETTINGS: dict[str, Any] = {
    "enabled": True,
    "version": "1.6.0",
    "artifacts": {"x86_64": {"url": "http://192.0.2.1/b", "sha256": "0" * 64}},
    "orchestrators": ["nats://192.0.2.1:4222"],
    "token_file": None,
    "labels": {"team": "a"},
    "allowed_paths": [],
}


class Files(ScratchTest):
    def test_a_file_is_replaced_whole_with_its_mode(self) -> None:
        path = self.write("/a", "old")
        write_atomically(path, b"new", 0o600)
        self.assertEqual((path.read_bytes(), stat.S_IMODE(path.stat().st_mode)), (b"new", 0o600))

    def test_a_replacement_that_fails_is_an_error_and_leaves_the_old_file_and_nothing_else(self) -> None:
        path = self.write("/a", "old")
        with mock.patch("os.replace", side_effect=OSError(28, "No space left on device")), self.assertRaises(OSError):
            write_atomically(path, b"new", 0o600)
        self.assertEqual([file.name for file in self.root.directory.iterdir()], ["a"])
        self.assertEqual(path.read_text(), "old")

    def test_what_is_no_json_object_is_refused_by_name(self) -> None:
        for text, said in {"[]": "not a JSON object", "1": "not a JSON object", "{": "not JSON"}.items():
            with self.subTest(text), self.assertRaisesRegex(ValueError, f"/a: {said}"):
                read_json_object(self.write("/a", text))


class Settings(ScratchTest):
    def test_settings_that_are_right_are_read(self) -> None:
        bacalhau = load_bacalhau(self.write_json("/a", {"version": 1, "bacalhau": SETTINGS}))
        assert bacalhau is not None
        self.assertEqual((bacalhau.version, bacalhau.labels), ("1.6.0", {"team": "a"}))
        self.assertEqual(bacalhau.artifacts["x86_64"].source, "http://192.0.2.1/b")
        self.assertIsNone(load_bacalhau(self.write_json("/a", {"version": 1, "bacalhau": {"enabled": False}})))

    def test_settings_that_cannot_be_right_are_refused_in_their_own_words(self) -> None:
        for key, value, said in (
            ("artifacts", {}, "bacalhau.artifacts names no program"),
            ("artifacts", [], "bacalhau.artifacts names no program"),
            ("artifacts", {"x86_64": {"url": "http://a/b"}}, "bacalhau.artifacts.x86_64 needs sha256"),
            ("labels", {"team": 1}, "bacalhau.labels is not a table of strings"),
            ("labels", [], "bacalhau.labels is not a table of strings"),
            ("version", 1.6, "bacalhau.version or bacalhau.token_file is not a string"),
            ("token_file", True, "bacalhau.version or bacalhau.token_file is not a string"),
            ("orchestrators", "nats://a:4222", "bacalhau.orchestrators is not a list of strings"),
            ("allowed_paths", [1], "bacalhau.allowed_paths is not a list of strings"),
            ("colour", "red", "bacalhau has keys"),
        ):
            with self.subTest(said, value=value), self.assertRaisesRegex(WorkloadsError, f"^/.*/a: {said}"):
                settings = {**copy.deepcopy(SETTINGS), key: value}
                load_bacalhau(self.write_json("/a", {"version": 1, "bacalhau": settings}))

    def test_settings_of_another_version_are_refused(self) -> None:
        for value in ({"version": 2, "bacalhau": SETTINGS}, {"version": 1}, {"version": 1, "bacalhau": None}):
            path = self.write_json("/a", value)
            with self.subTest(value=value), self.assertRaisesRegex(WorkloadsError, "not workload settings of"):
                load_bacalhau(path)
