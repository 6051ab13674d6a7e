"""Verdicts: a run is in a minimum by its own weights or it isn't, wherever polishing would lead it."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from tegum.compare.diagrams import DiagramSettings
from tegum.compare.judgement import AT_A_SADDLE, ELSEWHERE, IN, ON_THE_WAY, Recipe, Verdicts, judge
from tegum.empirical.runs import Optimisation
from tegum.empirical.training import train
from tegum.theory import CriticalPoint, IndependentFeatures, ToyModel, diagram_model, local_minima
from tegum.theory.minima import FoundMinimum, Landscape
from tegum.theory.numerics import FloatArray
from tests.support.tolerances import tolerance

# Behind the face: floors of the account are tested at their edge.
verdicts: Any = import_module("tegum.compare.judgement.verdicts")

SAMPLED = Recipe(learning_rate=2e-3, steps=3000, batch_size=256)
# How much what is allowed differs between copies of a minimum: Adam's steps depend on the frame of the hidden space.
FRAMES = 0.15
# Share of runs at rest in a minimum that are found in it: a square exceeds ten times its mean in two of a thousand.
ALMOST_ALL = 0.98
EXACT = Recipe(learning_rate=2e-3, steps=3000, batch_size=256, objective="exact")
# Cells with several minima: an axis beside a pair, a pair beside merged features; and one without superposition.
CELLS = [(0.3, 0.3), (0.5, 0.5), (0.8, 1.0), (0.9, 0.2)]


@pytest.fixture(scope="module", params=CELLS, ids=lambda cell: f"density {cell[0]}, importance {cell[1]}")
def cell(request: pytest.FixtureRequest) -> tuple[ToyModel, tuple[CriticalPoint, ...]]:
    model = diagram_model(2, 1, *request.param)
    return model, local_minima(model, merged=False)


@pytest.fixture(scope="module")
def pair() -> tuple[ToyModel, tuple[CriticalPoint, ...]]:
    model = diagram_model(2, 1, 0.1, 1.0)
    return model, local_minima(model, merged=False)


def judged(
    model: ToyModel, minima: tuple[CriticalPoint, ...], weights: Any, bias: Any, recipe: Recipe = SAMPLED
) -> Verdicts:
    """Return verdicts of K runs of one cell."""
    w, b = np.asarray(weights, dtype=np.float64), np.asarray(bias, dtype=np.float64)
    batch = model.take(np.newaxis).take(np.zeros(len(w), dtype=int))
    return judge(batch, [minima] * len(w), w, b, recipe)


def stacked(points: tuple[CriticalPoint, ...]) -> tuple[FloatArray, FloatArray]:
    return np.stack([p.weights for p in points]), np.stack([p.bias for p in points])


@pytest.mark.parametrize("recipe", [SAMPLED, EXACT], ids=["sampled", "exact"])
def test_each_minimum_is_in_itself(cell: tuple[ToyModel, tuple[CriticalPoint, ...]], recipe: Recipe) -> None:
    model, points = cell
    found = judged(model, points, *stacked(points), recipe)
    np.testing.assert_array_equal(found.verdict, IN)
    np.testing.assert_array_equal(found.nearest, np.arange(len(points)))
    np.testing.assert_allclose(found.excess, 0, atol=tolerance("loss"))
    np.testing.assert_allclose(found.distance, 0, atol=tolerance("law"))
    cheap = [p.loss <= points[0].loss + verdicts.SAME_LOSS for p in points]
    np.testing.assert_array_equal(found.cheapest([points] * len(points)), cheap)


def test_a_cell_with_several_minima_is_among_them() -> None:
    assert max(len({p.phase for p in local_minima(diagram_model(2, 1, *at), merged=False)}) for at in CELLS) >= 3


@pytest.mark.parametrize(("share", "verdict"), [(0.5, IN), (2.0, ON_THE_WAY)])
@pytest.mark.parametrize("direction", range(4))
def test_a_displaced_run_is_in_by_what_is_allowed(
    pair: tuple[ToyModel, tuple[CriticalPoint, ...]], direction: int, share: float, verdict: int
) -> None:
    """Along an eigenvector of the Hessian, by a share of the displacement that meets the first of the two bars."""
    model, points = pair
    point = points[0]
    landscape = Landscape(model.take(np.newaxis))
    theta = landscape.join(point.weights[None], point.bias[None])
    values, vectors = np.linalg.eigh(landscape.expand(theta)[2][0])
    at_minimum = judged(model, points, point.weights[None], point.bias[None])
    by_loss = np.sqrt(2 * at_minimum.excess_allowed[0] / values[direction])
    # Of the distance in (WᵀW, b) for a small step along the eigenvector.
    probe = landscape.split(theta + 1e-6 * vectors[:, direction])
    by_distance = 1e-6 * at_minimum.distance_allowed[0] / judged(model, points, *probe).distance[0]
    moved = landscape.split(theta + share * min(by_loss, by_distance) * vectors[:, direction])
    found = judged(model, points, *moved)
    assert found.verdict[0] == verdict
    assert (found.nearest[0], found.ended_in[0]) == (0, 0)


def test_without_noise_next_to_nothing_is_allowed(pair: tuple[ToyModel, tuple[CriticalPoint, ...]]) -> None:
    model, points = pair
    point = points[0]
    found = judged(model, points, [point.weights, point.weights + 1e-3], [point.bias] * 2, EXACT)
    np.testing.assert_array_equal(found.verdict, [IN, ON_THE_WAY])
    scale = 2 * 0.1 / 3
    np.testing.assert_allclose(found.excess_allowed, verdicts.LEAST_EXCESS * scale, rtol=tolerance("law"))
    np.testing.assert_array_equal(found.distance_allowed, verdicts.LEAST_DISTANCE)
    sampled = judged(model, points, [point.weights + 1e-3], [point.bias])
    assert sampled.verdict[0] == IN


def test_noise_that_grows_explains_nothing(pair: tuple[ToyModel, tuple[CriticalPoint, ...]]) -> None:
    """At a rate at which steps overshoot, the prediction has no bound."""
    model, points = pair
    wild = Recipe(learning_rate=1e3, steps=3000, batch_size=256, optimisation=Optimisation(optimiser="sgd"))
    found = judged(model, points, [np.full((1, 2), 3.0)], [np.zeros(2)], wild)
    assert found.verdict[0] == ON_THE_WAY
    assert found.distance_allowed[0] == verdicts.LEAST_DISTANCE


def test_any_start_is_polished_into_a_minimum_and_none_is_in_one(
    pair: tuple[ToyModel, tuple[CriticalPoint, ...]],
) -> None:
    """What made an account of polished runs worthless: untrained runs pass it."""
    model, points = pair
    rng = np.random.default_rng(0)
    found = judged(model, points, rng.normal(size=(32, 1, 2)), np.zeros((32, 2)))
    assert (found.ended_in >= 0).all()
    assert not (found.verdict == IN).any()


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(lambda w, b: (w, -b), id="sign of b"),
        pytest.param(lambda w, b: (w, 0 * b), id="no b"),
        pytest.param(lambda w, b: (1.05 * w, b), id="scale of W"),
        pytest.param(lambda w, b: (np.abs(w), b), id="sign of W"),
        pytest.param(lambda w, b: (np.ones_like(w), np.zeros_like(b)), id="a constant"),
    ],
)
def test_broken_weights_are_in_no_minimum(broken: Any) -> None:
    model = diagram_model(2, 1, 0.5, 1.0)
    points = local_minima(model, merged=False)
    w, b = broken(points[0].weights, points[0].bias)
    found = judged(model, points, [w], [b])
    assert judged(model, points, [points[0].weights], [points[0].bias]).verdict[0] == IN
    assert found.verdict[0] != IN


def test_the_sign_of_a_bias_that_noise_hides_is_not_seen(pair: tuple[ToyModel, tuple[CriticalPoint, ...]]) -> None:
    """At density 0.1 the pair's bias is 0.001: what the account can't tell it doesn't claim to."""
    model, points = pair
    found = judged(model, points, [points[0].weights] * 2, [-points[0].bias] * 2)
    assert 2 * np.abs(points[0].bias).max() < found.distance_allowed[0]
    assert found.verdict[0] == IN
    assert judged(model, points, [points[0].weights], [-points[0].bias], EXACT).verdict[0] == ON_THE_WAY


