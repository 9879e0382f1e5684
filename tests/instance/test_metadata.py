from __future__ import annotations

import os
import time
import unittest
from unittest import mock

from support import INSTANCE_ID, METADATA, Answer, http_server, metadata_answers, metadata_service

from metadata import MetadataError, MetadataService, wait_for_instance_id


class Metadata(unittest.TestCase):
    def test_L21_asks_with_a_token_as_version_2_wants_it(self) -> None:
        with metadata_service(METADATA) as service:
            self.assertEqual(service.instance_id(), INSTANCE_ID)

    def test_L21_an_error_page_never_becomes_an_instance_id(self) -> None:
        pages = {
            "401 to everything": lambda *_: (401, "<html>Unauthorized</html>"),
            "403, service off": lambda *_: (403, "Forbidden"),
            "404 to everything": lambda *_: (404, "<html>Not Found</html>"),
            "500": lambda *_: (500, "oops"),
            "a page with status 200": metadata_answers({"meta-data/instance-id": "<html>Welcome</html>"}),
            "empty": metadata_answers({"meta-data/instance-id": ""}),
            "an id with more behind it": metadata_answers({"meta-data/instance-id": "i-0abc\nextra"}),
            "upper case": metadata_answers({"meta-data/instance-id": "I-0ABC"}),
            "not hexadecimal": metadata_answers({"meta-data/instance-id": "i-xyz"}),
            "garbage as token": lambda *_: (200, "two words\r\nX-Evil: 1"),
        }
        for name, answer in pages.items():
            with self.subTest(name), http_server(answer) as address, self.assertRaises(MetadataError):
                MetadataService(address).instance_id()

    def test_404_is_no_value_and_required_values_must_be_there(self) -> None:
        with metadata_service(METADATA) as service:
            self.assertIsNone(service.get("meta-data/spot/instance-action"))
            with self.assertRaisesRegex(MetadataError, "no value"):
                service.require("meta-data/spot/instance-action")

    def test_an_error_after_the_token_is_no_value(self) -> None:
        with http_server(lambda method, *_: (200, "token") if method == "PUT" else (500, "oops")) as address:
            with self.assertRaisesRegex(MetadataError, "meta-data/instance-id: the metadata service answered 500"):
                MetadataService(address).get("meta-data/instance-id")

    def test_a_token_that_ended_is_renewed_once(self) -> None:
        tokens = iter(["first", "second"])
        asked: list[str] = []

        def answer(method: str, path: str, headers: dict[str, str]) -> Answer:
            if method == "PUT":
                return 200, next(tokens)
            asked.append(headers["x-aws-ec2-metadata-token"])
            return (200, INSTANCE_ID) if asked[-1] == "second" else (401, "")

        with http_server(answer) as address:
            self.assertEqual(MetadataService(address).instance_id(), INSTANCE_ID)
        self.assertEqual(asked, ["first", "second"])

    def test_a_service_that_does_not_answer_in_time_is_an_error(self) -> None:
        def slow(method: str, path: str, headers: dict[str, str]) -> Answer:
            time.sleep(0.5)
            return 200, INSTANCE_ID

        with http_server(slow) as address, self.assertRaisesRegex(MetadataError, "out of reach"):
            MetadataService(address, timeout=0.05).instance_id()

    def test_nobody_there_is_an_error_after_the_deadline(self) -> None:
        with http_server(lambda *_: (200, "")) as address:
            pass
        start = time.monotonic()
        with self.assertRaisesRegex(MetadataError, "out of reach"):
            wait_for_instance_id(MetadataService(address), 0.3)
        self.assertGreaterEqual(time.monotonic() - start, 0.3)

    def test_a_service_that_comes_up_late_is_waited_for(self) -> None:
        calls: list[str] = []
        good = metadata_answers(METADATA)

        def late(method: str, path: str, headers: dict[str, str]) -> Answer:
            calls.append(method)
            return (503, "") if len(calls) == 1 else good(method, path, headers)

        with http_server(late) as address:
            self.assertEqual(wait_for_instance_id(MetadataService(address), 10), INSTANCE_ID)

    def test_a_proxy_is_never_asked(self) -> None:
        proxy = {"http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
        with mock.patch.dict(os.environ, proxy), metadata_service(METADATA) as service:
            self.assertEqual(service.instance_id(), INSTANCE_ID)
