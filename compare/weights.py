"""A user's own trained weights, read from .npz, .pt or .safetensors files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WEIGHT_NAMES = ("weights", "W", "weight")
BIAS_NAMES = ("bias", "b", "b_final")


def _npz(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        return dict(file.items())


def _pt(path: Path) -> dict[str, Any]:
    import torch

    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, Mapping):
        raise ValueError(f"holds a {type(content).__name__}, not a state dictionary")
    return {str(name): value.detach().numpy() for name, value in content.items() if isinstance(value, torch.Tensor)}


def _safetensors(path: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return dict(load_file(path))


READERS = {".npz": _npz, ".pt": _pt, ".pth": _pt, ".safetensors": _safetensors}


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
    path = Path(path)
    reader = READERS.get(path.suffix)
    if reader is None:
        raise ValueError(f"weights must be a {', '.join(READERS)} file, got {path.name!r}")
    if not path.is_file():
        raise ValueError(f"weights file {path} doesn't exist")
    try:
        arrays = reader(path)
    # A hostile or truncated file can fail in any way its reader knows.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"can't read weights from {path}: {reason}") from None
    weights = next((arrays[name] for name in WEIGHT_NAMES if name in arrays), None)
    if weights is None:
        raise ValueError(f"expected an array named {', '.join(WEIGHT_NAMES)} in {path}, got {sorted(arrays)}")
    weights = _numbers("weights", weights)
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


def _numbers(name: str, array: Any) -> NDArray[np.float64]:
    array = np.asarray(array)
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite real numbers, got dtype {array.dtype} or non-finite entries")
    return np.array(array, dtype=np.float64)