def test_an_output_that_is_off_may_have_any_weights() -> None:
    """Of a feature with b ≤ −(its largest input) nothing comes out: the rest decides."""
    model = diagram_model(2, 1, 0.3, 0.3)
    points = local_minima(model, merged=False)
    (dead,) = [p for p in points if p.phase == "axis(1) + dead(2)"]
    bias = dead.bias - np.array([0.0, 0.5])
    weights = dead.weights.copy()
    found = judged(model, points, [weights, 1.1 * weights], [bias, bias], EXACT)
    assert points[found.nearest[0]] is dead
    assert found.verdict.tolist() == [IN, ON_THE_WAY]
    assert found.distance[0] <= tolerance("law")


@pytest.fixture(scope="module")
def three() -> tuple[ToyModel, tuple[CriticalPoint, ...]]:
    model = diagram_model(3, 2, 0.7, 1.0)
    return model, local_minima(model, starts=64, merged=False)


@pytest.mark.parametrize(("share", "verdict"), [(0.1, IN), (2.0, ON_THE_WAY)])
def test_rotations_of_the_hidden_space_change_no_verdict(
    three: tuple[ToyModel, tuple[CriticalPoint, ...]], share: float, verdict: int
) -> None:
    model, points = three
    point = points[0]
    reach = judged(model, points, point.weights[None], point.bias[None]).distance_allowed[0]
    # Along b alone the distance is the displacement.
    bias = point.bias + share * reach * np.array([1.0, 0.0, 0.0])
    angles = np.linspace(0, 2 * np.pi, 7)
    turns = np.array([[[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]] for a in angles])
    turns = np.concatenate([turns, turns @ np.diag([1.0, -1.0])])
    found = judged(model, points, turns @ point.weights, np.broadcast_to(bias, (len(turns), 3)))
    np.testing.assert_array_equal(found.verdict, verdict)
    np.testing.assert_allclose(found.distance, share * reach, rtol=tolerance("law"))
    np.testing.assert_allclose(found.excess, found.excess[0], rtol=0, atol=tolerance("loss"))


