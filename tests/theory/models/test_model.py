from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tegum.theory import (
    AnticorrelatedFeatures,
    IndependentFeatures,
    KHotFeatures,
    OneHotFeatures,
    TableFeatures,
    ToyModel,
    diagram_model,
    expected_loss,
)
from tests.support.laws import densities, independent
from tests.support.tolerances import tolerance

PENALTIES = ("interference_penalty", "weight_penalty", "activation_penalty")


@pytest.mark.parametrize(
    ("density", "importance", "batch_shape"),
    [
        pytest.param(0.5, 1.0, (), id="scalars"),
        pytest.param([0.1, 0.2, 0.3], [1.0, 2.0, 3.0], (), id="per feature"),
        pytest.param(np.full((5, 1), 0.5), 1.0, (5,), id="batch of densities"),
        pytest.param(0.5, np.ones((4, 3)), (4,), id="batch of importances"),
        pytest.param(np.full((5, 1, 1), 0.5), np.ones((4, 3)), (5, 4), id="grid"),
    ],
)
def test_batch_shape_is_the_broadcast_of_density_and_importance(
    density: Any, importance: Any, batch_shape: tuple[int, ...]
) -> None:
    model = independent(3, 2, density, importance)
    assert model.batch_shape == batch_shape
    assert model.importances().shape == (*batch_shape, 3)


def test_a_scalar_importance_holds_for_every_feature() -> None:
    np.testing.assert_array_equal(independent(3, 2, importance=2.5).importances(), [2.5, 2.5, 2.5])


@pytest.mark.parametrize(("n", "m", "parameters"), [(1, 1, 2), (2, 1, 4), (3, 2, 9), (4, 3, 16)])
def test_parameters_are_the_weights_and_the_biases(n: int, m: int, parameters: int) -> None:
    assert independent(n, m).n_parameters == parameters


@pytest.mark.parametrize(("bias", "parameters"), [("free", 9), ("common", 7), ("none", 6)])
def test_parameters_are_those_that_are_free(bias: str, parameters: int) -> None:
    assert ToyModel(3, 2, IndependentFeatures(0.3), bias=bias).n_parameters == parameters


@pytest.mark.parametrize(
    ("name", "words"), [("bias", "free, common, none"), ("targets", "all, active"), ("reduction", "sum, mean")]
)
def test_words_are_known_ones(name: str, words: str) -> None:
    choice: dict[str, Any] = {name: "other"}
    with pytest.raises(ValueError, match=f"{name} must be one of {words}, got 'other'"):
        ToyModel(2, 1, IndependentFeatures(0.3), **choice)


def test_parts_keep_what_is_said_in_a_word() -> None:
    words = {"bias": "common", "targets": "active", "reduction": "mean"}
    model = ToyModel(2, 1, IndependentFeatures(np.array([[0.1], [0.2]])), **words)
    assert model.take(1).choices == words
    assert ToyModel(2, 1, IndependentFeatures(0.3)).choices == {}


def test_a_mean_weighs_errors_by_their_number() -> None:
    model = ToyModel(2, 1, IndependentFeatures(0.3), (1, Fraction(1, 3)), reduction="mean")
    np.testing.assert_allclose(model.importances(), [1 / 2, 1 / 6])
    assert model.exact_importances().tolist() == [Fraction(1, 2), Fraction(1, 6)]
    np.testing.assert_allclose(model.importance, [1, 1 / 3])


def test_what_does_not_cover_a_word_says_so() -> None:
    model = ToyModel(2, 1, IndependentFeatures(0.3), bias="none", targets="active")
    model.check_plain("a proof", "reduction")
    with pytest.raises(ValueError, match="a proof covers models with bias='free', got bias='none'; expected_loss and"):
        model.check_plain("a proof", "bias")
    with pytest.raises(ValueError, match="targets='all', got targets='active'"):
        model.check_plain("a proof", "targets", "bias")


