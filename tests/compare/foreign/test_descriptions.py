"""The project's own files say which model they are of, and it is that one's loss; contradictions are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tegum.compare.foreign import WeightBatch, model_of_weights, read_many
from tegum.empirical import TrainedModels, save_models, train
from tegum.theory import (
    AnticorrelatedFeatures,
    CorrelatedFeatures,
    IndependentFeatures,
    KHotFeatures,
    OneHotFeatures,
    TableFeatures,
    ToyModel,
    expected_loss,
)

MODELS: dict[str, ToyModel] = {
    "one-hot": ToyModel(3, 2, OneHotFeatures(amplitude="constant")),
    "k-hot": ToyModel(3, 2, KHotFeatures(2)),
    "correlated": ToyModel(3, 2, CorrelatedFeatures(0.2, [(0, 1)]), (1.0, 0.5, 0.25)),
    "anticorrelated": ToyModel(3, 2, AnticorrelatedFeatures(np.array([[0.2], [0.3]]), [(0, 2)])),
    "table": ToyModel(3, 2, TableFeatures({(): 0.5, (0, 2): 0.25, (1,): 0.25})),
    "symmetric": ToyModel(3, 2, IndependentFeatures(0.1, amplitude="symmetric")),
    "penalties": ToyModel(3, 2, IndependentFeatures(np.array([0.1, 0.2, 0.4])), interference_penalty=0.5),
    "plain": ToyModel(3, 2, IndependentFeatures(np.array([[[0.1]], [[0.5]]])), np.array([[1, 1, 0.5], [1, 1, 2]])),
}


def runs(model: ToyModel) -> TrainedModels:
    return train(model, seeds=2, objective="exact", steps=3)


@pytest.mark.parametrize("suffix", [".safetensors", ".zarr"])
@pytest.mark.parametrize("name", MODELS)
def test_the_model_of_a_file_is_the_one_that_was_trained(tmp_path: Path, name: str, suffix: str) -> None:
    model, trained = MODELS[name], runs(MODELS[name])
    save_models(trained, tmp_path / f"runs{suffix}", model=model)
    batch = read_many(tmp_path / f"runs{suffix}")
    found = model_of_weights(batch)
    assert found.batch_shape == batch.batch_shape
    np.testing.assert_array_equal(expected_loss(found, batch.weights, batch.bias), trained.loss)


def test_files_of_more_hidden_dimensions_than_features_are_read(tmp_path: Path) -> None:
    model = ToyModel(2, 3, IndependentFeatures(0.3))
    trained = runs(model)
    save_models(trained, tmp_path / "runs.safetensors", model=model)
    batch = read_many(tmp_path / "runs.safetensors")
    np.testing.assert_array_equal(batch.weights, trained.weights)
    np.testing.assert_array_equal(expected_loss(model_of_weights(batch), batch.weights, batch.bias), trained.loss)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "one-hot",
            {"density": 0.3333},
            "--density 0.3333 contradicts the file, which says 0.3333333333333333, of OneHotFeatures",
        ),
        ("symmetric", {"density": 0.2}, "--density 0.2 contradicts the file, which says 0.1"),
        ("penalties", {"density": 0.1}, "--density 0.1 contradicts the file, which says 0.1, 0.2, 0.4"),
        ("plain", {"importance": 0.7}, "--importance 0.7 contradicts the file, which says .* values from 0.5 to 2,"),
        (
            "correlated",
            {"importance": 0.25},
            "the file has importances of its own, of CorrelatedFeatures, 1, 0.5, 0.25",
        ),
    ],
)
def test_an_option_that_contradicts_the_file_is_refused(
    tmp_path: Path, name: str, options: dict[str, float], message: str
) -> None:
    save_models(runs(MODELS[name]), tmp_path / "runs.safetensors", model=MODELS[name])
    with pytest.raises(ValueError, match=message):
        model_of_weights(read_many(tmp_path / "runs.safetensors"), **options)


def test_an_option_that_agrees_is_taken(tmp_path: Path) -> None:
    model = MODELS["symmetric"]
    save_models(runs(model), tmp_path / "runs.safetensors", model=model)
    found: Any = model_of_weights(read_many(tmp_path / "runs.safetensors"), 0.1, 1.0)
    assert found.features.amplitude == model.features.amplitude


def test_options_say_what_a_file_does_not() -> None:
    batch = WeightBatch(np.ones((2, 1, 2)), np.zeros((2, 2)), None, None)
    with pytest.raises(ValueError, match=r"doesn't say what the feature density is: pass --density"):
        model_of_weights(batch)
    model = model_of_weights(batch, 0.25, 0.5)
    np.testing.assert_array_equal(model.densities(), np.full((2, 2), 0.25))
    np.testing.assert_array_equal(model.importances(), [[1, 0.5], [1, 0.5]])
    known = WeightBatch(np.ones((1, 2)), np.zeros(2), np.full(2, 0.25), None)
    with pytest.raises(ValueError, match=r"--density 0.5 contradicts the file, which says 0.25"):
        model_of_weights(known, 0.5)
