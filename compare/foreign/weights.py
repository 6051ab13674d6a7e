"""A user's own trained weights, one model or a batch, read from files of several kinds (docs/foreign.md)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import is_zipfile

import numpy as np
from numpy.typing import NDArray

from tegum.theory.numerics import check_choice
from tegum.theory.storage import OBJECTS, check_archive, check_declared, check_path, read_npz

WEIGHT_NAMES = ("weights", "W", "weight")
BIAS_NAMES = ("bias", "b", "b_final")
DENSITY_NAMES = ("density", "feature_density", "feature_probability")
SPARSITY_NAMES = ("sparsity", "feature_sparsity")
IMPORTANCE_NAMES = ("importance", "relative_importance", "feature_importance")
# Which of the last two axes of W is which.
LAYOUTS = ("auto", "hidden-feature", "feature-hidden")
LAYOUT_NAME = "weight layout"
# Files that `save_models` wrote, and what these hold for each model, whatever its seeds.
OURS = "tegum trained models"
PER_MODEL = ("feature_density", "feature_importance")
# Densities given twice, in float32, agree to this.
SAME_DENSITY = 1e-6


def _pt(path: Path) -> dict[str, Any]:
    import torch

    # torch looks at no checksum; files of its old format, which are no archives, have none.
    if is_zipfile(path):
        check_archive(path)
    try:
        # Warnings are about protocols of pickles, and ask for reports to torch.
        with warnings.catch_warnings(action="ignore"):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:
        raise ValueError(f"{OBJECTS}, or it is damaged") from None
    if not isinstance(content, Mapping):
        raise ValueError(f"holds a {type(content).__name__}, not a state dictionary")
    tensors = {str(name): value.detach() for name, value in content.items() if isinstance(value, torch.Tensor)}
    # A tensor may be a view that repeats one number as often as it says.
    check_declared(sum(tensor.nbytes for tensor in tensors.values()), path.stat().st_size, path)
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def _safetensors(path: Path) -> dict[str, Any]:
    from tegum.empirical.files import read_safetensors

    arrays, words = read_safetensors(path, "trained models")
    return arrays | _of_ours(path, words)


def _zarr(path: Path) -> dict[str, Any]:
    from tegum.empirical.files import read_zarr

    dataset = read_zarr(path, "trained models")
    arrays = {str(name): variable.values for name, variable in dataset.data_vars.items()}
    # Models have no axis over seeds; with one of length 1 they broadcast against weights.
    arrays |= {name: arrays[name][..., None, :] for name in PER_MODEL if name in arrays}
    return arrays | _of_ours(path, dataset.attrs)


def _of_ours(path: Path, words: Mapping[str, Any]) -> dict[str, Any]:
    """Return the layout of weights that `save_models` wrote, which needn't be told from their sizes.

    Raises:
        ValueError: if it isn't what `save_models` wrote, or weights of another kind of model.
    """
    from tegum.empirical.files import load_models

    # Other people's files may have a format as well.
    if not str(words.get("format")).startswith(OURS):
        return {}
    # The first format has checksums of its arrays only, which are a matter of the record.
    load_models(path)
    architecture = words.get("architecture")
    if architecture != "relu_output":
        raise ValueError(f"expected models of architecture 'relu_output', whose loss is known, got {architecture!r}")
    return {LAYOUT_NAME: np.array(LAYOUTS[1])}


READERS = {".npz": read_npz, ".pt": _pt, ".pth": _pt, ".safetensors": _safetensors, ".zarr": _zarr}


def _arrays(path: str | os.PathLike[str]) -> tuple[Path, dict[str, Any]]:
    """Return the arrays of a file by name.

    Raises:
        ValueError: if the file can't be read.
    """
    path = Path(path)
    reader = READERS.get(path.suffix)
    if reader is None:
        raise ValueError(f"weights must be a {', '.join(READERS)} file, got {path.name!r}")
    if not (path.is_dir() if reader is _zarr else path.is_file()):
        raise ValueError(f"weights file {path} doesn't exist")
    try:
        arrays = reader(path)
    # A hostile or truncated file can fail in any way its reader knows.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"can't read weights from {path}: {reason}") from None
    if not any(name in arrays for name in WEIGHT_NAMES):
        raise ValueError(f"expected an array named {', '.join(WEIGHT_NAMES)} in {path}, got {sorted(arrays)}")
    return path, arrays


def _first(arrays: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((arrays[name] for name in names if name in arrays), None)


def read_weights(path: str | os.PathLike[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read W and b of a toy model.

    A `.pt` file is loaded with `weights_only`, so that it can't run code.

    Args:
        path: file with arrays named "weights", "W" or "weight", and "bias", "b" or "b_final". A missing bias is zero.

    Returns:
        W, shape (n_hidden, n_features), and b, shape (n_features,).

    Raises:
        ValueError: if the file can't be read, has no weights, or their shapes don't fit each other.
    """
    check_path("path", path)
    path, arrays = _arrays(path)
    weights = _numbers("weights", _first(arrays, WEIGHT_NAMES))
    if weights.ndim == 3 and len(weights) == 1:
        weights = weights[0]
    if weights.ndim != 2:
        raise ValueError(f"expected weights of shape (n_hidden, n_features) in {path}, got {weights.shape}")
    bias = next((arrays[name] for name in BIAS_NAMES if name in arrays), np.zeros(weights.shape[1]))
    bias = _numbers("bias", bias).reshape(-1)
    if len(bias) != weights.shape[1]:
        raise ValueError(
            f"expected weights (n_hidden, n_features) and bias (n_features,) in {path}, got {weights.shape} and "
            f"{bias.shape}"
        )
    return weights, bias


