"""A user's own trained weights, one model or a batch, read from files of several kinds (docs/files.md)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tegum.theory.models import ToyModel
from tegum.theory.numerics import Summarised, check_choice, check_text
from tegum.theory.storage import check_path

from .activations import KNOWN, check_activation
from .formats import OURS, SWEEP, Content, read_content
from .inputs import DENSITY_NAMES, IMPORTANCE_NAMES, SPARSITY_NAMES, densities, importances, named, precisions
from .names import Parameters, find_parameters
from .settings import changes, denies_bias, said_inputs, unused_words

# Which of the last two axes of W is which.
LAYOUTS = ("auto", "hidden-feature", "feature-hidden")
# What files that `save_models` wrote hold for each model, whatever its seeds.
PER_MODEL = ("feature_density", "feature_importance", "active_probability")


@dataclass(frozen=True, eq=False)
class WeightBatch(Summarised):
    """Trained models out of a file, with what it says of their inputs.

    Attributes:
        weights: W, shape (*batch_shape, n_hidden, n_features); batch_shape is () for a single model.
        bias: b, shape (*batch_shape, n_features); 0 if the file has none, see `bias_given`.
        density: P(x_i ≠ 0), shape (*batch_shape, n_features), or None if the file doesn't say.
        importance: I_i, shape (*batch_shape, n_features), or None if the file doesn't say.
        model: the models that they are, of batch shape `batch_shape`, where the file describes them whole: law,
            amplitude, densities, importances and penalties; else None.
        bias_given: whether the file has a bias.
        unused: names of arrays that are there and mean nothing here, such as a history of losses.
        stored_dtype: how W is stored, as "float32" or "bfloat16"; values here are exactly those, in float64.
        source: which array is the weights, the bias and so on, and what others were taken for.
        precision: to what density and importance agree with what their writer meant, by the type they are stored in:
            "density" absolute, "density relative" and "importance relative" relative to the values.
        changes: what the file says that makes it another model than that of independent features and a plain loss, as
            "law = correlated", with the parameters of a model that say the same (docs/files.md).
        common_bias: whether the file's bias is a single number, which all outputs of a model have.
        no_bias: whether the file says that its models have no bias, and has none but 0.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    density: NDArray[np.float64] | None
    importance: NDArray[np.float64] | None
    model: ToyModel | None = None
    bias_given: bool = True
    unused: tuple[str, ...] = ()
    stored_dtype: str = "float64"
    source: Mapping[str, str] = field(default_factory=dict)
    precision: Mapping[str, float] = field(default_factory=dict)
    changes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    common_bias: bool = False
    no_bias: bool = False

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The leading shape."""
        return self.weights.shape[:-2]

    @property
    def finite(self) -> NDArray[np.bool_]:
        """Which models have no NaN or infinity in them, shape (*batch_shape)."""
        return np.asarray(np.isfinite(self.weights).all(axis=(-2, -1)) & np.isfinite(self.bias).all(axis=-1))


def read_weights(
    path: str | os.PathLike[str],
    *,
    layout: str = "auto",
    weights_name: str | None = None,
    bias_name: str | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read W and b of one toy model; `read_many` says more, and reads batches.

    Args:
        path: see `read_many`. A missing bias is zero; the `bias_given` of `read_many` says whether it is missing.
        layout: see `read_many`; a square matrix is (n_hidden, n_features) unless this says otherwise.
        weights_name: see `read_many`.
        bias_name: see `read_many`.

    Returns:
        W, shape (n_hidden, n_features), and b, shape (n_features,).

    Raises:
        ValueError: as `read_many`, or if there are several models or numbers that aren't finite.
    """
    options = {"layout": layout, "weights_name": weights_name, "bias_name": bias_name}
    batch = _read(path, options, square=LAYOUTS[1])
    if any(length > 1 for length in batch.batch_shape):
        raise ValueError(f"expected weights of shape (n_hidden, n_features) in {path}, got {batch.weights.shape}")
    for name, array in (("weights", batch.weights), ("bias", batch.bias)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite real numbers, got non-finite entries in {path}")
    m, n = batch.weights.shape[-2:]
    return batch.weights.reshape(m, n), np.array(batch.bias).reshape(n)


def read_many(
    path: str | os.PathLike[str],
    *,
    layout: str = "auto",
    weights_name: str | None = None,
    bias_name: str | None = None,
) -> WeightBatch:
    """Read a batch of toy models, or a single one, with what the file says of their inputs.

    What a file is, is told by its content: .npz, .npy, .pt, .pth, .safetensors, .zarr, .csv or .json. Which arrays are
    W and b, is told by the names of the field (docs/files.md). The last two axes of W are (n_hidden, n_features), as in
    tegum and in modules, or (n_features, n_hidden), as in the notebooks published with arXiv:2209.10652; sizes tell
    them apart, since there are hardly ever more hidden dimensions than features. Models that diverged are kept. Nothing
    in a file can run code.

    Args:
        path: the file, or a folder of zarr's. W may have any axes before the last two, such as instances and
            checkpoints. There may be "density", "feature_density" or "feature_probability", "sparsity" (1 − density),
            and "importance" or "relative_importance". Each has an axis over features at its end, of length n or 1, or
            one value for each model; one value of importance for each model is that of the last feature.
        layout: "auto", "hidden-feature" or "feature-hidden".
        weights_name: name of the array that is W; default told by its name.
        bias_name: name of the array that is b; default told by its name.

    Returns:
        The batch, in tegum's layout.

    Raises:
        ValueError: if the file can't be read, shapes don't fit each other or can be read in two ways, no model is
            finite, or it is another kind of model: another activation, an untied decoder, a further layer.
    """
    return _read(path, {"layout": layout, "weights_name": weights_name, "bias_name": bias_name}, square=None)


def _read(path: str | os.PathLike[str], options: Mapping[str, str | None], square: str | None) -> WeightBatch:
    check_path("path", path)
    check_choice("layout", options["layout"], LAYOUTS)
    for name in ("weights_name", "bias_name"):
        if options[name] is not None:
            check_text(name, options[name])
    path = Path(path)
    content = read_content(path)
    try:
        return _batch(path, content, options, square)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _batch(path: Path, content: Content, options: Mapping[str, str | None], square: str | None) -> WeightBatch:
    arrays, ours = content.arrays, str(content.words.get("format")).startswith((OURS, SWEEP))
    layout = str(options["layout"])
    if ours:
        arrays = _of_ours(path, content)
        layout = LAYOUTS[1]
    else:
        check_activation(content.words)
        # Arrays come first where a setting has the same name.
        arrays = said_inputs(content.words) | arrays
    found = find_parameters(arrays, content.types, options["weights_name"], options["bias_name"])
    weights = found.weights
    if weights.ndim < 2 or 0 in weights.shape:
        raise ValueError(f"expected weights of shape (..., n_hidden, n_features), got {weights.shape}")
    if not ours:
        layout = _layout(found, layout, square)
    weights = np.ascontiguousarray(weights.mT) if layout == LAYOUTS[2] else weights
    batch, (_, n) = weights.shape[:-2], weights.shape[-2:]
    bias = np.zeros((*batch, n)) if found.bias is None else _bias("bias", found.bias, weights, n)
    others: dict[str, Any] = {}
    denied = False
    if not ours:
        others = {name: array for name, array in arrays.items() if name not in found.used and name not in content.words}
        denied = denies_bias(content.words, others)
        others = changes(content.words, others, bias_given=bool(np.any(bias)))
    if found.hidden_bias is not None:
        # ReLU(Wᵀ(Wx + c) + b) = ReLU(WᵀWx + (Wᵀc + b)).
        hidden = _bias("bias of the hidden layer", found.hidden_bias, weights, weights.shape[-2])
        bias = bias + (weights.mT @ hidden[..., None])[..., 0]
    read = WeightBatch(
        weights=weights,
        bias=bias,
        density=densities(arrays, batch, n),
        importance=importances(arrays, batch, n),
        model=_model(content, arrays, batch) if ours else None,
        bias_given=found.bias is not None or found.hidden_bias is not None,
        unused=() if ours else _unused(content, arrays, found),
        precision={} if ours else precisions(arrays, content.types),
        changes=others,
        common_bias=found.bias is not None and found.bias.ndim == 0,
        no_bias=denied and not bias.any(),
        stored_dtype=found.dtype,
        source=found.source,
    )
    if not read.finite.any():
        raise ValueError("weights and bias must be finite real numbers, got none that are")
    return read


def _of_ours(path: Path, content: Content) -> dict[str, Any]:
    """Return the arrays that `save_models` or a sweep wrote.

    Raises:
        ValueError: if it isn't what `save_models` wrote, or weights of another kind of model.
    """
    from tegum.empirical.files import load_models

    if content.words["format"] != SWEEP:
        # The first format has checksums of its arrays only, which are a matter of the record.
        load_models(path)
    architecture = content.words.get("architecture")
    if architecture != "relu_output":
        raise ValueError(f"expected models of architecture 'relu_output', whose loss is known, got {architecture!r}")
    arrays = dict(content.arrays)
    if path.is_dir() and content.words["format"] != SWEEP:
        # Models have no axis over seeds in a store; with one of length 1 they broadcast against weights.
        arrays |= {name: arrays[name][..., None, :] for name in PER_MODEL if name in arrays}
    return arrays


def _model(content: Content, arrays: Mapping[str, Any], batch: tuple[int, ...]) -> ToyModel | None:
    """Return the models that one of the project's files describes, one for each of its runs."""
    from tegum.empirical.files import described_model

    model = described_model(content.words, arrays)
    if model is None:
        return None
    try:
        places = np.arange(int(np.prod(model.batch_shape, dtype=int))).reshape(model.batch_shape)
        rows = np.broadcast_to(places[..., None], batch)
    except ValueError:
        raise ValueError(f"expected a model of batch shape {batch[:-1]}, got {model.batch_shape}") from None
    flat = (
        model.take((None,)) if model.batch_shape == () else model.take(np.unravel_index(places.ravel(), places.shape))
    )
    return flat.take(rows)


def _unused(content: Content, arrays: Mapping[str, Any], found: Parameters) -> tuple[str, ...]:
    inputs = {named(arrays, names) for names in (DENSITY_NAMES, SPARSITY_NAMES, IMPORTANCE_NAMES)}
    left = [name for name in content.arrays if name not in inputs and name not in found.used]
    several = [name for name in left if np.ndim(content.arrays[name])]
    single = {name: content.arrays[name].item() for name in left if not np.ndim(content.arrays[name])}
    return (*several, *unused_words(single | content.words, KNOWN, inputs), *content.passed)


def _layout(found: Parameters, layout: str, square: str | None) -> str:
    """Return which of the last two axes of W is which.

    Raises:
        ValueError: if neither sizes nor names tell, or there would be more hidden dimensions than features and no bias
            confirms it.
    """
    shape, (first, last) = found.weights.shape, found.weights.shape[-2:]
    length = None if found.bias is None else found.bias.shape[-1:]
    if layout == LAYOUTS[0]:
        if first == last:
            if np.array_equal(found.weights, found.weights.mT, equal_nan=True):
                return LAYOUTS[1]
            told = found.layout or square
            if told is None:
                raise ValueError(
                    f"weights of shape {shape} are as many features as hidden dimensions: pass the layout, "
                    f"{' or '.join(LAYOUTS[1:])} (--layout)"
                )
            return told
        if found.layout == LAYOUTS[1] and length == (last,):
            return found.layout
        return LAYOUTS[2] if first > last else LAYOUTS[1]
    m, n = (first, last) if layout == LAYOUTS[1] else (last, first)
    if m > n and length != (n,):
        raise ValueError(
            f"layout {layout} makes {m} hidden dimensions of {n} features; there are never more, unless a bias for "
            "each feature confirms it"
        )
    return layout


def _bias(name: str, given: NDArray[np.float64], weights: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return a bias with shape (*batch_shape, n)."""
    batch = weights.shape[:-2]
    if not given.ndim:
        return np.full((*batch, n), float(given))
    ways = [given]
    # A row or a column for each model.
    ways += [given.squeeze(axis) for axis in (-2, -1) if given.ndim > 1 and given.shape[axis] == 1]
    for bias in ways:
        if bias.shape[-1:] == (n,) and bias.shape[:-1] in ((), batch):
            return np.broadcast_to(bias, (*batch, n))
    m, features = weights.shape[-2:]
    axis = "n_features" if n == features else "n_hidden"
    raise ValueError(
        f"expected {name} of shape (..., {axis}) for {features} features and {m} "
        f"hidden dimensions, got weights {weights.shape} and bias {given.shape}"
    )
