"""The directories of the contract. The upload's own is not among them: it must exist before there is a script."""

from __future__ import annotations

import os
import stat

import layout
from deployment import DeploymentStep
from steps import StepError


class Step(DeploymentStep):
    needs = ("verify-manifest",)

    def act(self) -> str:
        for directory in layout.DIRECTORIES:
            path = self.root.at(directory.path)
            path.mkdir(parents=True, exist_ok=True)
            if directory.kind != "system":
                os.chown(path, os.geteuid(), os.getegid())
                path.chmod(directory.mode)
        return f"{len(layout.DIRECTORIES)} directories"

    def verify(self) -> None:
        wrong = []
        for directory in layout.DIRECTORIES:
            path = self.root.at(directory.path)
            if not path.is_dir():
                wrong.append(f"{directory.path}: missing")
            elif directory.kind != "system":
                status = path.stat()
                if stat.S_IMODE(status.st_mode) != directory.mode or status.st_uid != os.geteuid():
                    wrong.append(f"{directory.path}: mode {stat.S_IMODE(status.st_mode):04o}, owner {status.st_uid}")
        if wrong:
            raise StepError("; ".join(wrong))
