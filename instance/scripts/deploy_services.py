#!/usr/bin/python3
"""
Turns an upload into a configured node, once: a table of steps, each checked, recorded and logged, then the reboot.
A node that has been deployed is never edited: another payload is refused, the node is to be replaced.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

# An import must leave nothing beside the uploaded scripts: the upload is compared with its manifest.
sys.dont_write_bytecode = True

import layout  # noqa: E402
from deployment import Deployment  # noqa: E402
from node import Root  # noqa: E402
from steps import EXIT_FAILED, EXIT_OK, EXIT_REFUSED, StepError, act, arguments  # noqa: E402
from systemd import SystemdError  # noqa: E402


def main(argv: Sequence[str] | None = None) -> int:
    chosen = arguments("Deploy what was uploaded, then reboot.", argv)
    deployment = Deployment(Root(chosen.root))
    if chosen.list or chosen.check:
        return act(deployment.runner, chosen)
    try:
        deployed = deployment.deployed_digest()
        if deployed is not None:
            return refuse(deployed, deployment.manifest().digest)
    except StepError as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    code = act(deployment.runner, chosen)
    if code != EXIT_OK or chosen.step:
        return code
    try:
        # It begins when this program's unit has ended.
        deployment.systemd.start_detached(layout.REBOOT_UNIT)
    except SystemdError as error:
        print(f"the reboot could not be started: {error}", file=sys.stderr)
        return EXIT_FAILED
    return EXIT_OK


def refuse(deployed: str, uploaded: str) -> int:
    if deployed == uploaded:
        print(f"already deployed: payload {deployed}")
        return EXIT_OK
    print(f"refused: deployed with payload {deployed}, uploaded is {uploaded}; replace the node", file=sys.stderr)
    return EXIT_REFUSED


if __name__ == "__main__":
    sys.exit(main())
