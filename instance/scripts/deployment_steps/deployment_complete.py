"""The marker that a deployment is over and what it was of. Every other step must be done."""

from __future__ import annotations

import layout
import node
from deployment import DeploymentStep, enabled_of
from steps import StepError


class Step(DeploymentStep):
    needs = ("units", "identity-inputs")

    def check(self) -> None:
        self.deployment.runner.require_ok([name for name in layout.DEPLOYMENT if name != self.name])

    def act(self) -> str:
        units = self.deployment.units()
        digest = self.deployment.manifest().digest
        marker = {
            "digest": digest,
            "completedAt": node.utc_now(),
            "bootId": node.boot_id(),
            "units": {
                "installed": list(units),
                "enabled": enabled_of(units),
                "user": sorted(name for name, path in units.items() if path.parent.name == "systemd"),
            },
        }
        node.write_json(self.root.at(layout.DEPLOYMENT_COMPLETE), marker)
        return f"payload {digest}"

    def verify(self) -> None:
        if self.deployment.deployed_digest() != self.deployment.manifest().digest:
            raise StepError("the marker is missing or names another payload")
