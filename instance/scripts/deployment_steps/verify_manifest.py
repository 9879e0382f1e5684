"""What was uploaded is all there, as its manifest says."""

from __future__ import annotations

from deployment import DeploymentStep
from manifest import differences
from steps import StepError

SHOWN_DIFFERENCES = 20


class Step(DeploymentStep):
    def act(self) -> str:
        manifest = self.deployment.manifest()
        return f"{len(manifest.entries)} entries, payload {manifest.digest}"

    def verify(self) -> None:
        found = differences(self.deployment.manifest(), self.upload)
        if found:
            more = len(found) - SHOWN_DIFFERENCES
            raise StepError("; ".join(found[:SHOWN_DIFFERENCES]) + (f"; and {more} more" if more > 0 else ""))
