from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import SCRIPTS

from generate_node_identity import CITIES, MAKERS, generate_identity, identity_text

VECTORS = json.loads((Path(__file__).parent / "identity-vectors.json").read_text(encoding="utf-8"))


def run(script: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", SCRIPTS / script, *words],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


class Identity(unittest.TestCase):
    def test_equals_every_vector(self) -> None:
        self.assertGreaterEqual(len(VECTORS["identities"]), 4)
        for instance_id, expected in VECTORS["identities"].items():
            with self.subTest(instance_id):
                # As text too: the order of keys is part of the file's bytes.
                self.assertEqual(json.dumps(generate_identity(instance_id)), json.dumps(expected))

    def test_tables_are_those_of_the_vectors(self) -> None:
        cities = [[c["city"], c["state"], c["latitude"], c["longitude"], c["timezone"]] for c in VECTORS["cities"]]
        self.assertEqual([[c.name, c.state, c.latitude, c.longitude, c.timezone] for c in CITIES], cities)
        makers = [[m["manufacturer"], m["models"]] for m in VECTORS["makers"]]
        self.assertEqual([[m.name, list(m.models)] for m in MAKERS], makers)

    def test_is_the_same_bytes_each_time_whatever_the_environment(self) -> None:
        texts = {
            run("generate_node_identity.py", INSTANCE_ID="i-test", TZ=zone, PYTHONHASHSEED=seed, LC_ALL="C").stdout
            for zone, seed in (("UTC", "0"), ("Asia/Tokyo", "1"))
        }
        self.assertEqual(texts, {identity_text("i-test")})

    def test_two_ids_never_share_a_uid(self) -> None:
        ids = [f"i-{number:017x}" for number in range(2000)]
        uids = {str(generate_identity(i)["metadata"]["sensor_uid"]) for i in ids}  # type: ignore[index]
        self.assertEqual(len(uids), len(ids))

    def test_writes_a_file_when_asked(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            output = Path(directory) / "identity.json"
            result = run("generate_node_identity.py", "--instance-id", "i-test", "--output", str(output))
            self.assertEqual((result.returncode, result.stdout), (0, ""))
            self.assertEqual(output.read_text(encoding="utf-8"), identity_text("i-test"))

    def test_L21_without_an_id_there_is_no_identity(self) -> None:
        with self.assertRaisesRegex(ValueError, "needs an instance id"):
            generate_identity("")
        result = run("generate_node_identity.py", "--output", "-")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("INSTANCE_ID", result.stderr)


class DemoIdentity(unittest.TestCase):
    def test_of_a_given_id_is_that_node_s(self) -> None:
        result = run("generate_demo_identity.py", "--instance-id", "i-test")
        self.assertEqual(json.loads(result.stdout), generate_identity("i-test"))

    def test_makes_as_many_as_asked_all_different(self) -> None:
        made = json.loads(run("generate_demo_identity.py", "--count", "20").stdout)
        self.assertEqual(len({identity["metadata"]["instance_id"] for identity in made}), 20)

    def test_refuses_a_count_with_an_id(self) -> None:
        self.assertEqual(run("generate_demo_identity.py", "--instance-id", "i-1", "--count", "2").returncode, 2)


if __name__ == "__main__":
    unittest.main()
