"""The loss of trained models: exact where theory has it, else the mean over many inputs with its standard error."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from tegum.theory.loss import checked_parameters, expected_loss, linear_loss
from tegum.theory.models import DataFeatures, ToyModel
from tegum.theory.numerics import FloatArray, even_size, over_slices

from ..groups import law_of, penalties_of, shape_of
from ..inputs import Inputs, InputTable, input_table, seed_words
from ..runs import ARCHITECTURES, Architecture, SampledLoss

# Inputs are drawn from a stream that no training seed has, and are the same for all models of a law.
EVALUATION_SEED = 2**63 - 1
BATCHES, BATCH = 64, 1024
# More features are too dear for the exact loss of every model that is trained (docs/spectral.md).
MOST_EXACT = 8
# Rows that are evaluated at once.
ROWS = 256


def losses_of(
    architecture: Architecture,
    model: ToyModel,
    weights: FloatArray,
    second: FloatArray | None,
    bias: FloatArray,
    finite: NDArray[np.bool_],
) -> tuple[FloatArray, FloatArray]:
    """Return each model's loss and its standard error, shape (*batch_shape, seeds); NaN where it isn't finite.

    Args:
        architecture: which model.
        model: what was trained.
        weights: W, shape (*batch_shape, seeds, n_hidden, n_features).
        second: W₂ of an untied model, shape (*batch_shape, seeds, n_features, n_hidden), else None.
        bias: b, shape (*batch_shape, seeds, n_features).
        finite: whether the parameters are finite, shape (*batch_shape, seeds).
    """
    weights = np.where(finite[..., None, None], weights, 0)
    bias = np.where(finite[..., None], bias, 0)
    is_listed = isinstance(model.features, DataFeatures)
    linear = architecture.name == "linear" and not model.has_penalty and not is_listed and model.targets == "all"
    if linear or (architecture.name == "relu_output" and (is_listed or model.n_features <= MOST_EXACT)):
        evaluate = linear_loss if linear else expected_loss
        losses = evaluate(model.take((..., np.newaxis)), weights, bias)
        return np.where(finite, losses, np.nan), np.where(finite, 0.0, np.nan)
    return _sampled(architecture, model.take((..., np.newaxis)), weights, second, bias, finite)


def sampled_loss(model: ToyModel, weights: FloatArray, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the loss of x' = ReLU(WᵀWx + b) as a mean over 65,536 inputs, with its standard error.

    It is there for thousands of features, of which the exact loss takes too long (docs/spectral.md). The inputs are the
    same for all models of a law, and at each call.

    Args:
        model: the record of sizes, input law, importances and penalties.
        weights: W, shape (..., n_hidden, n_features).
        bias: b, shape (..., n_features).

    Returns:
        The loss and its standard error, shape (...).

    Raises:
        ValueError: as `expected_loss`, or if the law can't be drawn or float64 doesn't hold the loss.

    Example:
        >>> import numpy as np
        >>> from tegum.theory import IndependentFeatures, ToyModel
        >>> model = ToyModel(1000, 2, IndependentFeatures(0.01))
        >>> loss, error = sampled_loss(model, np.zeros((2, 1000)), np.zeros(1000))
        >>> bool(abs(loss - 1000 * 0.01 / 3) < 5 * error)
        True
    """
    weights, bias = (np.asarray(array, dtype=np.float64) for array in checked_parameters(model, weights, bias))
    batch = np.broadcast_shapes(model.batch_shape, weights.shape[:-2], bias.shape[:-1])
    if not np.prod(batch, dtype=int):
        return np.empty(batch), np.empty(batch)
    weights = np.broadcast_to(weights, (*batch, *weights.shape[-2:]))
    bias = np.broadcast_to(bias, (*batch, bias.shape[-1]))
    loss, error = _sampled(ARCHITECTURES["relu_output"], model, weights, None, bias, np.ones(batch, dtype=bool))
    if not (np.isfinite(loss).all() and np.isfinite(error).all()):
        raise ValueError("weights and bias must be small enough for float64 to hold the loss of every input")
    return loss, error


def _sampled(
    architecture: Architecture,
    model: ToyModel,
    weights: FloatArray,
    second: FloatArray | None,
    bias: FloatArray,
    finite: NDArray[np.bool_],
) -> tuple[FloatArray, FloatArray]:
    """Return the mean loss over many inputs and its standard error, with the shape of `finite`.

    See `losses_of`; here the model's batch broadcasts to that shape.
    """
    whole = model if model.batch_shape else model.take((np.newaxis,))
    places = np.arange(int(np.prod(model.batch_shape, dtype=int))).reshape(model.batch_shape)
    flat = whole.take(np.unravel_index(np.broadcast_to(places, finite.shape).ravel(), whole.batch_shape))
    second = None if second is None else np.where(finite[..., None, None], second, 0)
    given = [array for array in (weights, second, bias) if array is not None]
    parameters = np.concatenate([array.reshape(finite.size, -1) for array in given], axis=1)
    parts = over_slices(
        lambda rows: _batch_losses(architecture, flat.take(rows), parameters[rows]),
        finite.size,
        even_size(finite.size, ROWS),
    )
    batches = np.concatenate(parts).reshape(*finite.shape, BATCHES)
    mean, error = batches.mean(axis=-1), batches.std(axis=-1, ddof=1) / BATCHES**0.5
    return np.where(finite, mean, np.nan), np.where(finite, error, np.nan)


def _batch_losses(architecture: Architecture, model: ToyModel, parameters: FloatArray) -> FloatArray:
    """Return the losses of each model on fresh batches, shape (models, BATCHES)."""
    from ..kernels import losses, records

    table = input_table(model, batch_size=BATCH, stratified=False, exact_zeros=False)
    if not table.is_product:
        return _tensor_losses(architecture, model, table, parameters)
    found = np.empty((len(parameters), BATCHES))
    losses.batch_losses(
        parameters,
        seed_words(np.full(len(parameters), EVALUATION_SEED)),
        0,
        law_of(table),
        records.Samples(table.counts, table.masses, table.empty),
        np.array(model.importances()),
        penalties_of(model),
        records.Sizes(model.n_hidden, model.n_features, BATCH),
        shape_of(architecture, model),
        found,
    )
    return found


def _tensor_losses(
    architecture: Architecture, model: ToyModel, table: InputTable, parameters: FloatArray
) -> FloatArray:
    """Return the same of inputs that are drawn in tensors."""
    count, m, n = len(parameters), model.n_hidden, model.n_features
    seeds = np.full(count, EVALUATION_SEED)
    inputs = Inputs(table, seeds, n, BATCH, torch.float64, torch.device("cpu"))
    importance, penalties = (torch.as_tensor(np.array(x)) for x in (model.importances(), penalties_of(model)))
    sampled = SampledLoss(
        architecture,
        importance,
        penalties,
        inputs.weight,
        torch.as_tensor(table.empty),
        targets=model.targets,
    )
    packed = torch.as_tensor(np.array(parameters))
    first, bias = packed[:, : m * n].view(count, m, n), packed[:, -n:]
    second = None if architecture.tied else packed[:, m * n : 2 * m * n].view(count, n, m)
    losses = [sampled(first, second, bias, inputs.draw(torch.tensor(step)))[0] for step in range(BATCHES)]
    return torch.stack(losses, dim=-1).numpy()
