"""Where a terminal has few characters, what it lacks is spelled."""

from __future__ import annotations

import io
import sys
from importlib import import_module
from typing import Any

import pytest

from tests.support.places import ROOT

# Behind the face: how characters are spelled, and the root of the command line.
module: Any = import_module("tegum.compare.terminal.characters")
app: Any = import_module("tegum.compare.commands.app")


@pytest.mark.parametrize(
    ("text", "ascii_"),
    [
        ("E(x_1 − x'_1)²", "E(x_1 - x'_1)^2"),
        ("β₁, λ, Σ", "beta_1, lambda, Sigma"),
        ("10⁻¹² ≤ x₁₂ ≤ ½", "10^-12 <= x_12 <= 1/2"),
        ("28 × 28, n ≫ m, 1±2", "28 x 28, n >> m, 1+-2"),
        ("Wᵀ Ŵ", "W^T W"),
        ("™", "^TM"),
        ("中", "\\u4e2d"),
        ("plain", "plain"),
    ],
)
def test_characters_are_spelled_as_one_would_type_them(text: str, ascii_: str) -> None:
    assert module.spelled(text) == ascii_


def test_every_character_of_the_sources_is_spelled() -> None:
    folders = ("theory", "empirical", "compare")
    texts = [path.read_text(encoding="utf-8") for folder in folders for path in (ROOT / folder).rglob("*.py")]
    letters = {letter: module.spelled(letter) for letter in set("".join(texts))}
    assert all(found.isascii() for found in letters.values())
    # A mark over the letter before it has no name of its own.
    assert {letter for letter, found in letters.items() if found.startswith("\\u")} <= {"\u0303"}


def test_the_command_line_prints_what_ascii_can_show(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding="ascii") for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    monkeypatch.setattr(sys, "argv", ["tegum", "derive", "--features", "2", "--hidden", "1"])
    with pytest.raises(SystemExit) as stop:
        app.main()
    assert stop.value.code == 0
    streams["stdout"].seek(0)
    assert streams["stdout"].readlines()[1] == "E(x_1 - x'_1)^2\n"


def test_help_is_in_characters_that_the_terminal_has(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", written)
    monkeypatch.setattr(sys, "argv", ["tegum", "train", "--help"])
    with pytest.raises(SystemExit) as stop:
        app.main()
    assert stop.value.code == 0
    written.seek(0)
    assert "or beta_1 of Adam" in " ".join(written.read().split())
