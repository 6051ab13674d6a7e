"""The command line, for tests of what each command does, and boundaries that are traced already."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from tegum.theory import BoundaryMap
from tegum.theory.boundaries import BoundaryCurve
from tegum.theory.minima import DiagramMinima
from tests.support.command_line import Outcome, run_tegum


@pytest.fixture
def tegum_(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run the command line in this process; the words of one text are split, those of several are taken as they are."""

    def run(*words: str) -> Outcome:
        return Outcome(*run_tegum(monkeypatch, capsys, words[0] if len(words) == 1 else list(words)))

    return run


@pytest.fixture
def traced(default_map: BoundaryMap, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the boundaries of the default diagram, and of no other, traced already."""

    def known(diagram: DiagramMinima) -> tuple[BoundaryCurve, ...]:
        for given, expected in ((diagram.x, default_map.diagram.x), (diagram.y, default_map.diagram.y)):
            np.testing.assert_array_equal(given, expected)
        assert (diagram.n_features, diagram.n_hidden) == (2, 1)
        return default_map.curves

    # Behind the face: the stage that would trace them.
    stages: Any = import_module("tegum.compare.diagrams.diagram")
    monkeypatch.setattr(stages, "phase_boundaries", known)
