"""
What a node says about itself, in one go. The client gives this to `python3 -c` over SSH, with the arguments of `main`
in their order, and reads the JSON that it prints (automation/ssh/records.ts).

Looks into cloud-init's own files (`cloud-init status` reads the same, at the cost of a start of cloud-init; and its
exit code differs between versions), the upload's manifest and the deployment's records. The unit's state is taken
before the records, so that "ended, and nothing written" cannot be an accident of order.
"""

from __future__ import annotations

import glob
import json
import os
import subprocess
import sys
from typing import Any

BOOT_ID = "/proc/sys/kernel/random/boot_id"
CLOUD_INIT = "/run/cloud-init"
AT_WORK = ("active", "activating", "reloading", "deactivating")


def read(path: str) -> dict[str, Any] | None:
    """A JSON object's file; None when there is none to read."""
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def chosen(record: dict[str, Any] | None, *keys: str) -> dict[str, Any] | None:
    return record and {key: record.get(key) for key in keys}


def state_of(unit: str) -> str:
    result = subprocess.run(
        ["systemctl", "is-active", unit], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
    )
    return result.stdout.decode().strip()


def steps_in(folder: str) -> list[dict[str, Any]]:
    """
    The records of a table of steps, in its order. Those of an earlier version tell their position by the name of their
    file alone, `NN-name.json`.
    """
    read_in_turn = map(read, sorted(glob.glob(os.path.join(folder, "*.json"))))
    return sorted((step for step in read_in_turn if step is not None), key=lambda step: step.get("position", 0))


def cloud_init(folder: str) -> dict[str, Any]:
    status = (read(os.path.join(folder, "status.json")) or {}).get("v1") or {}
    stages = [stage for stage in status.values() if isinstance(stage, dict)]
    return {
        "isDone": read(os.path.join(folder, "result.json")) is not None,
        "stage": status.get("stage"),
        "errors": [str(error) for stage in stages for error in stage.get("errors") or []],
    }


def main(unit: str, manifest: str, steps: str, result: str, complete: str) -> None:
    state = state_of(unit)
    cloud = cloud_init(CLOUD_INIT)
    records = [chosen(step, "name", "status", "detail") for step in steps_in(steps)]
    ended, done = read(result), read(complete)
    with open(BOOT_ID, encoding="ascii") as file:
        boot_id = file.read().strip()
    answer = {
        "bootId": boot_id,
        "cloudInit": cloud,
        "payloadDigest": (read(manifest) or {}).get("digest"),
        "deployment": {
            "isActive": state in AT_WORK,
            "steps": records,
            "result": ended and ended.get("SERVICE_RESULT"),
            "complete": chosen(done, "digest", "bootId"),
        },
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
