"""Tests use public names: what reaches behind a folder's face says why."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.house.test_layers import FOLDERS, exported
from tests.support.places import ROOT

TESTS = [path for path in sorted((ROOT / "tests").rglob("*.py")) if "house" not in path.parts]
BY_NAME = re.compile(r"""(?:import_module\("tegum\.([\w.]+)"\)|internals\("([\w.]+)"\))""")
# What switches off a rule is no reason.
REASON = re.compile(r"# (?!noqa\b|type: ?ignore\b|fmt:|pragma\b|pyright:)\w+")


def behind(path: Path) -> list[int]:
    """Return the lines that import something that no face offers."""
    text = path.read_text(encoding="utf-8")
    lines = [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tegum.")
        for module in [str(node.module).removeprefix("tegum.")]
        if module != "compare.progress"
        and (module not in FOLDERS or any(alias.name not in exported(module) for alias in node.names))
    ]
    for number, line in enumerate(text.splitlines(), start=1):
        named = [outer or f"theory.{inner}" for outer, inner in BY_NAME.findall(line)]
        if any(module not in FOLDERS for module in named):
            lines.append(number)
    return sorted(lines)


def test_what_reaches_behind_a_face_says_why() -> None:
    silent = []
    for path in TESTS:
        lines = path.read_text(encoding="utf-8").splitlines()
        for number in behind(path):
            above = number - 2
            # One reason may stand above several imports.
            while above >= 0 and BY_NAME.search(lines[above]):
                above -= 1
            if not REASON.search(lines[number - 1]) and not (above >= 0 and REASON.match(lines[above].lstrip())):
                silent.append(f"{path.relative_to(ROOT)}:{number}: {lines[number - 1].strip()}")
    assert silent == []


@pytest.mark.parametrize("comment", ["# noqa: F401", "# type: ignore[misc]", "#", "import x"])
def test_what_silences_a_checker_is_no_reason(comment: str) -> None:
    assert not REASON.search(comment)
    assert REASON.search(f"{comment}  # Behind the face: a part by itself.")
