"""Engines agree: every way to evaluate the loss, over every law × amplitude × penalty, within its bar of the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tegum.theory import Amplitude, IndependentFeatures, ToyModel, expected_loss
from tests.support.accuracy import EVERY_ENGINE, Table, Worst, as_markdown, composed, kinds, many_features, measure
from tests.support.tolerances import assert_same_loss

ACCURACY = Path(__file__).resolve().parents[3] / "docs" / "accuracy.md"
ROUNDS, MANY, FEWEST, COMPOSED_ROUNDS = 5, 12, 5_000, 6
SLOW_ROUNDS, SLOW_FEWEST = 105, 100_000
# A row that compares less than this says nothing.
FEWEST_IN_A_ROW = 20


def assert_accurate(table: Table, fewest: int) -> None:
    assert table.misses() == []
    assert table.evaluations >= fewest
    assert {engine for engine, _ in table.rows} == set(EVERY_ENGINE)
    for (engine, purpose), row in table.rows.items():
        assert row.cases >= FEWEST_IN_A_ROW, (engine, purpose)
        assert row.refused <= row.cases / 2 + FEWEST_IN_A_ROW, (engine, purpose)


def test_engines_agree() -> None:
    assert_accurate(measure(ROUNDS), FEWEST)


def test_engines_agree_for_more_features() -> None:
    table = many_features(MANY)
    assert table.misses() == []
    assert table.models == MANY


def test_engines_agree_for_laws_that_are_made_of_others() -> None:
    table = composed(COMPOSED_ROUNDS)
    assert table.misses() == []
    assert table.models == COMPOSED_ROUNDS * 3 * 7
    assert {engine for engine, _ in table.rows} == set(EVERY_ENGINE)


@pytest.mark.parametrize("amplitude", ["symmetric", Amplitude(-1, 0.5)], ids=str)
def test_the_spectral_engine_on_a_corner_at_the_low_end(amplitude: Any) -> None:
    """z = 0 at u = −1 exactly, and z > 0 beyond."""
    model = ToyModel(2, 1, IndependentFeatures([0.1, 0.001], amplitude=amplitude))
    weights, bias = np.array([[0.75, 1.25]]), np.array([0.9375, 0.0625])
    expected = float(expected_loss(model, weights, bias))
    assert_same_loss(model, EVERY_ENGINE["spectral"].loss(model, weights, bias), expected, "law")


@pytest.mark.slow
def test_engines_agree_in_many_cases() -> None:
    assert_accurate(measure(SLOW_ROUNDS, start=ROUNDS, max_features=4), SLOW_FEWEST)


def test_the_table_notices_an_error() -> None:
    table = Table({("an engine", "loss"): Worst(bar=1e-12, error=2e-12, where="case 7", cases=1)}, models=1)
    assert table.misses() == ["an engine, loss: 2e-12 above 1e-12 in case 7"]
    table.rows["an engine", "loss"].error = float("nan")
    assert len(table.misses()) == 1
    written = as_markdown({"Title": table})
    assert "| an engine | loss | 1 | 0 | nan | 1e-12 |" in written
    assert "- **Above its bar**: an engine, loss: nan" in written


def test_every_kind_of_model_is_drawn() -> None:
    drawn = [tuple(kind.values()) for kind in kinds()]
    assert len(set(drawn)) == len(drawn) == 6 * 7 * 5


@pytest.mark.parametrize("engine", EVERY_ENGINE)
def test_the_documentation_lists_every_engine_with_its_bars(engine: str) -> None:
    rows = [line.split("|")[1:-1] for line in ACCURACY.read_text().splitlines() if line.startswith(f"| {engine} |")]
    promised = {purpose for purpose in ("loss", "gradient", "hessian") if getattr(EVERY_ENGINE[engine], purpose)}
    assert {row[1].strip() for row in rows} == promised
    for row in rows:
        assert float(row[5]) == EVERY_ENGINE[engine].bar(row[1].strip())