def test_take_is_indexing_over_the_batch() -> None:
    density = np.array([0.1, 0.4])
    importance = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    model = independent(2, 1, density[:, None, None], importance)
    assert model.batch_shape == (2, 3)
    single = model.take((1, 2))
    assert single.batch_shape == ()
    np.testing.assert_array_equal(single.importances(), [5.0, 6.0])
    np.testing.assert_array_equal(densities(single), [0.4, 0.4])
    pair = model.take((np.array([0, 1]), np.array([1, 0])))
    assert pair.batch_shape == (2,)
    np.testing.assert_array_equal(pair.importances(), [[3.0, 4.0], [1.0, 2.0]])
    assert isinstance(pair.features, IndependentFeatures)
    np.testing.assert_array_equal(pair.features.density, [[0.1], [0.4]])
    assert independent(2, 1).take((None,)).batch_shape == (1,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"n_features": 0}, "n_features must be an integer of at least 1, got 0", id="no features"),
        pytest.param({"n_features": 2.0}, r"n_features must be an integer of at least 1, got 2\.0", id="float"),
        pytest.param({"n_features": True}, "n_features must be an integer of at least 1, got True", id="a truth value"),
        pytest.param({"n_hidden": -1}, "n_hidden must be an integer of at least 1, got -1", id="negative hidden"),
        pytest.param({"n_hidden": "1"}, "n_hidden must be an integer of at least 1, got '1'", id="text hidden"),
        pytest.param({"features": 0.1}, r"features must be an input law .*, got 0\.1", id="bare density"),
        pytest.param(
            {"features": IndependentFeatures((0.1, 0.2, 0.3))},
            r"density must be a scalar or have shape .* for 2 features, got shape \(3,\)",
            id="density of other length",
        ),
        pytest.param({"importance": 0.0}, r"importance must be positive and finite, got 0\.0", id="zero importance"),
        pytest.param({"importance": (1.0, -1.0)}, r"importance must be positive and finite, got -1\.0", id="negative"),
        pytest.param({"importance": np.nan}, "importance must be positive and finite, got nan", id="NaN"),
        pytest.param({"importance": np.inf}, "importance must be positive and finite, got inf", id="infinite"),
        pytest.param({"importance": "high"}, "importance must be real numbers, got 'high'", id="text importance"),
        pytest.param(
            {"importance": (1.0, 1.0, 1.0)},
            r"importance must be a scalar or have shape .* for 2 features, got shape \(3,\)",
            id="importance of other length",
        ),
        *(
            pytest.param({name: value}, f"{name} must be {message}", id=f"{label} {name}")
            for name in PENALTIES
            for label, value, message in (
                ("negative", -0.1, r"finite and not negative, got -0\.1"),
                ("one negative", [0.5, -1.0], r"finite and not negative, got -1\.0"),
                ("NaN", np.nan, "finite and not negative, got nan"),
                ("infinite", np.inf, "finite and not negative, got inf"),
                ("negative Fraction", Fraction(-1, 2), r"finite and not negative, got -0\.5"),
                ("text", "small", "real numbers, got 'small'"),
            )
        ),
        pytest.param(
            {"features": KHotFeatures(3)}, "n_features must be at least active=3, got 2", id="three hot of two"
        ),
        pytest.param(
            {"features": TableFeatures({(0, 2): 1.0})},
            "patterns must hold features below 2, got 2",
            id="table of other features",
        ),
        pytest.param(
            {"weight_penalty": np.ones(4), "activation_penalty": np.ones(3)},
            r"batch shapes of density \(\), importance \(\) and penalties .*\(4,\), \(3,\)\] don't broadcast",
            id="penalties of other lengths",
        ),
        pytest.param(
            {"features": IndependentFeatures(np.full((4, 1), 0.5)), "importance": np.ones((3, 2))},
            r"batch shapes of density \(4,\), importance \(3,\) and penalties .* don't broadcast",
            id="batches of other lengths",
        ),
    ],
)
def test_impossible_models_are_rejected(changes: dict[str, Any], message: str) -> None:
    fields: dict[str, Any] = {"n_features": 2, "n_hidden": 1, "features": IndependentFeatures(0.5)} | changes
    with pytest.raises(ValueError, match=message):
        ToyModel(**fields)


def test_numpy_integers_are_sizes() -> None:
    assert ToyModel(np.int64(2), np.int64(1), IndependentFeatures(0.5)).n_parameters == 4  # type: ignore[arg-type]


