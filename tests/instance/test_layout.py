"""The contract of a node's layout stands in one place: no script has a path or a unit's name of its own."""

from __future__ import annotations

import ast
import re
import unittest
from collections.abc import Iterator
from pathlib import Path

from support import INSTANCE

import layout

SOURCES = sorted(INSTANCE.rglob("*.py"))
OF_THE_LAYOUT = re.compile(
    "|".join(
        [rf"(?<![\w.-]){re.escape(root)}(?![\w-])" for root in layout.CONTRACT["roots"]]
        + [rf"(?<![\w-]){re.escape(name)}" for name in layout.UNIT_NAMES.values()]
    )
)


def strings_in(source: str) -> Iterator[tuple[int, str]]:
    """Every text of a program that is not there for its reader alone, with its line."""
    tree = ast.parse(source)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value


def own_words(source: str) -> list[str]:
    return [f"line {line}: {text}" for line, text in strings_in(source) if OF_THE_LAYOUT.search(text)]


class OneContract(unittest.TestCase):
    def test_no_script_names_a_path_or_a_unit_itself(self) -> None:
        self.assertGreater(len(SOURCES), 10)
        for path in SOURCES:
            with self.subTest(path.name):
                self.assertEqual(own_words(path.read_text(encoding="utf-8")), [])

    def test_the_guard_sees_them_in_every_form(self) -> None:
        for text in ('"/var/lib/spot-deployer/x"', 'f"{a} /opt/a.log"', '["sensor.service"]', '"/bacalhau_data"'):
            self.assertEqual(len(own_words(f"x = {text}\n")), 1, text)
        for text in ('"/usr/bin/python3"', '"mysensor.service"', '"/optional"', '"a/opt/b"'):
            self.assertEqual(own_words(f"x = {text}\n"), [], text)

    def test_what_a_script_takes_is_in_the_contract_and_absolute(self) -> None:
        for path in [*layout.PATHS.values(), *(directory.path for directory in layout.DIRECTORIES)]:
            self.assertEqual(str(Path("/", path)), path)
