"""Somebody's trained models in the grid of a phase diagram, with our own ledger."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tegum.compare.diagrams import agreement, load
from tegum.compare.foreign import WeightBatch, foreign_diagram
from tegum.compare.judgement import IN, ON_THE_WAY, PAPER_RECIPE, Recipe
from tegum.theory import ToyModel, diagram_model
from tegum.theory.boundaries import BoundaryCurve
from tegum.theory.minima import DiagramMinima, diagram_minima
from tests.support.tolerances import tolerance

# Behind the face: stages are replaced, to stop a run between them.
stages: Any = import_module("tegum.compare.diagrams.diagram")

DENSITY, IMPORTANCE = np.array([0.1, 0.4, 0.5]), np.array([0.5, 0.9, 1.1, 1.9])


@pytest.fixture(scope="module")
def exact() -> DiagramMinima:
    return diagram_minima(DENSITY, IMPORTANCE)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the tracing of boundaries, which has tests of its own."""

    def no_curves(_: None) -> tuple[BoundaryCurve, ...]:
        return ()

    monkeypatch.setattr(stages, "seed_diagram", lambda *_: None)
    monkeypatch.setattr(stages, "phase_boundaries", no_curves)


def shuffled(exact: DiagramMinima) -> tuple[WeightBatch, ToyModel]:
    """Return two runs for each cell, in its cheapest and its dearest live minimum, in random order."""
    cells = [(i, j, k) for i in range(len(DENSITY)) for j in range(len(IMPORTANCE)) for k in (0, -1)]
    order = np.random.default_rng(3).permutation(len(cells))
    points = [exact.live(cells[k][0], cells[k][1])[cells[k][2]] for k in order]
    # As float32 has them.
    density = np.array([DENSITY[cells[k][0]] for k in order], dtype=np.float32).astype(float)
    ratio = np.array([IMPORTANCE[cells[k][1]] for k in order], dtype=np.float32).astype(float)
    weights, bias = np.array([p.weights for p in points]), np.array([p.bias for p in points])
    return WeightBatch(weights + 1e-4, bias, None, None), diagram_model(2, 1, density, ratio)


@pytest.mark.usefixtures("quick")
def test_foreign_weights_get_our_own_account(exact: DiagramMinima) -> None:
    batch, model = shuffled(exact)
    dataset = foreign_diagram(batch, model)
    assert dict(dataset["outcome"].sizes) == {"density": 3, "importance": 4, "seed": 2}
    np.testing.assert_allclose(dataset["density"], DENSITY, rtol=tolerance("loss", "float32"))
    counts = np.bincount(dataset["outcome"].values.ravel(), minlength=3)
    several = sum(len(exact.live(i, j)) > 1 for i, j in np.ndindex(3, 4))
    assert counts.tolist() == [24 - several, several, 0]
    # Off by less than the noise of the paper's recipe.
    assert (dataset["verdict"] == IN).all()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("recipe", "verdict"),
    [(PAPER_RECIPE, IN), (replace(PAPER_RECIPE, objective="exact"), ON_THE_WAY)],
    ids=["the paper's", "without noise"],
)
def test_what_is_allowed_follows_from_the_recipe(exact: DiagramMinima, recipe: Recipe, verdict: int) -> None:
    batch, model = shuffled(exact)
    assert (foreign_diagram(batch, model, recipe=recipe)["verdict"] == verdict).all()


@pytest.mark.usefixtures("quick")
def test_untrained_weights_are_in_no_minimum(exact: DiagramMinima) -> None:
    """They are in somebody's basin all the same."""
    batch, model = shuffled(exact)
    batch.weights[:] = np.random.default_rng(0).normal(size=batch.weights.shape)
    batch.bias[:] = 0
    dataset = foreign_diagram(batch, model)
    assert (dataset["outcome"] != 2).all()
    account = agreement(dataset).account
    assert (account.in_a_minimum, account.best_seed_in_global_phase) == (0, 0.0)


@pytest.mark.usefixtures("quick")
def test_a_diverged_run_is_unexplained(exact: DiagramMinima) -> None:
    batch, model = shuffled(exact)
    batch.weights[0] = np.nan
    dataset = foreign_diagram(batch, model)
    assert (dataset["outcome"] == 2).sum() == 1
    assert agreement(dataset).account.elsewhere == 1


def test_weights_that_are_no_grid_are_refused(exact: DiagramMinima) -> None:
    batch, model = shuffled(exact)
    part = replace(batch, weights=batch.weights[1:], bias=batch.bias[1:])
    with pytest.raises(ValueError, match=r"as many runs in each of its 3 × 4 cells, got 2 in some and 1 at density"):
        foreign_diagram(part, model.take(slice(1, None)))
    one = replace(batch, weights=batch.weights[:2], bias=batch.bias[:2])
    with pytest.raises(ValueError, match="at least 2 densities and 2 importances, got 1 and 1"):
        foreign_diagram(one, diagram_model(2, 1, np.array([0.1, 0.1]), 1.0))


def test_features_that_differ_are_refused() -> None:
    batch = WeightBatch(np.ones((4, 2, 3)), np.ones((4, 3)), None, None)
    law = diagram_model(3, 2, 0.1, np.array([0.1, 1.0, 2.0, 3.0]))
    uneven = ToyModel(3, 2, law.features, np.array([[1.0, 2.0, 3.0]] * 4))
    with pytest.raises(ValueError, match="one importance for all features but the last"):
        foreign_diagram(batch, uneven)


@pytest.mark.usefixtures("quick")
def test_weights_are_drawn_and_accounted_for(command: Any, tmp_path: Path, exact: DiagramMinima) -> None:
    batch, model = shuffled(exact)
    path, out = tmp_path / "runs.npz", tmp_path / "out"
    # The published layout.
    importance, density = model.importances(), model.densities()[:, :1]
    np.savez(path, W=batch.weights.mT, b_final=batch.bias, feature_probability=density, importance=importance)
    code, shown, _ = command("diagram", "--from", str(path), "--out", str(out))
    assert code == 0
    assert "24 trained runs in 12 cells" in shown
    assert sorted(entry.name for entry in out.iterdir()) == ["foreign.json", "foreign.png", "foreign.zarr"]
    assert load(out / "foreign.zarr").attrs["source"] == "runs.npz"
    code, again, _ = command("diagram", "--from", str(out / "foreign.zarr"), "--out", str(out))
    assert code == 0
    assert "24 trained runs in 12 cells" in again
