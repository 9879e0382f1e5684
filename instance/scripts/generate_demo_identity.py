#!/usr/bin/python3
"""Makes identities without a node: for one given instance id, or for N random ones."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections.abc import Sequence

# An import must leave nothing beside the uploaded scripts: the upload is compared with its manifest.
sys.dont_write_bytecode = True

from generate_node_identity import generate_identity  # noqa: E402


def random_instance_id() -> str:
    return f"i-0{secrets.token_hex(8)}"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make demo identities: one, or a JSON array of several.")
    parser.add_argument("--instance-id", help="default: a random one")
    parser.add_argument("--count", type=int, default=1, metavar="N", help="how many (random ids)")
    chosen = parser.parse_args(argv)
    if chosen.count < 1 or (chosen.instance_id is not None and chosen.count != 1):
        parser.error("--count is at least 1, and goes with random ids only")
    ids = [chosen.instance_id] if chosen.instance_id else [random_instance_id() for _ in range(chosen.count)]
    identities = [generate_identity(instance_id) for instance_id in ids]
    print(json.dumps(identities[0] if chosen.count == 1 else identities, indent=2, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
