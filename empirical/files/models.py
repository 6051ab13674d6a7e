"""Trained models on disk: one safetensors file, or a labelled zarr store (docs/foreign.md).

Fields of `TrainedModels` are found through `dataclasses.fields`, so that a new one is kept without a change here if its
shape is one of the record's: for each model, matrix by matrix, over the seeds or over the records.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tegum.theory.models import ToyModel
from tegum.theory.numerics import check_kind, check_text, members
from tegum.theory.storage import check_path, recover

from ..runs import TrainedModels
from .datasets import read_zarr, write_zarr
from .descriptions import MODEL_NAMES, described_model, model_arrays
from .tensors import read_safetensors, write_safetensors

if TYPE_CHECKING:
    import xarray as xr

Arrays = dict[str, NDArray[Any]]

KIND, VERSION = "tegum trained models", 2
FORMAT, FIRST_FORMAT = f"{KIND} {VERSION}", f"{KIND} 1"
# Axes behind those over models, of the fields whose names don't leave them to be told from the shape.
TRAILING = {
    "weights": ("hidden", "feature"),
    "second": ("feature", "hidden"),
    "bias": ("feature",),
    "loss": (),
    "steps": (),
}
# How further fields may be laid out, the first that fits.
LAYOUTS = ((), ("hidden", "feature"), ("feature", "hidden"), ("feature",), ("hidden",))
# In a dataset these two label their dimensions.
LABELS = {"seeds": "seed", "history_steps": "record"}
# Characters of a description in a safetensors file, whose library reads no header above 100 MB.
MOST_WORDS = 50_000_000
# A recording is a dataset of its own.
APART = ("recorded",)


def save_models(trained: TrainedModels, path: str | os.PathLike[str], *, model: ToyModel | None = None) -> None:
    """Write trained models, replacing what is at `path` in one step.

    Args:
        trained: what `train` returned.
        path: a name that ends in .safetensors (a file) or .zarr (a folder that xarray opens).
        model: what was trained. Its description (docs/models.md) is then kept with the weights; `saved_model` gives
            it back, and commands need no further options.

    Raises:
        ValueError: if the ending is another, the arrays don't fit each other or the model, the description of a huge
            batch doesn't fit into a safetensors file, `path` is a folder of something else, or another process is
            writing it.
        MovedError: if they can't be written there; they are elsewhere then.

    Example:
        >>> import tempfile
        >>> from tegum.empirical import load_models, train
        >>> from tegum.theory import IndependentFeatures, ToyModel
        >>> model = ToyModel(2, 1, IndependentFeatures(0.1))
        >>> trained = train(model, seeds=2, steps=10, batch_size=8, device="cpu")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_models(trained, f"{folder}/runs.safetensors", model=model)
        ...     again = load_models(f"{folder}/runs.safetensors")
        >>> bool((again.weights == trained.weights).all()), again.status
        (True, 'finished')
    """
    check_kind("trained", trained, TrainedModels)
    check_path("path", path, new=True)
    check_kind("model", model, ToyModel, optional=True)
    path = Path(path)
    _check_suffix(path)
    if path.suffix == ".zarr":
        write_zarr(to_dataset(trained, model=model), path)
        return
    arrays, words = _parts(trained)
    _axes(arrays)
    # A length of 1 along the seeds, so that parameters broadcast against weights.
    models = {name: array[..., None, :] for name, array in model_arrays(trained, model).items()}
    arrays |= models
    attributes = _attributes(arrays, words, model)
    if len(json.dumps(attributes["model"])) > MOST_WORDS:
        raise ValueError(f"a batch of shape {trained.loss.shape[:-1]} is described in a .zarr only, got {path.name!r}")
    write_safetensors(arrays, attributes, path)


def load_models(path: str | os.PathLike[str]) -> TrainedModels:
    """Read trained models that `save_models` wrote, every bit as it was, whatever they are called now.

    Raises:
        ValueError: if there is no such file, or it is damaged, of another kind, of a newer format, or lacks arrays.
    """
    arrays, attributes, where = _content(path)
    return _record(arrays, attributes, where)


def saved_model(path: str | os.PathLike[str]) -> ToyModel | None:
    """Return the model that `save_models` kept with trained models, of today's or an earlier format.

    Args:
        path: of the file.

    Returns:
        The model, of the batch shape that was trained; None if none was given to `save_models`.

    Raises:
        ValueError: as `load_models`, or if what stands there describes no model.

    Example:
        >>> import tempfile
        >>> from tegum.empirical import train
        >>> from tegum.empirical.files import save_models, saved_model
        >>> from tegum.theory import OneHotFeatures, ToyModel
        >>> model = ToyModel(2, 1, OneHotFeatures())
        >>> trained = train(model, seeds=1, objective="exact", steps=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_models(trained, f"{folder}/runs.safetensors", model=model)
        ...     saved_model(f"{folder}/runs.safetensors")
        <ToyModel: 2 features in 1 dimension, one-hot, uniform on [0, 1], importance 1, no penalties, free biases>
    """
    arrays, attributes, where = _content(path)
    _record(arrays, attributes, where)
    if Path(path).is_dir():
        arrays |= {name: arrays[name][..., None, :] for name in MODEL_NAMES if name in arrays}
    try:
        return described_model(attributes, arrays)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _content(path: str | os.PathLike[str]) -> tuple[Arrays, Mapping[str, Any], str]:
    """Return arrays, attributes and name of a file of trained models.

    Raises:
        ValueError: if there is no such file, or it can't be read.
    """
    check_path("path", path)
    path = Path(path)
    recover(path)
    if not path.exists():
        raise ValueError(f"expected trained models at {path}, but it doesn't exist")
    if path.is_dir():
        dataset = read_zarr(path, f"trained models ({FORMAT!r})")
        _check_format(dataset.attrs, str(path))
        return _arrays_of(dataset), dataset.attrs, str(path)
    try:
        arrays, attributes = read_safetensors(path, "trained models")
    # A damaged file can fail in any way its reader knows.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"can't read trained models from {path}: {reason}") from None
    return arrays, attributes, str(path)


def to_dataset(
    trained: TrainedModels, *, model: ToyModel | None = None, batch_dims: Sequence[str] | None = None
) -> xr.Dataset:
    """Return trained models as one labelled dataset.

    Args:
        trained: what `train` returned.
        model: what was trained, kept with it.
        batch_dims: names of the batch dimensions, such as ("density", "importance"); default batch_0, batch_1, …

    Returns:
        A dataset with those dimensions and `seed`, `hidden`, `feature`, `record`; seeds and the steps of the records
        are coordinates.

    Raises:
        ValueError: if the arrays don't fit each other, the model or the number of names.
    """
    check_kind("trained", trained, TrainedModels)
    check_kind("model", model, ToyModel, optional=True)
    if batch_dims is not None:
        batch_dims = members("batch_dims", batch_dims, str)
    import xarray as xr

    arrays, words = _parts(trained)
    axes = _axes(arrays)
    count = arrays["loss"].ndim - 1
    batch = tuple(f"batch_{k}" for k in range(count)) if batch_dims is None else tuple(batch_dims)
    taken = {"seed", "hidden", "feature", "record"}
    if len(batch) != count or len(set(batch)) != count or set(batch) & taken:
        raise ValueError(f"batch_dims must be {count} different names, got {batch}")
    models = model_arrays(trained, model)
    variables: dict[str, Any] = {
        LABELS.get(name, name): (tuple(_expanded(axes[name], batch)), array) for name, array in arrays.items()
    }
    variables |= {name: ((*batch, "feature"), array) for name, array in models.items()}
    coordinates = {dimension: variables.pop(dimension) for dimension in LABELS.values()}
    attributes = _attributes(arrays | models, words, model) | {"batch_dims": list(batch)}
    return xr.Dataset(variables, coords=coordinates, attrs=attributes)


def from_dataset(dataset: xr.Dataset, *, where: str = "the dataset") -> TrainedModels:
    """Return the trained models of a dataset, the inverse of `to_dataset`; dimensions may come in any order.

    Args:
        dataset: with the variables and attributes of `to_dataset`.
        where: what to call it in an error.

    Raises:
        ValueError: if it is of another kind, of a newer format, was changed, or lacks arrays or dimensions.
    """
    check_text("where", where)
    if not hasattr(dataset, "attrs"):
        raise ValueError(f"expected a dataset in {where}, got {type(dataset).__name__}")
    _check_format(dataset.attrs, where)
    return _record(_arrays_of(dataset), dataset.attrs, where)


def _arrays_of(dataset: xr.Dataset) -> Arrays:
    """Return the arrays of a dataset of trained models, their axes in the order of the record's."""
    batch = tuple(dataset.attrs.get("batch_dims", ()))
    backwards = {dimension: name for name, dimension in LABELS.items()}
    arrays = {}
    for key, variable in dataset.variables.items():
        if key in batch:
            # Coordinates that were given to the batch since.
            continue
        name = backwards.get(str(key), str(key))
        order = [*(d for d in ("record", *batch, "seed") if d in variable.dims)]
        trailing = [d for d in variable.dims if d not in order]
        if name in TRAILING and set(trailing) == set(TRAILING[name]):
            trailing = list(TRAILING[name])
        arrays[name] = variable.transpose(*order, *trailing).values
    return arrays


def _check_suffix(path: Path) -> None:
    if path.suffix not in (".safetensors", ".zarr"):
        raise ValueError(f"trained models are kept in a .safetensors or .zarr file, got {path.name!r}")


def _parts(trained: TrainedModels) -> tuple[Arrays, dict[str, str]]:
    """Return the record's arrays and its words; optional fields that are None are left out."""
    check_kind("trained", trained, TrainedModels)
    values = {field.name: getattr(trained, field.name) for field in fields(trained) if field.name not in APART}
    values = {name: value for name, value in values.items() if value is not None}
    words = {name: value for name, value in values.items() if isinstance(value, str)}
    return {name: np.asarray(value) for name, value in values.items() if name not in words}, words


def _expanded(axes: Sequence[str], batch: Sequence[str]) -> list[str]:
    """Return axes with the names of the batch dimensions in place of "..."."""
    return [name for axis in axes for name in (batch if axis == "..." else (axis,))]


def _axes(arrays: Mapping[str, NDArray[Any]]) -> dict[str, tuple[str, ...]]:
    """Return the axes of each array by name, "..." standing for the batch.

    Raises:
        ValueError: if one has a shape that no field of the record has.
    """
    cells = arrays["loss"].shape
    if not cells or arrays["weights"].ndim != len(cells) + 2 or arrays["weights"].shape[:-2] != cells:
        raise ValueError(
            "expected weights of shape (*batch, seeds, n_hidden, n_features) and loss of shape (*batch, seeds), got "
            f"{arrays['weights'].shape} and {cells}"
        )
    sizes = {"seed": (cells[-1],), "record": arrays["history_steps"].shape, "...": cells[:-1]}
    sizes |= {"hidden": arrays["weights"].shape[-2:-1], "feature": arrays["weights"].shape[-1:]}
    known: dict[str, tuple[tuple[str, ...], ...]] = {
        name: (("...", "seed", *trailing),) for name, trailing in TRAILING.items()
    }
    known |= {"seeds": (("seed",),), "history_steps": (("record",),), "loss_history": (("record", "...", "seed"),)}
    per_model = tuple(("...", "seed", *trailing) for trailing in LAYOUTS)
    others = (*per_model, *(("record", *axes) for axes in per_model), ("seed",), ("record",), ())
    found = {}
    for name, array in arrays.items():
        allowed = known.get(name, others)
        shapes = [sum((sizes[axis] for axis in axes), ()) for axes in allowed]
        if array.shape not in shapes:
            one = f"({', '.join(allowed[0])})"
            expected = f"{one} = {shapes[0]}" if name in known else "a shape of models, seeds or records"
            raise ValueError(f"expected {name} of shape {expected}, got {array.shape}")
        found[name] = allowed[shapes.index(array.shape)]
    return found


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return a checksum of names, types, shapes and bits, as files have had since before there was `digest_of`."""
    content = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        content.update(f"{name} {array.dtype.str} {array.shape}".encode())
        content.update(array.tobytes())
    return content.hexdigest()


def _attributes(arrays: Arrays, words: dict[str, str], model: ToyModel | None) -> dict[str, Any]:
    m, n = arrays["weights"].shape[-2:]
    return {
        "format": FORMAT,
        "tegum_version": version("tegum"),
        "n_features": n,
        "n_hidden": m,
        "model": None if model is None else model.to_plain(),
        "digest": _digest(arrays),
        **words,
    }


def _check_format(attributes: Mapping[str, Any], where: str) -> None:
    found = attributes.get("format")
    if found in (FORMAT, FIRST_FORMAT):
        return
    kind, _, number = str(found).rpartition(" ")
    if kind == KIND and number.isdigit() and int(number) > VERSION:
        raise ValueError(f"{where} has format {found!r}, newer than {FORMAT!r}, the newest that this tegum reads")
    raise ValueError(f"expected trained models of format {FORMAT!r}, got {found!r} in {where}")


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _record(arrays: Mapping[str, NDArray[Any]], attributes: Mapping[str, Any], where: str) -> TrainedModels:
    """Return the record of arrays and attributes, all of them checked."""
    _check_format(attributes, where)
    known = {field.name: field for field in fields(TrainedModels) if field.name not in APART}
    there = {name: value for name, value in attributes.items() if name in known and isinstance(value, str)}
    kept = {name: array for name, array in arrays.items() if name not in MODEL_NAMES}
    missing = sorted(name for name, field in known.items() if _required(field) and name not in (*kept, *there))
    if missing:
        raise ValueError(f"expected trained models with {', '.join(missing)}, which {where} lacks")
    unknown = sorted(set(kept) - set(known))
    if unknown:
        raise ValueError(f"expected arrays {sorted(set(known) - set(there))} in {where}, got {', '.join(unknown)} too")
    try:
        _axes(kept)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if _digest(arrays) != attributes.get("digest"):
        raise ValueError(f"trained models in {where} aren't those that were saved: their checksum differs")
    values: dict[str, Any] = {**kept, **there}
    return TrainedModels(**values)