def test_exchanges_of_equal_features_change_no_verdict(three: tuple[ToyModel, tuple[CriticalPoint, ...]]) -> None:
    model, points = three
    strict = tuple(p for p in points if p.status == "minimum" and not p.dead)
    assert {p.phase for p in strict} == {"triangle(1,2,3)", "cluster(1,2,3)"}
    rng, swap = np.random.default_rng(1), [1, 0, 2]
    seen = set()
    for point in strict:
        for off in (0.0, 1e-2, 0.3):
            w, b = point.weights + off * rng.normal(size=(2, 3)), point.bias + off * rng.normal(size=3)
            found = judged(model, strict, [w, w[:, swap]], [b, b[swap]])
            seen.add(int(found.verdict[0]))
            for values in (found.distance, found.excess):
                np.testing.assert_allclose(values[0], values[1], rtol=tolerance("least"), atol=tolerance("law"))
            for values in (found.distance_allowed, found.excess_allowed):
                np.testing.assert_allclose(values[0], values[1], rtol=FRAMES)
            margins = found.distance / found.distance_allowed, found.excess / found.excess_allowed
            if all(abs(margin[0] - 1) > 2 * FRAMES for margin in margins):
                assert found.verdict[0] == found.verdict[1]
    assert seen >= {IN, ON_THE_WAY}


def test_noise_takes_runs_furthest_on_the_softest_side_of_a_kink() -> None:
    """Runs of an axis beside a dropped feature, where the loss rises six times as steeply on one side as on the other.

    A mean of the one-sided Hessians would leave a third of them out.
    """
    model = diagram_model(2, 1, 0.303, 0.2)
    points = local_minima(model, merged=False)
    recipe = DiagramSettings().recipe
    runs = train(
        model,
        seeds=256,
        steps=recipe.steps,
        batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        optimisation=recipe.optimisation,
        sampling=recipe.sampling,
        device="cpu",
    )
    found = judged(model, points, runs.weights, runs.bias, recipe)
    axis = np.array([points[k].phase == "axis(1) + drop(2)" for k in found.ended_in])
    assert axis.sum() > 50
    assert (found.verdict[axis] == IN).mean() >= ALMOST_ALL


def test_weights_that_are_not_finite_are_elsewhere(pair: tuple[ToyModel, tuple[CriticalPoint, ...]]) -> None:
    model, points = pair
    weights, bias = stacked((points[0],) * 4)
    weights[1, 0, 0], bias[2, 1] = np.nan, np.inf
    found = judged(model, points, weights, bias)
    np.testing.assert_array_equal(found.verdict, [IN, ELSEWHERE, ELSEWHERE, IN])
    np.testing.assert_array_equal(found.nearest, [0, -1, -1, 0])
    np.testing.assert_array_equal(found.ended_in[1:3], -1)
    for values in (found.excess, found.distance):
        np.testing.assert_array_equal(np.isnan(values), [False, True, True, False])
    np.testing.assert_array_equal(found.cheapest([points] * 4), [True, False, False, True])


def test_a_minimum_that_is_not_listed_is_elsewhere() -> None:
    """An account that lacks a minimum says so: a run at rest in it is in none that is listed, and at no saddle."""
    model = diagram_model(2, 1, 0.5, 0.5)
    points = local_minima(model, merged=False)
    missing = next(p for p in points if p.phase == "digon(1,2)")
    rest = tuple(p for p in points if p is not missing)
    found = judged(model, rest, [missing.weights], [missing.bias])
    assert (found.verdict[0], found.ended_in[0]) == (ELSEWHERE, -1)


