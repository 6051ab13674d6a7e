"""Equal features along 1/(1−S): training against the best packings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tegum.compare.figures import uniform_figure
from tegum.compare.geometry import UniformRun, UniformSweep, train_uniform, uniform_run
from tegum.empirical.runs import TrainedModels
from tegum.empirical.training import train
from tegum.theory import IndependentFeatures, ToyModel, best_packing, expected_loss
from tegum.theory.packing import packing_transitions

ATLAS = ("axis", "digon", "triangle", "pentagon")
PLACES = np.array([1.4, 2.5, 5.5])


def models(weights: np.ndarray, bias: np.ndarray) -> TrainedModels:
    """Return models as if they were trained."""
    count, m, n = weights.shape
    law = IndependentFeatures(1 / PLACES[:count, None])
    empty = train(ToyModel(n, m, law), seeds=1, steps=0, device="cpu")
    return TrainedModels(**(vars(empty) | {"weights": weights[:, None], "bias": bias[:, None]}))


@pytest.fixture(scope="module")
def run() -> UniformRun:
    """Return two optima of the atlas and a pentagon that has been pulled out of shape."""
    packings = [best_packing(1 / place, among=ATLAS) for place in PLACES]
    n, m = 7, 2
    weights, bias = np.zeros((3, m, n)), np.full((3, n), 1 / (2 * PLACES)[:, None])
    for k, name in ((0, "triangle"), (1, "digon"), (2, "pentagon")):
        (one,) = [one for one in packings[k].polytopes if one.name == name]
        if name == "digon":
            weights[k, 0, :2], weights[k, 1, 3:5] = one.weights[0], one.weights[0]
            bias[k, [0, 1, 3, 4]] = one.bias
        else:
            weights[k][:, 1 : 1 + one.corners] = one.weights
            bias[k, 1 : 1 + one.corners] = one.bias
    weights[2, :, 1] *= -0.7
    return uniform_run(models(weights, bias), PLACES, packings)


def test_optima_of_the_atlas_have_its_losses(run: UniformRun) -> None:
    np.testing.assert_allclose(run.ratio[:2], 1, rtol=1e-7)
    assert run.ratio[2] > 1.01
    assert (run.loss_error < 1e-6).all()
    law = IndependentFeatures(1 / PLACES[:, None])
    np.testing.assert_allclose(run.loss, expected_loss(ToyModel(7, 2, law), run.weights, run.bias), rtol=1e-6)


def test_features_are_known_by_their_factor(run: UniformRun) -> None:
    assert run.polytope[0].tolist() == ["", "triangle", "triangle", "triangle", "", "", ""]
    assert run.polytope[1].tolist() == ["digon", "digon", "", "digon", "digon", "", ""]
    assert run.factor[1].tolist() == [0, 0, -1, 1, 1, -1, -1]
    assert run.stored.sum(axis=1).tolist() == [3, 4, 5]
    # What isn't a pentagon any more isn't called one.
    assert (run.polytope[2] == "").all()
    assert run.predicted_share.tolist() == [1, 1, 0]


def test_an_output_is_off_if_no_input_turns_it_on() -> None:
    weights = np.array([[[1.0, -1.0, 0.5]]] * 2)
    bias = np.array([[-1.4, -1.1, -0.8], [-1.6, -0.9, -0.7]])
    held = uniform_run(
        models(weights, bias), PLACES[:2], [best_packing(1 / place, among=ATLAS) for place in PLACES[:2]]
    )
    # The corners of the cube of inputs decide.
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    for place in range(2):
        on = corners @ weights[place].T @ weights[place] + bias[place] > 0
        assert held.switched_off[place].tolist() == (~on.any(axis=0)).tolist()
    assert held.switched_off.sum() == 3


def test_dimensionalities_add_up(run: UniformRun) -> None:
    np.testing.assert_allclose(run.dimensionality.sum(axis=1)[:2], 2, rtol=1e-9)
    assert run.dimensionality[2].sum() < 2
    np.testing.assert_allclose(run.dimensions_per_feature, 2 / (run.weights**2).sum(axis=(1, 2)))


def test_training_gets_close_to_the_best_packing(tmp_path: Path) -> None:
    options: dict[str, Any] = {"steps": 2500, "learning_rate": 0.02, "seed": 1, "device": "cpu"}
    (trained,) = train_uniform([(6, 3)], [2.5], out=tmp_path, report=lambda *_: None, **options)
    held = uniform_run(trained, np.array([2.5]), [best_packing(1 / 2.5, among=ATLAS)])
    assert 1 <= held.ratio[0] < 1.02
    assert held.predicted_share[0] == 1
    # It isn't trained again, and other settings don't mix with it.
    (again,) = train_uniform([(6, 3)], [2.5], out=tmp_path, report=lambda *_: None, **options)
    np.testing.assert_array_equal(again.weights, trained.weights)
    with pytest.raises(ValueError, match="holds runs of other settings"):
        train_uniform([(6, 3)], [2.6], out=tmp_path, report=lambda *_: None, **options)


@pytest.mark.parametrize("places", [[0.9, 2], [], [[2.0]]])
def test_bad_densities_are_refused(places: list[float], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inverse_density must be a line of"):
        train_uniform(
            [(4, 2)], places, steps=1, learning_rate=0.1, seed=0, device="cpu", out=tmp_path, report=lambda *_: None
        )


def test_the_figure_has_a_column_for_each_size(run: UniformRun) -> None:
    packings, transitions = packing_transitions(PLACES, among=ATLAS)
    figure = uniform_figure(UniformSweep(PLACES, packings, transitions, (run, run)))
    assert len(figure.axes) == 6
    assert figure.axes[0].get_title(loc="left").startswith("n = 7 features in m = 2")


def test_what_diverges_or_isnt_trained_is_refused_and_not_kept(tmp_path: Path) -> None:
    options: dict[str, Any] = {"seed": 0, "device": "cpu", "out": tmp_path, "report": lambda *_: None}
    with pytest.raises(ValueError, match="diverged at 1/"):
        train_uniform([(4, 2)], [2.0, 3.0], steps=50, learning_rate=1e12, **options)
    assert not (tmp_path / "uniform-4-2.safetensors").exists()
    with pytest.raises(ValueError, match="steps must be an integer of at least 1, got 0"):
        train_uniform([(4, 2)], [2.0], steps=0, learning_rate=0.1, **options)
    with pytest.raises(ValueError, match="1 ≤ m ≤ n"):
        train_uniform([(2, 4)], [2.0], steps=5, learning_rate=0.1, **options)
