"""Every script is sound, and the user's interruption hooks are where the watcher looks for them."""

from __future__ import annotations

from pathlib import Path

import layout
import node
from deployment import DeploymentStep, require_copies
from steps import StepError


class Step(DeploymentStep):
    needs = ("directories",)

    def check(self) -> None:
        """Every script is Python that this node's own interpreter accepts; compiled in memory only."""
        folder = self.upload / "scripts"
        scripts = sorted([*folder.glob("*.py"), *folder.glob("deployment_steps/*.py")])
        if not scripts:
            raise StepError("the upload has no scripts")
        for script in scripts:
            try:
                compile(script.read_bytes(), str(script), "exec")
            except (SyntaxError, ValueError) as error:
                raise StepError(f"{script.relative_to(folder)}: {error}") from error

    def act(self) -> str:
        hooks = self._hooks()
        for source, target in hooks.items():
            node.write_atomically(target, source.read_bytes(), 0o755)
        return f"{len(hooks)} interruption hooks"

    def verify(self) -> None:
        require_copies(self._hooks())

    def _hooks(self) -> dict[Path, Path]:
        """Each hook of the upload with its place."""
        hooks = sorted(path for path in (self.upload / "files/on-interruption.d").glob("*") if path.is_file())
        return {hook: self.root.at(layout.HOOKS) / hook.name for hook in hooks}