def test_a_model_is_frozen_and_keeps_its_own_importance() -> None:
    importance = np.array([1.0, 2.0])
    model = independent(2, 1, importance=importance)
    importance[0] = 9.0
    np.testing.assert_array_equal(model.importances(), [1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        model.importance[0] = 9.0
    with pytest.raises(AttributeError, match="cannot assign"):
        model.n_hidden = 2  # type: ignore[misc]


# --- Penalties ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PENALTIES)
def test_a_model_has_a_penalty_if_any_is_positive(name: str) -> None:
    law = IndependentFeatures(0.5)
    assert not ToyModel(2, 1, law).has_penalty
    without: dict[str, Any] = {name: [0.0, 0.0]}
    least: dict[str, Any] = {name: [0.0, 1e-300]}
    assert not ToyModel(2, 1, law, **without).has_penalty
    assert ToyModel(2, 1, law, **least).has_penalty


def test_penalties_are_part_of_the_batch() -> None:
    model = ToyModel(
        2,
        1,
        IndependentFeatures(np.array([0.1, 0.4])[:, None, None]),
        interference_penalty=[0.0, 1.0, 2.0],
        weight_penalty=np.array([[0.5], [0.25]]),
        activation_penalty=0.125,
    )
    assert model.batch_shape == (2, 3)
    weights, bias = np.array([[1.0, -0.5]]), np.array([0.1, 0.2])
    losses = expected_loss(model, weights, bias)
    for i, j in np.ndindex(2, 3):
        single = model.take((i, j))
        assert single.batch_shape == ()
        found = [float(getattr(single, name)) for name in PENALTIES]
        assert found == [float(j), 0.5 / (i + 1), 0.125]
        np.testing.assert_allclose(expected_loss(single, weights, bias), losses[i, j], rtol=tolerance("rounding"))
    pair = model.take((np.array([0, 1]), np.array([2, 1])))
    np.testing.assert_array_equal(pair.interference_penalty, [2.0, 1.0])
    np.testing.assert_array_equal(pair.weight_penalty, [0.5, 0.25])
    np.testing.assert_array_equal(pair.activation_penalty, 0.125)


@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_are_frozen(name: str) -> None:
    given = np.array([0.5, 1.0])
    penalty: dict[str, Any] = {name: given}
    model = ToyModel(2, 1, OneHotFeatures(), **penalty)
    given[0] = 9.0
    np.testing.assert_array_equal(getattr(model, name), [0.5, 1.0])
    with pytest.raises(ValueError, match="read-only"):
        getattr(model, name)[0] = 9.0


def test_fractions_are_kept_beside_their_float64_values() -> None:
    third = Fraction(1, 3)
    model = ToyModel(
        2, 1, AnticorrelatedFeatures(third, [(0, 1)]), [third, 1], weight_penalty=third, activation_penalty=[third, 0]
    )
    assert model.exact["importance"].tolist() == [third, 1]
    assert model.exact["weight_penalty"].item() == third
    assert model.importance.dtype == model.weight_penalty.dtype == model.activation_penalty.dtype == np.float64
    np.testing.assert_array_equal(model.importance, [1 / 3, 1])
    single = model.take((0,))
    assert single.exact["activation_penalty"].item() == third
    assert single.exact["importance"].tolist() == [third, 1]
    assert model.take((1,)).exact["activation_penalty"].item() == 0


@pytest.mark.parametrize("n", [3, 40])
def test_laws_without_parameters_have_no_batch(n: int) -> None:
    model = ToyModel(n, 2, OneHotFeatures(), np.ones((5, n)))
    assert model.batch_shape == (5,)
    np.testing.assert_allclose(model.densities(), np.full((5, n), 1 / n), rtol=tolerance("rounding"))
    assert model.take((3,)).batch_shape == ()


# --- Diagrams ----------------------------------------------------------------------------------------------------


def test_diagram_model_gives_the_relative_importance_to_the_last_feature() -> None:
    density, ratio = np.array([0.1, 0.5])[:, None], np.array([0.2, 1.0, 3.0])
    model = diagram_model(3, 2, density, ratio)
    assert (model.n_features, model.n_hidden, model.batch_shape) == (3, 2, (2, 3))
    for i, j in np.ndindex(2, 3):
        cell = model.take((i, j))
        np.testing.assert_array_equal(cell.importances(), [1.0, 1.0, ratio[j]])
        np.testing.assert_array_equal(densities(cell), density[i, 0])


@pytest.mark.parametrize(
    ("density", "ratio", "message"),
    [
        pytest.param(0.0, 1.0, "density must lie in", id="zero density"),
        pytest.param(0.5, 0.0, "importance must be positive and finite", id="zero importance"),
        pytest.param([0.1, 0.2], [1.0, 2.0, 3.0], "don't broadcast", id="shapes"),
    ],
)
def test_diagram_model_rejects_what_a_model_rejects(density: Any, ratio: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        diagram_model(2, 1, density, ratio)
