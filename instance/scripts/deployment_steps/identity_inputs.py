"""The node knows its name, and its Python makes the same identities as every other."""

from __future__ import annotations

import hashlib
import platform

import layout
import node
from deployment import DeploymentStep
from generate_node_identity import identity_text
from steps import StepError

NODE_KEYS = ("stack", "lineage", "node", "generation")

# sha256 of the identity of i-test.
PROBE_ID = "i-test"
PROBE_SHA256 = "e0b3397b60f866fe252f750071ede397267e4d184d19ee071b96290b626f24fb"


class Step(DeploymentStep):
    needs = ("scripts",)

    def act(self) -> str:
        value = self._node()
        return f"node {value['node']} of stack {value['stack']}"

    def verify(self) -> None:
        self._node()
        if hashlib.sha256(identity_text(PROBE_ID).encode()).hexdigest() != PROBE_SHA256:
            raise StepError(f"the identity of {PROBE_ID} differs under Python {platform.python_version()}")

    def _node(self) -> dict[str, object]:
        try:
            value = node.read_json_object(self.root.at(layout.NODE))
        except (OSError, ValueError) as error:
            raise StepError(str(error)) from error
        missing = [key for key in NODE_KEYS if not isinstance(value.get(key), str) or not value[key]]
        if missing:
            raise StepError(f"{layout.NODE}: no {', '.join(missing)}")
        return value
