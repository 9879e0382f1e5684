"""A deployment: its steps, a module of `deployment_steps/` each, in the contract's order, and what they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import layout
from manifest import Manifest, ManifestError, load
from node import Root, read_json_object
from steps import Runner, Step, StepError
from systemd import Systemd, is_installable
from workloads import Bacalhau, WorkloadsError, load_bacalhau


class DeploymentStep(ABC):
    """One step. Its module has it as `Step`, and is named as the contract names the step, with `_` for `-`."""

    needs: tuple[str, ...] = ()
    """Names of earlier steps that must be done."""

    def __init__(self, name: str, deployment: Deployment) -> None:
        self.name = name
        self.deployment = deployment
        self.root = deployment.root
        self.upload = deployment.upload

    def check(self) -> None:  # noqa: B027
        """Can it be done? Changes nothing; raises StepError with the reason."""

    @abstractmethod
    def act(self) -> str:
        """Does it, again and again with the same result; returns what was done in a few words. Raises StepError."""

    @abstractmethod
    def verify(self) -> None:
        """Is it done? Changes nothing; raises StepError with the reason."""


class Deployment:
    """The deployment of what was uploaded below one root: what the steps ask of it, and the runner of all of them."""

    def __init__(self, root: Root, systemd: Systemd | None = None) -> None:
        self.root = root
        self.systemd = systemd or Systemd(root)
        self.upload = root.at(layout.UPLOAD)
        steps = [_step_called(name)(name, self) for name in layout.DEPLOYMENT]
        self.steps = {step.name: step for step in steps}
        self.runner = Runner(
            [Step(step.name, step.needs, step.check, step.act, step.verify) for step in steps],
            root.at(layout.DEPLOYMENT_STEPS),
            root.at(layout.DEPLOYMENT_LOG),
        )

    def deployed_digest(self) -> str | None:
        """The digest that this node was deployed with; None when it was not. Raises StepError."""
        marker = self.root.at(layout.DEPLOYMENT_COMPLETE)
        if not marker.exists():
            return None
        try:
            return str(read_json_object(marker).get("digest"))
        except (OSError, ValueError) as error:
            raise StepError(f"this node was deployed, but its marker cannot be read: {error}") from error

    def manifest(self) -> Manifest:
        """What was uploaded. Raises StepError."""
        try:
            return load(self.root.at(layout.MANIFEST))
        except ManifestError as error:
            raise StepError(str(error)) from error

    def bacalhau(self) -> Bacalhau | None:
        """How Bacalhau is to run; None when it is not. Raises StepError."""
        try:
            return load_bacalhau(self.upload / "config/workloads.json")
        except (OSError, WorkloadsError, ValueError) as error:
            raise StepError(str(error)) from error

    def units(self) -> dict[str, Path]:
        """Unit files to install, by name: the project's, then the user's. Raises StepError for a name that is taken."""
        wanted = self.bacalhau() is not None
        ours = sorted((self.upload / "services").glob("*.service"))
        units = {path.name: path for path in ours if wanted or path.name != layout.BACALHAU_UNIT}
        for path in sorted((self.upload / "files/systemd").glob("*.service")):
            if path.name in units or path.name in (layout.BACALHAU_UNIT, layout.DEPLOY_UNIT):
                raise StepError(f"files/systemd/{path.name}: the name is taken by a unit of spot-deployer")
            units[path.name] = path
        return units


def enabled_of(units: Mapping[str, Path]) -> list[str]:
    """Those of these unit files that a target wants."""
    return [name for name, path in units.items() if is_installable(path.read_text(encoding="utf-8"))]


def require_copies(copies: Mapping[Path, Path]) -> None:
    """Raises StepError naming every target that is not there with its source's content."""
    wrong = [
        str(target)
        for source, target in copies.items()
        if not target.is_file() or target.read_bytes() != source.read_bytes()
    ]
    if wrong:
        raise StepError(f"missing or different: {', '.join(wrong)}")


def _step_called(name: str) -> type[DeploymentStep]:
    step: type[DeploymentStep] = import_module(f"deployment_steps.{name.replace('-', '_')}").Step
    return step
