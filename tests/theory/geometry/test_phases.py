from __future__ import annotations

import re
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tegum.theory import phase
from tegum.theory.geometry import (
    TRAINED_TOLERANCE,
    dead_outputs,
    phase_factors,
    phase_labels,
    relabelled,
    representative,
    tegum_factors,
)
from tegum.theory.numerics import FloatArray
from tests.support.internals import internals
from tests.support.oracles import corner_outputs
from tests.support.tolerances import tolerance

TRIANGLE = np.array([[1.0, -0.5, -0.5], [0.0, 0.75**0.5, -(0.75**0.5)]])
TETRAHEDRON = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]) / 3**0.5

# Weights, biases, label.
LABELS: dict[str, tuple[Any, Any, str]] = {
    "one feature": ([[1]], [0], "axis(1)"),
    "second dropped": ([[1, 0]], [0, 0.25], "axis(1) + drop(2)"),
    "first dropped": ([[0, 1]], [0.25, 0], "drop(1) + axis(2)"),
    "antipodal pair": ([[1, -1]], [0, 0], "digon(1,2)"),
    "uneven antipodal pair": ([[1.2, -0.4]], [-0.1, 0.1], "digon(1,2)"),
    "same-sign pair": ([[0.71, 0.71]], [0, 0], "merged(1,2)"),
    "two axes": (np.eye(2), [0, 0], "axis(1) + axis(2)"),
    "triangle": (TRIANGLE, [0, 0, 0], "triangle(1,2,3)"),
    "uneven triangle": (TRIANGLE * [1, 0.8, 1.1], [0, 0, 0], "triangle(1,2,3)"),
    "axis and a digon": ([[1, 0, 0], [0, 1, -1]], [0, 0, 0], "axis(1) + digon(2,3)"),
    "digon around an axis": ([[1, 0, -1], [0, 1, 0]], [0, 0, 0], "digon(1,3) + axis(2)"),
    "axis and a merged pair": ([[1, 0, 0], [0, 0.7, 0.7]], [0, 0, 0], "axis(1) + merged(2,3)"),
    "digon and a dropped feature": ([[0, 1, -1]], [0.1, 0, 0], "drop(1) + digon(2,3)"),
    "two digons": ([[1, -1, 0, 0], [0, 0, 1, -1]], [0, 0, 0, 0], "digon(1,2) + digon(3,4)"),
    "crossed digons": ([[1, 0, -1, 0], [0, 1, 0, -1]], [0, 0, 0, 0], "digon(1,3) + digon(2,4)"),
    "tetrahedron": (TETRAHEDRON, [0, 0, 0, 0], "tetrahedron(1,2,3,4)"),
    "three on a line": ([[1, -1, 1]], [0, 0, 0], "cluster(1,2,3)"),
    "three in a cone": ([[1, 0.8, 0.8], [0, 0.6, -0.6]], [0, 0, 0], "cluster(1,2,3)"),
    "chain of overlaps": ([[1, 1, 0], [0, 1, 1]], [0, 0, 0], "cluster(1,2,3)"),
    "a plane that is a line": ([[1, -1, 1], [1, -1, 1]], [0, 0, 0], "cluster(1,2,3)"),
    "all dropped": ([[0, 0]], [0.1, 0.1], "drop(1) + drop(2)"),
    "nothing but tiny columns": ([[1e-4, -1e-4]], [0.1, 0.1], "drop(1) + drop(2)"),
    "unstored and switched off": ([[1, 0]], [0, -0.1], "axis(1) + dead(2)"),
    "stored and switched off": ([[1, -1]], [-1.5, 0.5], "dead(1) + axis(2)"),
    "all dead": ([[0, 0]], [-1, -1], "dead(1) + dead(2)"),
    "long but on": ([[1, -1]], [-0.9, -0.9], "digon(1,2)"),
    "dead, dropped and stored": ([[0, 1, 0]], [-0.5, 0, 0.5], "dead(1) + axis(2) + drop(3)"),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels(name: str) -> None:
    weights, bias, label = LABELS[name]
    assert phase(weights, bias) == label


@pytest.mark.parametrize("name", LABELS)
def test_labels_join_tegum_factors(name: str) -> None:
    # But for dead outputs, whose columns a label leaves out.
    weights, bias, label = LABELS[name]
    alive = ~dead_outputs(weights, bias)
    numbers = [[int(i) - 1 for i in part.split(",")] for part in re.findall(r"\(([\d,]+)\)", label)]
    kept = np.flatnonzero(alive)
    if len(kept):
        factors = [[int(kept[i]) for i in factor] for factor in tegum_factors(np.array(weights)[:, kept])]
        assert factors == [part for part in numbers if alive[part[0]]]


@pytest.mark.parametrize("name", LABELS)
def test_labels_do_not_depend_on_the_sign_of_the_weights(name: str) -> None:
    weights, bias, label = LABELS[name]
    assert phase(-np.array(weights), bias) == label


@pytest.mark.parametrize("name", [name for name, (weights, _, _) in LABELS.items() if np.shape(weights)[0] == 2])
@given(angle=st.floats(0, 2 * np.pi), mirrored=st.booleans())
def test_labels_do_not_depend_on_rotations_of_the_hidden_space(name: str, angle: float, mirrored: bool) -> None:
    weights, bias, label = LABELS[name]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if mirrored:
        turn[:, 0] *= -1
    assert phase(turn @ np.array(weights), bias) == label


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)], ids=str)
def test_labels_follow_a_permutation_of_the_features(order: tuple[int, ...]) -> None:
    weights, bias = np.array([[1.0, 0, 0], [0, 1, -1]])[:, order], np.zeros(3)
    axis = order.index(0) + 1
    pair = [place for place in (1, 2, 3) if place != axis]
    factors = sorted([([axis], f"axis({axis})"), (pair, f"digon({pair[0]},{pair[1]})")])
    assert phase(weights, bias) == " + ".join(label for _, label in factors)


