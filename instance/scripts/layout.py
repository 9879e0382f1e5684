"""Where everything is on a node, as layout.json says it: the contract that the client reads too."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Beside the folder of the scripts, in instance/ as in the upload.
CONTRACT: dict[str, Any] = json.loads((Path(__file__).resolve().parents[1] / "layout.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Directory:
    path: str
    mode: int
    kind: str
    """`application`, `own`, or `system`: of the machine's own directories only the existence is ours to ask."""


# Absolute. Each is taken below a root (`Root.at`), so that all scripts also work on a scratch directory. Those that
# follow by name are asked for in several places; one that a single step uses is taken out of here by its key.
PATHS: dict[str, str] = CONTRACT["paths"]
DIRECTORIES = tuple(
    Directory(row["path"], int(row["mode"], 8), row["kind"]) for row in CONTRACT["directories"]
)
# Names of a deployment's steps, in their order. The last one marks it complete.
DEPLOYMENT: tuple[str, ...] = tuple(CONTRACT["deployment"])
UNIT_NAMES: dict[str, str] = {role: unit["name"] for role, unit in CONTRACT["units"].items()}

UPLOAD = PATHS["upload"]
MANIFEST = PATHS["manifest"]
STATE = PATHS["state"]
DEPLOYMENT_STEPS = PATHS["deploymentSteps"]
DEPLOYMENT_COMPLETE = PATHS["deploymentComplete"]
DEPLOYMENT_LOG = PATHS["deploymentLog"]
STARTUP_STEPS = PATHS["startupSteps"]
STARTUP_COMPLETE = PATHS["startupComplete"]
STARTUP_LOG = PATHS["startupLog"]
OWN_UNITS_STEPS = PATHS["ownUnitsSteps"]
INSTANCE = PATHS["instance"]
BINARIES = PATHS["binaries"]
SETTINGS = PATHS["settings"]
SENSOR_SETTINGS = PATHS["sensorSettings"]
WORKLOAD_SETTINGS = PATHS["workloadSettings"]
BACALHAU_SETTINGS = PATHS["bacalhauSettings"]
BACALHAU_TOKEN = PATHS["bacalhauToken"]
NODE = PATHS["node"]
HOOKS = PATHS["hooks"]
INTERRUPTION = PATHS["interruption"]
UNITS = PATHS["units"]
SENSOR_CONFIG = PATHS["sensorConfig"]
IDENTITY = PATHS["identity"]
DATABASE = PATHS["database"]
BACALHAU = PATHS["bacalhau"]
BACALHAU_CONFIG = PATHS["bacalhauConfig"]

DEPLOY_UNIT = UNIT_NAMES["deploy"]
REBOOT_UNIT = UNIT_NAMES["reboot"]
BACALHAU_UNIT = UNIT_NAMES["bacalhau"]
SENSOR_UNIT = UNIT_NAMES["sensor"]
