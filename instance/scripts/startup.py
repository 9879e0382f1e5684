#!/usr/bin/python3
"""At each boot, before any workload: the clock, the metadata service, the identity and the rendered configuration."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timezone

# An import must leave nothing beside the uploaded scripts: the upload is compared with its manifest.
sys.dont_write_bytecode = True

import layout  # noqa: E402
import node  # noqa: E402
from generate_node_identity import generate_identity, identity_text  # noqa: E402
from metadata import MetadataError, MetadataService, wait_for_instance_id  # noqa: E402
from steps import Runner, Step, StepError, act, arguments, nothing  # noqa: E402
from workloads import PLACEHOLDER, Bacalhau, load_bacalhau, render_bacalhau  # noqa: E402

METADATA_SECONDS = 120.0

# What else the metadata service tells and workloads want to know.
FACTS = {
    "region": "meta-data/placement/region",
    "availabilityZone": "meta-data/placement/availability-zone",
    "instanceType": "meta-data/instance-type",
}


class Startup:
    """The steps of a start below one root."""

    def __init__(
        self, root: node.Root, service: MetadataService | None = None, metadata_seconds: float = METADATA_SECONDS
    ) -> None:
        self._root = root
        self._service = service or MetadataService()
        self._metadata_seconds = metadata_seconds
        self.runner = Runner(self._table(), root.at(layout.STARTUP_STEPS), root.at(layout.STARTUP_LOG))

    def _table(self) -> list[Step]:
        return [
            Step("clock", (), nothing, self.describe_clock, self.verify_clock),
            Step("metadata", ("clock",), nothing, self.ask_metadata, self.verify_metadata),
            Step("identity", ("metadata",), self.verify_metadata, self.make_identity, self.verify_identity),
            Step("sensor-configuration", ("identity",), nothing, self.configure_sensor, self.verify_sensor),
            Step("bacalhau-configuration", ("identity",), nothing, self.configure_bacalhau, self.verify_bacalhau),
            Step(
                "startup-complete",
                ("sensor-configuration", "bacalhau-configuration"),
                nothing,
                self.complete,
                self.verify_complete,
            ),
        ]

    # clock

    def describe_clock(self) -> str:
        return f"{node.utc_now()}, synchronized: {clock_synchronized()}"

    def verify_clock(self) -> None:
        """Time does not run backwards: a clock before the deployment's own end is wrong."""
        completed = str(self._read(layout.DEPLOYMENT_COMPLETE).get("completedAt"))
        try:
            earliest = datetime.fromisoformat(completed.replace("Z", "+00:00"))
        except ValueError as error:
            raise StepError(f"{layout.DEPLOYMENT_COMPLETE}: not a time: {completed}") from error
        if datetime.now(timezone.utc) < earliest:
            raise StepError(f"the clock says {node.utc_now()}, but the deployment ended at {completed}")

    # metadata

    def ask_metadata(self) -> str:
        try:
            instance_id = wait_for_instance_id(self._service, self._metadata_seconds)
            facts = {name: self._service.require(path) for name, path in FACTS.items()}
        except MetadataError as error:
            raise StepError(str(error)) from error
        node.write_json(self._root.at(layout.INSTANCE), {"instanceId": instance_id, **facts, "bootId": node.boot_id()})
        return f"{instance_id} in {facts['availabilityZone']}"

    def verify_metadata(self) -> None:
        if self._read(layout.INSTANCE).get("bootId") != node.boot_id():
            raise StepError("the metadata service was not asked in this boot")

    def _instance_id(self) -> str:
        return str(self._read(layout.INSTANCE)["instanceId"])

    # identity

    def make_identity(self) -> str:
        text = identity_text(self._instance_id())
        node.write_atomically(self._root.at(layout.IDENTITY), text.encode(), 0o644)
        return str(generate_identity(self._instance_id())["sensor_id"])

    def verify_identity(self) -> None:
        path = self._root.at(layout.IDENTITY)
        if not path.is_file() or path.read_text(encoding="utf-8") != identity_text(self._instance_id()):
            raise StepError(f"{layout.IDENTITY}: missing, or not the identity of {self._instance_id()}")

    # sensor-configuration

    def _sensor(self) -> dict[str, object]:
        template = self._read(layout.SENSOR_SETTINGS)
        return {**template, "sensor_id": self._read(layout.IDENTITY)["sensor_id"]}

    def configure_sensor(self) -> str:
        node.write_json(self._root.at(layout.SENSOR_CONFIG), self._sensor())
        return layout.SENSOR_CONFIG

    def verify_sensor(self) -> None:
        if self._read(layout.SENSOR_CONFIG) != self._sensor():
            raise StepError(f"{layout.SENSOR_CONFIG}: not what was rendered")

    # bacalhau-configuration

    def _bacalhau(self) -> Bacalhau | None:
        try:
            return load_bacalhau(self._root.at(layout.WORKLOAD_SETTINGS))
        except (OSError, ValueError) as error:
            raise StepError(str(error)) from error

    def _rendered_bacalhau(self, settings: Bacalhau) -> dict[str, object]:
        instance, about = self._read(layout.INSTANCE), self._read(layout.NODE)
        labels = {
            "instance_id": instance["instanceId"],
            "instance_type": instance["instanceType"],
            "region": instance["region"],
            "availability_zone": instance["availabilityZone"],
            "stack": about["stack"],
            "node": about["node"],
            "sensor_id": self._read(layout.IDENTITY)["sensor_id"],
        }
        token = None
        if settings.token_file is not None:
            try:
                token = self._root.at(layout.BACALHAU_TOKEN).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise StepError(str(error)) from error
        template = self._read(layout.BACALHAU_SETTINGS)
        return render_bacalhau(template, settings, {key: str(value) for key, value in labels.items()}, token)

    def configure_bacalhau(self) -> str:
        settings = self._bacalhau()
        if settings is None:
            return "not enabled"
        # JSON is valid YAML. The file holds the token: nobody but root reads it.
        node.write_json(self._root.at(layout.BACALHAU_CONFIG), self._rendered_bacalhau(settings), 0o600)
        return layout.BACALHAU_CONFIG

    def verify_bacalhau(self) -> None:
        settings = self._bacalhau()
        if settings is None:
            return
        path = self._root.at(layout.BACALHAU_CONFIG)
        if self._read(layout.BACALHAU_CONFIG) != self._rendered_bacalhau(settings):
            raise StepError(f"{layout.BACALHAU_CONFIG}: not what was rendered")
        if stat.S_IMODE(path.stat().st_mode) != 0o600:
            raise StepError(f"{layout.BACALHAU_CONFIG}: readable by others")
        if PLACEHOLDER.search(path.read_text(encoding="utf-8")):
            raise StepError(f"{layout.BACALHAU_CONFIG}: a placeholder was left")

    # startup-complete

    def complete(self) -> str:
        self.runner.require_ok([name for name in self.runner.names if name != "startup-complete"])
        marker = {"instanceId": self._instance_id(), "bootId": node.boot_id(), "completedAt": node.utc_now()}
        node.write_json(self._root.at(layout.STARTUP_COMPLETE), marker)
        return f"boot {marker['bootId']}"

    def verify_complete(self) -> None:
        if self._read(layout.STARTUP_COMPLETE).get("bootId") != node.boot_id():
            raise StepError("not complete in this boot")

    def _read(self, absolute: str) -> dict[str, object]:
        try:
            return node.read_json_object(self._root.at(absolute))
        except (OSError, ValueError) as error:
            raise StepError(str(error)) from error


def clock_synchronized() -> str:
    """What systemd knows of it: yes, no, or unknown. Told, never waited for."""
    command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return result.stdout.strip() or "unknown"


def main(argv: Sequence[str] | None = None) -> int:
    chosen = arguments("Prepare a node for its workloads.", argv)
    return act(Startup(node.Root(chosen.root)).runner, chosen)


if __name__ == "__main__":
    sys.exit(main())