def test_runs_of_unlike_cells_are_judged_each_by_its_own() -> None:
    at = [(0.1, 1.0), (0.5, 0.5)]
    minima = [local_minima(diagram_model(2, 1, *place), merged=False) for place in at]
    model = diagram_model(2, 1, np.array([0.1, 0.5, 0.5]), np.array([1.0, 0.5, 0.5]))
    chosen = [minima[0][0], minima[1][0], minima[0][0]]
    found = judge(model, [minima[0], minima[1], minima[1]], *stacked(tuple(chosen)), EXACT)
    assert found.verdict.tolist() == [IN, IN, ON_THE_WAY]


def test_a_recipe_without_prediction_is_refused(pair: tuple[ToyModel, tuple[CriticalPoint, ...]]) -> None:
    model, points = pair
    decayed = Recipe(2e-3, 3000, 256, optimisation=Optimisation(weight_decay=0.1))
    with pytest.raises(ValueError, match="noise is predicted for SGD and Adam"):
        judged(model, points, *stacked(points), decayed)


def test_verdicts_are_words() -> None:
    words = ("in", "on the way", "at a saddle", "elsewhere")
    assert tuple(verdicts.VERDICTS[k] for k in (IN, ON_THE_WAY, AT_A_SADDLE, ELSEWHERE)) == words


@pytest.fixture(scope="module")
def five() -> tuple[ToyModel, tuple[CriticalPoint, ...]]:
    model = ToyModel(5, 2, IndependentFeatures(0.1), [1.0, 1.0, 1.0, 1.0, 0.5])
    return model, local_minima(model, starts=32)


def test_every_copy_is_in_the_minimum_that_stands_for_it(five: tuple[ToyModel, tuple[CriticalPoint, ...]]) -> None:
    model, points = five
    assert max(point.copies for point in points if isinstance(point, FoundMinimum)) > 1
    weights, bias = stacked(points)
    order, turn = [2, 0, 3, 1, 4], np.array([[0.6, -0.8], [0.8, 0.6]])
    found = judged(model, points, turn @ weights[:, :, order], bias[:, order], EXACT)
    np.testing.assert_array_equal(found.verdict, IN)
    # Another of the same loss and shape may be beside: the minimum itself is.
    gaps = [points[k].loss - point.loss for k, point in zip(found.nearest, points, strict=True)]
    np.testing.assert_allclose(gaps, 0, atol=1e-10)
    assert found.distance.max() < 1e-7
    assert (found.ended_in >= 0).all()


def test_what_no_relabelling_of_equal_features_makes_is_in_no_copy(
    five: tuple[ToyModel, tuple[CriticalPoint, ...]],
) -> None:
    """The last feature is less important: in the place of another it makes another state, and no minimum."""
    model, points = five
    best = points[0]
    order = next(
        order
        for order in ([4, 1, 2, 3, 0], [0, 4, 2, 3, 1], [0, 1, 4, 3, 2], [0, 1, 2, 4, 3])
        if np.abs(best.weights[:, order].T @ best.weights[:, order] - best.weights.T @ best.weights).max() > 0.1
    )
    found = judged(model, points, best.weights[None][..., order], best.bias[None][..., order], EXACT)
    assert found.verdict[0] != IN
    assert found.distance[0] > 1e-3


def test_lists_of_all_copies_and_of_one_give_the_same_verdicts() -> None:
    model = diagram_model(3, 2, 0.3, 0.5)
    merged, every = local_minima(model), local_minima(model, merged=False)
    assert len(merged) < len(every)
    rng = np.random.default_rng(0)
    starts = [every[k % len(every)] for k in range(12)]
    noise = np.array([0, 1e-5, 0.2])[np.arange(12) % 3]
    weights, bias = stacked(tuple(starts))
    weights = weights + noise[:, None, None] * rng.normal(size=weights.shape)
    one, all_of_them = (judged(model, points, weights, bias) for points in (merged, every))
    np.testing.assert_array_equal(one.verdict, all_of_them.verdict)
    np.testing.assert_allclose(one.distance, all_of_them.distance, atol=1e-9)
    np.testing.assert_array_equal(one.ended_in >= 0, all_of_them.ended_in >= 0)


def test_settings_hold_plain_numbers() -> None:
    """What is kept as JSON has no numbers of NumPy's."""
    rate = np.float32(0.01)
    optimisation = Optimisation(weight_decay=rate, initial_scale=rate, momentum=rate)  # type: ignore[arg-type]
    kept = [
        DiagramSettings(learning_rate=rate).to_plain(),  # type: ignore[arg-type]
        Recipe(rate, 3, 2).learning_rate,  # type: ignore[arg-type]
        [optimisation.weight_decay, optimisation.initial_scale, optimisation.momentum],
    ]
    assert json.loads(json.dumps(kept)) == kept