SLIGHT = 0.05
TOLERANCE_CASES = {
    "small overlap": ([[1, SLIGHT], [0, 1]], [0, 0], "merged(1,2)", "axis(1) + axis(2)"),
    "small column": ([[1, SLIGHT]], [0, 0.2], "merged(1,2)", "axis(1) + drop(2)"),
    "triangle out of its plane": (
        np.concatenate([TRIANGLE, [[SLIGHT, SLIGHT, SLIGHT]]]),
        [0, 0, 0],
        "cluster(1,2,3)",
        "triangle(1,2,3)",
    ),
}


@pytest.mark.parametrize("name", TOLERANCE_CASES)
def test_tolerance_decides_what_is_negligible(name: str) -> None:
    weights, bias, strict, lenient = TOLERANCE_CASES[name]
    assert phase(weights, bias) == strict
    assert phase(weights, bias, tolerance=SLIGHT / 2) == strict
    assert phase(weights, bias, tolerance=SLIGHT * 2) == lenient


@pytest.mark.parametrize(
    ("weights", "bias", "message"),
    [
        pytest.param([1, -1], [0, 0], r"must have shape \(n_hidden, n_features\), got \(2,\)", id="flat weights"),
        pytest.param([[[1, -1]]], [[0, 0]], r"must have shape \(n_hidden, n_features\), got \(1, 1, 2\)", id="batch"),
        pytest.param([[1, -1]], [0, 0, 0], r"bias must have shape \(2,\), got \(3,\)", id="long bias"),
        pytest.param([[1, -1]], 0.0, r"bias must have shape \(2,\), got \(\)", id="scalar bias"),
        pytest.param([[1, np.nan]], [0, 0], "must be finite, got NaN or infinite entries", id="NaN weight"),
        pytest.param([[1, np.inf]], [0, 0], "must be finite, got NaN or infinite entries", id="infinite weight"),
        pytest.param([[1, -1]], [np.inf, 0], "must be finite, got NaN or infinite entries", id="infinite bias"),
    ],
)
def test_misuse_is_named(weights: Any, bias: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        phase(weights, bias)


# --- Dead outputs ------------------------------------------------------------------------------------------------

ENTRY = st.one_of(st.floats(-2, 2), st.sampled_from([0.0, 1.0, -1.0]))


@st.composite
def points(draw: st.DrawFn) -> tuple[FloatArray, FloatArray]:
    n = draw(st.integers(1, 4))
    m = draw(st.integers(1, n))
    weights = draw(st.lists(ENTRY, min_size=m * n, max_size=m * n))
    bias = draw(st.lists(st.floats(-4, 1), min_size=n, max_size=n))
    return np.array(weights).reshape(m, n), np.array(bias)


@given(points())
def test_an_output_is_dead_exactly_if_no_input_switches_it_on(point: tuple[FloatArray, FloatArray]) -> None:
    # z is linear, so the corners of the cube decide; inputs from inside only confirm it.
    weights, bias = point
    dead = dead_outputs(weights, bias)
    highest = corner_outputs(weights, bias).max(axis=0)
    # Sums in another order may round to the other side of zero.
    clear = np.abs(highest) > tolerance("rounding") * (1 + np.abs(bias) + (weights**2).sum())
    np.testing.assert_array_equal(dead[clear], highest[clear] <= 0)
    inputs = np.random.default_rng(0).random((100, len(bias)))
    inside = inputs @ (weights.T @ weights) + bias
    assert (inside[:, dead & clear] <= 0).all()


@pytest.mark.parametrize(
    ("bias", "margin", "dead"),
    [
        pytest.param(-1.0, 0.0, True, id="exactly at zero"),
        pytest.param(-1.0, 0.25, False, id="margin too wide"),
        pytest.param(-1.25, 0.25, True, id="margin just kept"),
        pytest.param(-0.75, 0.0, False, id="on"),
    ],
)
def test_margin_of_dead_outputs(bias: float, margin: float, dead: bool) -> None:
    # Output 1 reaches b + 1 at x = (1, 0), output 2 always stays on.
    np.testing.assert_array_equal(dead_outputs([[1.0, -1.0]], [bias, 3.0], margin), [dead, False])


def test_dead_outputs_of_a_batch_are_those_of_each() -> None:
    rng = np.random.default_rng(0)
    weights, bias = rng.normal(size=(5, 2, 3)), rng.normal(size=(4, 5, 3)) - 2
    found = dead_outputs(weights, bias)
    assert found.shape == (4, 5, 3)
    assert 0 < found.sum() < found.size
    for i, j in product(range(4), range(5)):
        np.testing.assert_array_equal(found[i, j], dead_outputs(weights[j], bias[i, j]))


@pytest.mark.parametrize(
    ("labels", "n_equal", "expected"),
    [
        pytest.param(["digon(1,3) + axis(2)"], 2, ("axis(1) + digon(2,3)",), id="one label"),
        pytest.param(["digon(1,2) + axis(3)"], 2, ("digon(1,2) + axis(3)",), id="its own copy"),
        pytest.param(["drop(1) + axis(2)"], 1, ("drop(1) + axis(2)",), id="features of different importance"),
        pytest.param(
            ["digon(1,3) + axis(2)", "drop(1) + axis(2) + axis(3)"],
            2,
            ("axis(1) + digon(2,3)", "axis(1) + drop(2) + axis(3)"),
            id="a pair is renumbered together",
        ),
        pytest.param(
            ["axis(1) + digon(2,3)", "drop(1) + axis(2) + axis(3)"],
            2,
            ("axis(1) + digon(2,3)", "drop(1) + axis(2) + axis(3)"),
            id="another pair of the same structures",
        ),
    ],
)
def test_representatives_stand_for_all_exchanges(labels: list[str], n_equal: int, expected: tuple[str, ...]) -> None:
    assert representative(labels, n_equal) == expected
    assert representative(list(expected)[::-1], n_equal) == expected


def test_renumbering_a_label_renumbers_the_model() -> None:
    weights, bias = np.array([[1.0, 0.0, -0.9], [0.0, 1.0, 0.0]]), np.zeros(3)
    order = (2, 0, 1)
    moved = np.empty_like(weights)
    moved[:, list(order)] = weights
    # Behind the face: labels under exchanges.
    assert internals("geometry.phases").relabelled(phase(weights, bias), order) == phase(moved, bias)


# --- Labels of many features -------------------------------------------------------------------------------------


def beside(*blocks: Any, unstored: int = 0) -> FloatArray:
    """Return W with blocks of columns in dimensions of their own, and features that aren't stored."""
    blocks = tuple(np.atleast_2d(np.asarray(block, dtype=np.float64)) for block in blocks)
    weights = np.zeros((sum(len(block) for block in blocks), sum(block.shape[1] for block in blocks) + unstored))
    row = column = 0
    for block in blocks:
        weights[row : row + len(block), column : column + block.shape[1]] = block
        row, column = row + len(block), column + block.shape[1]
    return weights


def polygon(corners: int) -> FloatArray:
    angles = 2 * np.pi * np.arange(corners) / corners
    return np.array([np.cos(angles), np.sin(angles)])


DIGON, PAIR = [[1, -1]], [[1, 1]]
LARGE: dict[str, tuple[FloatArray, str]] = {
    "axes and dropped": (beside(*[[[1]]] * 5, unstored=15), "5 axes + 15 dropped"),
    "one dropped of seven": (beside(*[[[1]]] * 6, unstored=1), "6 axes + drop(7)"),
    "one pentagon": (beside(*[DIGON] * 3, polygon(5)), "3 digons + pentagon(7-11)"),
    "an axis among digons": (beside(DIGON, [[1]], *[DIGON] * 2), "axis(3) + 3 digons"),
    "merged": (beside(*[PAIR] * 4), "4 merged pairs"),
    "tetrahedra": (beside(TETRAHEDRON, TETRAHEDRON), "2 tetrahedra"),
    "5-cells": (beside(*[np.eye(5) - 0.2] * 2), "2 × 5-cell"),
    "scattered": (beside(polygon(5), *[[[1]]] * 5)[:, [0, 5, 1, 6, 2, 7, 3, 8, 4, 9]], "5 axes + pentagon(1,3,5,7,9)"),
    "a run of two": (beside(polygon(5), [[1]], [[1]])[:, [0, 1, 5, 2, 3, 4, 6]], "2 axes + pentagon(1,2,4-6)"),
    "clusters of one size": (beside(*[[[1, -1, 1]]] * 3), "3 clusters of 3"),
    "clusters of two sizes": (beside(*[[[1, -1, 1]]] * 2, [[1, -1, 1, -1]]), "2 clusters of 3 + cluster(7-10)"),
    "clusters of many sizes": (
        beside([[1, -1, 1]], [[1, -1, 1, -1]], [[1, -1, 1, -1, 1]]),
        "3 clusters of 3 to 5",
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_labels_of_many_features_count_equal_factors(name: str) -> None:
    weights, label = LARGE[name]
    assert phase(weights, np.full(weights.shape[1], 0.1)) == label


def test_a_factor_of_many_runs_is_told_by_its_size() -> None:
    weights = beside(polygon(9), *[[[1]]] * 9)[:, np.arange(18).reshape(2, 9).T.ravel()]
    assert phase(weights, np.zeros(18)) == "9 axes + 1 9-gon"
    weights = beside([[1, -1, 1] * 3], *[[[1]]] * 9)[:, np.arange(18).reshape(2, 9).T.ravel()]
    assert phase(weights, np.zeros(18)) == "9 axes + cluster of 9"


@given(st.integers(7, 60), st.integers(0, 2**32 - 1))
def test_labels_of_many_features_are_short_and_the_features_are_in_the_record(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(int(rng.integers(1, 8)), n)) * (rng.random(n) < 0.7)
    # Blocks of random sizes that share no dimension.
    weights *= rng.integers(0, len(weights), n) == np.arange(len(weights))[:, None]
    bias = rng.uniform(-1, 0.5, n)
    assert len(phase(weights, bias)) <= 100
    factors = phase_factors(weights, bias)
    assert sorted(i for one in factors for i in one.features) == list(range(n))
    assert [one.features[0] for one in factors] == sorted(one.features[0] for one in factors)
    dead = {i for one in factors if one.name == "dead" for i in one.features}
    assert dead == set(np.flatnonzero(dead_outputs(weights, bias)).tolist())


def test_a_batch_has_the_labels_of_each() -> None:
    rng = np.random.default_rng(1)
    for n in (3, 9):
        weights = rng.normal(size=(40, 3, n)) * (rng.random((40, 3, n)) < 0.4)
        bias = rng.uniform(-1, 0.5, (40, n))
        for within in (1e-3, 0.3):
            found = phase_labels(weights.reshape(8, 5, 3, n), bias.reshape(8, 5, n), within)
            each = [phase(w, b, within) for w, b in zip(weights, bias, strict=True)]
            assert found.ravel().tolist() == each
            assert len(set(each)) > 5


@given(st.integers(0, 2**32 - 1))
def test_noise_of_training_changes_no_label_within_its_tolerance(seed: int) -> None:
    # Columns of length 1 with noise that turns none by more than 0.05: two columns by up to 0.1.
    rng = np.random.default_rng(seed)
    for weights, label in LARGE.values():
        noise = rng.normal(size=weights.shape)
        noise *= 0.04 / np.maximum(np.linalg.norm(noise, axis=0), 1e-300)
        clean = weights / np.maximum(np.linalg.norm(weights, axis=0), 1e-300)
        if "cluster" not in label:
            assert phase(clean + noise, np.full(len(noise[0]), 0.1), TRAINED_TOLERANCE) == label


def test_five_axes_with_noise_are_five_axes() -> None:
    rng = np.random.default_rng(0)
    weights = np.eye(5, 20) + 0.01 * rng.normal(size=(20, 5)).T
    bias = np.r_[np.zeros(5), np.full(15, 0.05)]
    assert phase(weights, bias) == "cluster(1-20)"
    assert phase(weights, bias, TRAINED_TOLERANCE) == "5 axes + 15 dropped"


def test_a_short_label_is_not_renumbered() -> None:
    with pytest.raises(ValueError, match="where they list every feature, got '5 axes"):
        relabelled("5 axes + 15 dropped", range(20))


def test_tensors_are_labelled() -> None:
    weights = torch.tensor([[1.0, -1.0]], requires_grad=True)
    assert phase(weights, torch.zeros(2)) == "digon(1,2)"
