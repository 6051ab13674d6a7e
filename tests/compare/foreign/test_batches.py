"""Batches of foreign weights: both layouts, and what a file says of inputs."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from tegum.compare.foreign import read_many, read_weights
from tests.support.tolerances import tolerance

RNG = np.random.default_rng(5)
WEIGHTS = RNG.normal(size=(4, 2, 3))
BIAS = RNG.normal(size=(4, 3))
SUFFIXES = (".npz", ".pt", ".safetensors")


def written(path: Path, **arrays: Any) -> Path:
    whole: dict[str, Any] = {name: np.array(array, order="C") for name, array in arrays.items()}
    if path.suffix == ".npz":
        np.savez(path, **whole)
    elif path.suffix == ".pt":
        torch.save({name: torch.from_numpy(array) for name, array in whole.items()}, path)
    else:
        save_file(whole, path)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("names", [("weights", "bias"), ("W", "b_final")], ids=["tegum's names", "published names"])
@pytest.mark.parametrize("turned", [False, True], ids=["hidden first", "features first"])
def test_both_layouts_are_read(tmp_path: Path, suffix: str, names: tuple[str, str], turned: bool) -> None:
    weights = WEIGHTS.mT if turned else WEIGHTS
    found = read_many(written(tmp_path / f"model{suffix}", **{names[0]: weights, names[1]: BIAS}))
    np.testing.assert_array_equal(found.weights, WEIGHTS)
    np.testing.assert_array_equal(found.bias, BIAS)
    assert (found.batch_shape, found.density, found.importance) == ((4,), None, None)


@pytest.mark.parametrize("batch", [(), (1,), (2, 2)], ids=["single", "batch of one", "two axes"])
def test_any_batch_is_read(tmp_path: Path, batch: tuple[int, ...]) -> None:
    weights = WEIGHTS[: int(np.prod(batch))].reshape(*batch, 2, 3)
    found = read_many(written(tmp_path / "model.npz", W=weights))
    np.testing.assert_array_equal(found.weights, weights)
    np.testing.assert_array_equal(found.bias, np.zeros((*batch, 3)))


def test_square_weights_need_a_layout(tmp_path: Path) -> None:
    square = RNG.normal(size=(4, 2, 2))
    path = written(tmp_path / "square.npz", W=square)
    with pytest.raises(ValueError, match="pass the layout, hidden-feature or feature-hidden"):
        read_many(path)
    np.testing.assert_array_equal(read_many(path, layout="hidden-feature").weights, square)
    np.testing.assert_array_equal(read_many(path, layout="feature-hidden").weights, square.mT)


def test_a_single_square_matrix_needs_one_too(tmp_path: Path) -> None:
    square = np.array([[1.0, 2.0], [0.0, 3.0]])
    path = written(tmp_path / "square.npz", W=square)
    with pytest.raises(ValueError, match="pass the layout, hidden-feature or feature-hidden"):
        read_many(path)
    np.testing.assert_array_equal(read_many(path, layout="feature-hidden").weights, square.T)
    # Whose one layout is (n_hidden, n_features), as ever.
    np.testing.assert_array_equal(read_weights(path)[0], square)
    # Layers of modules are stored as (out, in).
    path = written(tmp_path / "module.npz", **{"linear1.weight": square, "linear2.weight": square.T})
    np.testing.assert_array_equal(read_many(path).weights, square)


ROWS = np.array([0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize(
    ("arrays", "density"),
    [
        pytest.param({"feature_probability": ROWS[:, None]}, np.tile(ROWS[:, None], 3), id="published layout"),
        pytest.param({"density": ROWS}, np.tile(ROWS[:, None], 3), id="one for each model"),
        pytest.param({"feature_density": np.array([0.1, 0.2, 0.3])}, np.tile([0.1, 0.2, 0.3], (4, 1)), id="features"),
        pytest.param({"density": np.array(0.25)}, np.full((4, 3), 0.25), id="one for all"),
        pytest.param({"sparsity": np.array(0.75)}, np.full((4, 3), 0.25), id="sparsity"),
        pytest.param({"sparsity": np.array(0.75), "density": np.array(0.25)}, np.full((4, 3), 0.25), id="both"),
    ],
)
def test_densities_are_read(tmp_path: Path, arrays: dict[str, Any], density: Any) -> None:
    found = read_many(written(tmp_path / "model.npz", W=WEIGHTS, **arrays)).density
    assert found is not None
    np.testing.assert_allclose(found, density, rtol=0, atol=tolerance("rounding"))


@pytest.mark.parametrize(
    ("given", "importance"),
    [
        pytest.param(np.array([[1.0, 0.5, 0.25]]), np.tile([1.0, 0.5, 0.25], (4, 1)), id="published layout"),
        pytest.param(ROWS, [[1, 1, r] for r in ROWS], id="one for each model: the last feature's"),
        pytest.param(np.array(0.5), np.tile([1, 1, 0.5], (4, 1)), id="one for all: the last feature's"),
        pytest.param(np.array([0.5]), np.tile([1, 1, 0.5], (4, 1)), id="a list of one: the last feature's"),
        pytest.param(ROWS[:, None], np.tile(ROWS[:, None], 3), id="one for all features of a model"),
    ],
)
def test_importances_are_read(tmp_path: Path, given: Any, importance: Any) -> None:
    found = read_many(written(tmp_path / "model.npz", W=WEIGHTS, importance=given)).importance
    np.testing.assert_array_equal(found, importance)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        pytest.param({"W": WEIGHTS, "b": BIAS[:, :2]}, "expected bias of shape", id="short bias"),
        pytest.param({"W": WEIGHTS, "b": BIAS[:2]}, "expected bias of shape", id="few biases"),
        pytest.param({"W": np.ones(3)}, r"expected weights of shape \(..., n_hidden, n_features\)", id="one axis"),
        pytest.param({"W": np.ones((0, 2, 3))}, r"got \(0, 2, 3\)", id="no models"),
        pytest.param({"W": np.full((2, 1, 2), np.nan)}, "got none that are", id="all diverged"),
        pytest.param({"W": WEIGHTS, "density": np.ones(2)}, "one value for each model or feature", id="odd density"),
        pytest.param({"W": WEIGHTS, "density": np.zeros(4)}, r"density must lie in \(0, 1\], got 0", id="density 0"),
        pytest.param({"W": WEIGHTS, "sparsity": np.array(1.0)}, r"density must lie in \(0, 1\]", id="sparsity 1"),
        pytest.param({"W": WEIGHTS, "importance": -np.ones(4)}, "importance must be positive, got -1", id="negative"),
        pytest.param(
            {"W": WEIGHTS, "density": np.array(0.5), "sparsity": np.array(0.1)},
            "expected sparsity to be 1 − density",
            id="contradiction",
        ),
        pytest.param(
            {"W": WEIGHTS[:3], "density": np.array([0.1, 0.2, 0.3])},
            "for each of 3 features or for each model",
            id="as many models as features",
        ),
        pytest.param({"encoder": WEIGHTS}, "expected an array named weights, W, weight", id="no weights"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_many(written(tmp_path / "model.npz", **arrays))


@pytest.mark.parametrize(
    ("layout", "message"),
    [("sideways", "layout must be one of"), ("feature-hidden", "makes 3 hidden dimensions of 2 features")],
)
def test_layouts_are_checked(tmp_path: Path, layout: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_many(written(tmp_path / "model.npz", W=WEIGHTS), layout=layout)


class _Hostile:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"echo run > '{self.mark}'",)


def test_a_hostile_file_is_refused_and_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"W": _Hostile(mark)}))
    torch.save({"W": torch.zeros(2, 1, 2), "importance": _Hostile(mark)}, tmp_path / "archive.pt")
    for name in ("plain.pt", "archive.pt"):
        with pytest.raises(ValueError, match="can't read weights from"):
            read_many(tmp_path / name)
    assert not mark.exists()
