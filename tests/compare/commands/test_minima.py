"""`tegum minima`: what it prints, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tegum.theory import diagram_model, local_minima
from tests.support.command_line import ended, started
from tests.support.tolerances import tolerance


@pytest.mark.parametrize(("density", "importance"), [(0.1, 1.0), (0.5, 0.5)])
def test_minima_are_those_of_the_theory(tegum_: Any, density: float, importance: float) -> None:
    printed = tegum_("minima", "--density", str(density), "--importance", str(importance), "--json").json()["minima"]
    points = local_minima(diagram_model(2, 1, density, importance))
    assert [entry["phase"] for entry in printed] == [point.phase for point in points]
    for entry, point in zip(printed, points, strict=True):
        assert (entry["loss"], entry["status"], entry["reason"]) == (point.loss, point.status, point.reason)
        np.testing.assert_array_equal(entry["weights"], point.weights)
        np.testing.assert_array_equal(entry["bias"], point.bias)
        np.testing.assert_array_equal(entry["hessian_eigenvalues"], point.hessian_eigenvalues)
        assert entry["gradient_norm"] == point.gradient_norm
        assert entry["curvature"] == point.curvature


def test_minima_are_listed_in_a_table(tegum_: Any) -> None:
    shown = tegum_("minima", "--density", "0.1")
    assert (shown.code, shown.err) == (0, "")
    assert "digon(1,2)" in shown.out
    assert "0.00331948399" in shown.out
    # No column is cut short in a terminal of the usual width.
    assert "degenerate" in shown.out
    assert "…" not in shown.out


def test_minima_are_the_same_in_a_process_of_its_own(tegum_: Any) -> None:
    words = ("minima", "--density", "0.3", "--json")
    there, here = (found["minima"] for found in (ended(started(*words)).json(), tegum_(*words).json()))
    assert [entry["phase"] for entry in there] == [entry["phase"] for entry in here]
    np.testing.assert_allclose([e["loss"] for e in there], [e["loss"] for e in here], rtol=0, atol=tolerance("loss"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param("--density 2", "density must lie in (0, 1], got 2.0", id="density above one"),
        pytest.param("--density 0", "density must lie in (0, 1], got 0.0", id="density of zero"),
        pytest.param("--density nan", "--density must be a number such as 0.1", id="density NaN"),
        pytest.param("--density high", "--density must be a number such as 0.1", id="density in words"),
        pytest.param("--density 0.5 --importance -1", "importance must be positive and finite", id="importance"),
        pytest.param(
            "--density 0.5 --importance inf",
            "--importance must be a number such as 0.1",
            id="infinite",
        ),
        pytest.param("--density 0.5 --features 0", "n_features must be an integer of at least 1", id="no features"),
        pytest.param("--density 0.5 --features 9", "up to 8 features, got 9", id="too many features"),
        pytest.param("--density 0.5 --hidden 3", "n_hidden must not exceed n_features", id="hidden above n"),
        pytest.param("", "needs a --density, got none", id="missing option"),
        pytest.param("--density 0.5 --colour red", "No such option: --colour", id="unknown option"),
    ],
)
def test_bad_input_is_one_line(tegum_: Any, words: str, message: str) -> None:
    tegum_(f"minima {words}").is_misuse(message)