def _numbers(name: str, array: Any, *, finite: bool = True) -> NDArray[np.float64]:
    array = np.asarray(array)
    if array.dtype.kind not in "fiu" or (finite and not np.isfinite(array).all()):
        raise ValueError(f"{name} must be finite real numbers, got dtype {array.dtype} or non-finite entries")
    return np.array(array, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class WeightBatch:
    """Trained models out of a file, with what it says of their inputs.

    Attributes:
        weights: W, shape (*batch_shape, n_hidden, n_features); batch_shape is () for a single model.
        bias: b, shape (*batch_shape, n_features).
        density: P(x_i ≠ 0), shape (*batch_shape, n_features), or None if the file doesn't say.
        importance: I_i, shape (*batch_shape, n_features), or None if the file doesn't say.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    density: NDArray[np.float64] | None
    importance: NDArray[np.float64] | None

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The leading shape."""
        return self.weights.shape[:-2]

    @property
    def finite(self) -> NDArray[np.bool_]:
        """Which models have no NaN or infinity in them, shape (*batch_shape)."""
        return np.asarray(np.isfinite(self.weights).all(axis=(-2, -1)) & np.isfinite(self.bias).all(axis=-1))


def read_many(path: str | os.PathLike[str], *, layout: str = "auto") -> WeightBatch:
    """Read a batch of toy models, or a single one, with densities and importances where the file has them.

    The last two axes of W are (n_hidden, n_features), as in tegum, or (n_features, n_hidden), as in the notebooks
    published with arXiv:2209.10652. There are never more hidden dimensions than features, so sizes tell them apart
    unless they are equal. Models that diverged are kept.

    Args:
        path: file with arrays named as for `read_weights`, with any batch axes before the last two, or one. It may
            have "density", "feature_density" or "feature_probability", "sparsity" (1 − density), and "importance" or
            "relative_importance". Each has an axis over features at its end, of length n or 1, or one value for each
            model; one value of importance for each model is that of the last feature against the others.
        layout: "auto", "hidden-feature" or "feature-hidden".

    Returns:
        The batch, in tegum's layout.

    Raises:
        ValueError: if the file can't be read, shapes don't fit each other or can be read in two ways, or no model is
            finite.
    """
    check_path("path", path)
    check_choice("layout", layout, LAYOUTS)
    path, arrays = _arrays(path)
    try:
        return _batch(arrays, layout)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _batch(arrays: Mapping[str, Any], layout: str) -> WeightBatch:
    weights = _numbers("weights", _first(arrays, WEIGHT_NAMES), finite=False)
    if weights.ndim < 2 or 0 in weights.shape:
        raise ValueError(f"expected weights of shape (..., n_hidden, n_features), got {weights.shape}")
    weights = _hidden_first(weights, str(arrays.get(LAYOUT_NAME, layout)) if layout == LAYOUTS[0] else layout)
    batch, (m, n) = weights.shape[:-2], weights.shape[-2:]
    given = _first(arrays, BIAS_NAMES)
    bias = np.zeros(n) if given is None else _numbers("bias", given, finite=False)
    if bias.shape[-1:] != (n,) or bias.shape[:-1] not in ((), batch):
        raise ValueError(
            f"expected bias of shape (..., n_features) for {n} features and {m} hidden dimensions, got weights "
            f"{weights.shape} and bias {bias.shape}"
        )
    found = WeightBatch(
        weights=weights,
        bias=np.broadcast_to(bias, (*batch, n)),
        density=_density(arrays, batch, n),
        importance=_importance(arrays, batch, n),
    )
    if not found.finite.any():
        raise ValueError("weights and bias must be finite real numbers, got none that are")
    return found


def _hidden_first(weights: NDArray[np.float64], layout: str) -> NDArray[np.float64]:
    first, last = weights.shape[-2:]
    if layout == "auto":
        # A single square matrix is read as `read_weights` always did.
        if first == last and weights.ndim > 2:
            raise ValueError(
                f"weights of shape {weights.shape} are as many features as hidden dimensions: pass the layout, "
                f"{' or '.join(LAYOUTS[1:])}"
            )
        layout = "feature-hidden" if first > last else "hidden-feature"
    if layout == "feature-hidden":
        weights = np.ascontiguousarray(weights.mT)
    m, n = weights.shape[-2:]
    if m > n:
        raise ValueError(f"layout {layout} makes {m} hidden dimensions of {n} features; there are never more")
    return weights


def _density(arrays: Mapping[str, Any], batch: tuple[int, ...], n: int) -> NDArray[np.float64] | None:
    density, sparsity = _first(arrays, DENSITY_NAMES), _first(arrays, SPARSITY_NAMES)
    found = [] if density is None else [_for_features("density", _numbers("density", density), batch, n)]
    found += [] if sparsity is None else [_for_features("sparsity", 1 - _numbers("sparsity", sparsity), batch, n)]
    if len(found) == 2 and not np.allclose(found[0], found[1], rtol=0, atol=SAME_DENSITY):
        raise ValueError("expected sparsity to be 1 − density, got arrays that differ")
    if found and not ((found[0] > 0) & (found[0] <= 1)).all():
        bad = found[0][~((found[0] > 0) & (found[0] <= 1))][0]
        raise ValueError(f"density must lie in (0, 1], got {bad:g}")
    return found[0] if found else None


def _importance(arrays: Mapping[str, Any], batch: tuple[int, ...], n: int) -> NDArray[np.float64] | None:
    given = _first(arrays, IMPORTANCE_NAMES)
    if given is None:
        return None
    values = _numbers("importance", given)
    whole = _for_features("importance", values, batch, n)
    if _is_for_models(values, batch, n):
        # The importance of the last feature against the others, as on the command line.
        whole = np.concatenate([np.ones((*batch, n - 1)), whole[..., -1:]], axis=-1)
    if not (whole > 0).all():
        raise ValueError(f"importance must be positive, got {whole[whole <= 0][0]:g}")
    return whole


def _fits(array: NDArray[np.float64], shape: tuple[int, ...]) -> bool:
    return array.ndim <= len(shape) and all(a in (1, b) for a, b in zip(array.shape[::-1], shape[::-1], strict=False))


def _is_for_models(array: NDArray[np.float64], batch: tuple[int, ...], n: int) -> bool:
    """Whether an array has one value for each model, and no axis over features."""
    return array.size == 1 or (_fits(array, batch) and not _fits(array, (*batch, n)))


def _for_features(name: str, array: NDArray[np.float64], batch: tuple[int, ...], n: int) -> NDArray[np.float64]:
    """Return an array with shape (*batch, n)."""
    shape = (*batch, n)
    of_features, of_models = array.ndim > 0 and _fits(array, shape), _fits(array, batch)
    if of_features and of_models and array.size > 1:
        raise ValueError(
            f"{name} of shape {array.shape} may be one value for each of {n} features or for each model of batch shape "
            f"{batch}: give it one axis more, of length 1, on the side that is meant"
        )
    if not (of_features or of_models):
        raise ValueError(
            f"expected {name} with one value for each model or feature, batch shape {batch} and {n} features, got "
            f"shape {array.shape}"
        )
    return np.broadcast_to(array if of_features else array[..., None], shape)
