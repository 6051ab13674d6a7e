"""What a file says of its models' inputs: densities and importances, for each feature, each model or all at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

DENSITY_NAMES = ("density", "feature_density", "feature_probability")
SPARSITY_NAMES = ("sparsity", "feature_sparsity")
IMPORTANCE_NAMES = ("importance", "relative_importance", "feature_importance")
# Roundings by which what is stored may differ from what was meant.
UNITS = 4
EPSILON = {"bfloat16": 2.0**-7}
# Densities given twice, in float32, agree to this.
SAME_DENSITY = 1e-6


def real_numbers(name: str, array: Any, *, finite: bool = True) -> NDArray[np.float64]:
    """Return an array of a file in float64, or raise `ValueError` if it isn't one of real, and finite, numbers."""
    array = np.asarray(array)
    if array.dtype.kind not in "fiu" or (finite and not np.isfinite(array).all()):
        raise ValueError(f"{name} must be finite real numbers, got dtype {array.dtype} or non-finite entries")
    return np.array(array, dtype=np.float64)


def epsilon_of(dtype: str) -> float:
    """Return the distance from 1 to the next number of a type, 0 for one of whole numbers."""
    if dtype in EPSILON:
        return EPSILON[dtype]
    kind = np.dtype(dtype) if dtype in np.sctypeDict else np.dtype(np.float64)
    return float(np.finfo(kind).eps) if kind.kind == "f" else 0.0


def precisions(arrays: Mapping[str, Any], types: Mapping[str, str]) -> dict[str, float]:
    """Return to what density and importance agree with what was meant, of those that a file has.

    Args:
        arrays: of the file.
        types: how arrays are stored, where that isn't their type.

    Returns:
        "density" absolute where it is 1 − S, whose rounding is one of S, which is near 1; "importance" and all else
        relative to the value, as "density relative" and "importance relative".
    """
    found = {}
    for key, names in (
        ("density relative", DENSITY_NAMES),
        ("density", SPARSITY_NAMES),
        ("importance relative", IMPORTANCE_NAMES),
    ):
        name = named(arrays, names)
        if name is not None:
            stored = types.get(name, str(np.asarray(arrays[name]).dtype))
            found[key] = UNITS * max(epsilon_of(stored), np.finfo(np.float64).eps)
    return found


def named(names: Mapping[str, Any], allowed: tuple[str, ...]) -> str | None:
    """Return the name whose last part is the first that is there of those allowed, the shortest of several."""
    for one in allowed:
        found = [name for name in names if name == one or name.endswith(f".{one}")]
        if found:
            return min(found, key=len)
    return None


def densities(arrays: Mapping[str, Any], batch: tuple[int, ...], n: int) -> NDArray[np.float64] | None:
    """Return P(x_i ≠ 0) as a file has it, shape (*batch, n), or None.

    Raises:
        ValueError: if its shape doesn't fit or can be read in two ways, it lies outside (0, 1], or sparsity says else.
    """
    density, sparsity = named(arrays, DENSITY_NAMES), named(arrays, SPARSITY_NAMES)
    found = []
    if density is not None:
        found.append(_for_features("density", real_numbers("density", arrays[density]), batch, n))
    if sparsity is not None:
        found.append(_for_features("sparsity", 1 - real_numbers("sparsity", arrays[sparsity]), batch, n))
    if len(found) == 2 and not np.allclose(found[0], found[1], rtol=0, atol=SAME_DENSITY):
        raise ValueError("expected sparsity to be 1 − density, got arrays that differ")
    if found and not ((found[0] > 0) & (found[0] <= 1)).all():
        bad = found[0][~((found[0] > 0) & (found[0] <= 1))][0]
        raise ValueError(f"density must lie in (0, 1], got {bad:g}")
    return found[0] if found else None


def importances(arrays: Mapping[str, Any], batch: tuple[int, ...], n: int) -> NDArray[np.float64] | None:
    """Return I_i as a file has it, shape (*batch, n), or None; one value for a model is that of its last feature.

    Raises:
        ValueError: if its shape doesn't fit or can be read in two ways, or it isn't positive.
    """
    given = named(arrays, IMPORTANCE_NAMES)
    if given is None:
        return None
    values = real_numbers("importance", arrays[given])
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
