"""Which arrays of a file are W and b, by the names and shapes of the field, and what else would change the model.

x' = ReLU(WᵀWx + b) is what is looked for: a decoder has to be the encoder's transpose, a further layer the identity.
What is neither is refused, because leaving it out would be another model (docs/files.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .inputs import epsilon_of, real_numbers

# Names of W, or the last parts of them, best first; and those of one layer of a module, stored as (out, in).
WEIGHT_NAMES = ("weights", "W", "weight", "w", "W_in", "W_enc", "w_in", "w_enc", "w1_2t")
MODULES = ("linear1", "embedding", "encoder", "embed", "enc", "fc1", "lin1")
OUTPUTS = ("linear2", "unembedding", "decoder", "unembed", "dec", "fc2", "lin2")
BIAS_NAMES = (
    "bias",
    "b",
    "b_final",
    *("decoder_bias", "output_bias", "bias_final", "final_bias", "b_out", "b_dec", "b_1t", "b2"),
    *(f"{module}.bias" for module in OUTPUTS),
)
HIDDEN_BIASES = ("b_in", "b_enc", "b1", "encoder_bias", "hidden_bias", *(f"{module}.bias" for module in MODULES))
DECODERS = ("W_out", "W_dec", "w_out", "w_dec", *(f"{module}.weight" for module in OUTPUTS))
# Layers that are only counted.
COUNTED = re.compile(r"(?:|.*\.)\d+\.weight")
# What reads like the parameters of a layer.
LAYER, SHIFT = re.compile(r"[Ww]\d*(_\w+)?|[Ww]eights?(_\w+)?|kernel"), re.compile(r"b\d*(_\w+)?|.*bias.*")
# Roundings after which a decoder is still the transpose of its encoder.
ROUNDINGS = 4
UNTIED = (
    "the exact loss is that of x' = ReLU(WᵀWx + b), and `train` has no untied model that reproduces its input "
    '(architecture="absolute_value" has another target): nothing in this project covers it'
)


@dataclass(frozen=True, eq=False)
class Parameters:
    """The arrays of one model, or of a batch, as they stand in a file.

    Attributes:
        weights: W in either layout, with any leading axes.
        bias: b, or None if there is none.
        hidden_bias: c of h = Wx + c, or None.
        layout: that names say, or None.
        source: which array is what, for a reader.
        used: their names.
        dtype: how W is stored.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64] | None
    hidden_bias: NDArray[np.float64] | None
    layout: str | None
    source: dict[str, str]
    used: frozenset[str]
    dtype: str


def find_parameters(
    arrays: Mapping[str, NDArray[Any]], types: Mapping[str, str], weights_name: str | None, bias_name: str | None
) -> Parameters:
    """Return W and b of a file.

    Args:
        arrays: of the file, by name.
        types: how arrays are stored, where that isn't their type.
        weights_name: name of W, in place of a search.
        bias_name: name of b, likewise.

    Raises:
        ValueError: if there is no W or there are several of different shapes, or a decoder or a further layer makes it
            another model; arrays are named.
    """
    for option, name in (("weights_name", weights_name), ("bias_name", bias_name)):
        if name is not None and name not in arrays:
            raise ValueError(f"expected {option} to be one of {', '.join(sorted(arrays)) or 'no names'}, got {name!r}")
    chosen = [weights_name] if weights_name is not None else _weights(arrays)
    if not chosen:
        listed = ", ".join((*WEIGHT_NAMES, *(f"{module}.weight" for module in MODULES)))
        raise ValueError(
            f"expected an array named {listed}; got {sorted(arrays)}: say which is W with --weights-name "
            "(argument weights_name)"
        )
    runs = len(chosen) == 1 or all(part.isdigit() for name in chosen for part in _owner(name))
    found = [_one(arrays, types, name, bias_name, named=weights_name is not None) for name in chosen if runs]
    if len(found) == 1:
        return found[0]
    parts = {tuple(_shape(array) for array in (one.weights, one.bias, one.hidden_bias)) for one in found}
    if len(parts) > 1 or not runs:
        listed = ", ".join(f"{name} {tuple(arrays[name].shape)}" for name in chosen)
        raise ValueError(
            f"expected one W, or a model of the same shape under each of several numbers, got {listed}: choose one "
            "with --weights-name (argument weights_name)"
        )
    return _stacked(found)


def _stacked(found: list[Parameters]) -> Parameters:
    """Return models of one shape as a batch."""
    biases = [one.bias for one in found if one.bias is not None]
    hidden = [one.hidden_bias for one in found if one.hidden_bias is not None]
    source = {key: ", ".join(one.source[key] for one in found) for key in found[0].source}
    return Parameters(
        np.stack([one.weights for one in found]),
        np.stack(biases) if biases else None,
        np.stack(hidden) if hidden else None,
        found[0].layout,
        source,
        frozenset().union(*(one.used for one in found)),
        found[0].dtype,
    )


def _shape(array: NDArray[np.float64] | None) -> tuple[int, ...] | None:
    return None if array is None else array.shape


def _owner(name: str) -> list[str]:
    """Return the last part of what a W stands under, the name itself if it is a number, as a list of one."""
    if name.isdigit():
        return [name]
    above = name.split(".")[:-1]
    return above[-1:] or [""]


def _last(name: str) -> str:
    return name.rpartition(".")[-1]


def _weights(arrays: Mapping[str, NDArray[Any]]) -> list[str]:
    """Return the names of W, one for each model."""
    matrices = [name for name, array in arrays.items() if np.ndim(array) >= 2]
    bare = [name for name in matrices if name.isdigit()]
    if bare and len(bare) == len(matrices):
        # A dictionary with a model for each width, or each run.
        return sorted(bare, key=int)
    found: dict[str, str] = {}
    modules = tuple(f"{module}.weight" for module in MODULES)
    layers = {name for name in arrays if any(name.endswith(end) for end in (*modules, *DECODERS))}
    counted = {name for name in matrices if COUNTED.fullmatch(name)}
    for known in (*WEIGHT_NAMES, *modules):
        for name in arrays:
            if known == "weight" and name in (layers | counted):
                continue
            if name == known or name.endswith(f".{known}"):
                prefix = name.removesuffix(known)
                # A layer of a module is no model of its own.
                if known != "weight" or not prefix or prefix.removesuffix(".").isdigit() or matrices == [name]:
                    found.setdefault(prefix, name)
    if found:
        return sorted(found.values(), key=lambda name: (len(name), name)) if len(found) > 1 else list(found.values())
    # Layers that are numbered, of which the first is W.
    return sorted(counted, key=lambda name: int(name.split(".")[-2]))[:1]


def _one(
    arrays: Mapping[str, NDArray[Any]], types: Mapping[str, str], name: str, bias_name: str | None, *, named: bool
) -> Parameters:
    """Return the parameters that belong to one W."""
    weights = real_numbers("weights", arrays[name], finite=False)
    dtype = types.get(name, str(np.asarray(arrays[name]).dtype))
    module = next((m for m in MODULES if name == f"{m}.weight" or name.endswith(f".{m}.weight")), None)
    numbered = COUNTED.fullmatch(name) is not None
    cut = f"{module}.weight" if module else f"{name.split('.')[-2]}.weight" if numbered else _last(name)
    prefix = name.removesuffix(cut)
    mine = {other: other.removeprefix(prefix) for other in arrays if other.startswith(prefix) and other != name}
    used, source = {name}, {"weights": name}
    bias, hidden = bias_name, None
    for other, short in mine.items():
        if bias_name is None and short in BIAS_NAMES and (bias is None or _rank(short) < _rank(mine[bias])):
            bias = other
        elif short in HIDDEN_BIASES:
            hidden = other
    if numbered:
        bias, hidden = _numbered_biases(mine, cut, bias)
    for other, short in mine.items():
        array = np.asarray(arrays[other])
        if other in (bias, hidden) or array.dtype.kind not in "fiu" or not array.ndim:
            continue
        is_decoder, last = short in DECODERS, _last(short)
        is_layer = is_decoder or (LAYER.fullmatch(last) is not None and (array.ndim > 1 or last == "weight"))
        if is_layer and (is_decoder or not named):
            used.add(other)
            said = _judge(
                weights, array, max(epsilon_of(dtype), epsilon_of(types.get(other, str(array.dtype)))), other, name
            )
            source[other] = said
        elif SHIFT.fullmatch(last) and not named and bias_name is None and array.any():
            raise ValueError(
                f"expected one bias at the output, got {other!r} of shape {array.shape} as well: say which it is with "
                "--weights-name and --bias-name (arguments weights_name, bias_name)"
            )
    values = {}
    for role, which in (("bias", bias), ("hidden bias", hidden)):
        values[role] = None if which is None else real_numbers("bias", arrays[which], finite=False)
        if which is not None:
            used.add(which)
            source[role] = which
    if values["hidden bias"] is not None and not values["hidden bias"].any():
        values["hidden bias"], source["hidden bias"] = None, f"{hidden}, which is 0"
    layout = "hidden-feature" if module or numbered else None
    return Parameters(weights, values["bias"], values["hidden bias"], layout, source, frozenset(used), dtype)


def _rank(short: str) -> int:
    return BIAS_NAMES.index(short) if short in BIAS_NAMES else len(BIAS_NAMES)


def _numbered_biases(mine: Mapping[str, str], first: str, given: str | None) -> tuple[str | None, str | None]:
    """Return the biases of numbered layers: the last layer's is the output's, the first's the hidden one."""
    found = sorted(
        (name for name in mine if re.fullmatch(r"\d+\.bias", mine[name])), key=lambda x: int(mine[x].split(".")[0])
    )
    hidden = next((name for name in found if mine[name] == first.replace("weight", "bias")), None)
    layers = [name for name in mine if re.fullmatch(r"\d+\.weight", mine[name])]
    if not layers:
        # One layer, used twice: its bias is the output's.
        return given or hidden, None
    output = next((name for name in reversed(found) if name != hidden), None)
    return given or output, hidden


def _judge(weights: NDArray[np.float64], array: NDArray[Any], epsilon: float, other: str, name: str) -> str:
    """Return what a further layer is, if the model is the same without it, or raise `ValueError`."""
    layer = real_numbers(other, array, finite=False)
    if layer.ndim < 2:
        raise ValueError(
            f"expected W and b alone, got the layer {other!r} of shape {layer.shape}, which nothing covers"
        )
    near = ROUNDINGS * epsilon * float(np.abs(weights[np.isfinite(weights)]).max(initial=0.0))
    turned = weights.mT
    same = (turned, weights) if weights.shape[-1] != weights.shape[-2] else (turned,)
    gaps = [_gap(layer, one) for one in same if one.shape == layer.shape]
    if gaps and min(gaps) <= near:
        return f"tied to {name}"
    if gaps:
        raise ValueError(
            f"expected a decoder that is the transpose of the encoder {name!r}, got {other!r}, which differs from it "
            f"by up to {min(gaps):.3g}: {UNTIED}"
        )
    size = layer.shape[-1]
    if layer.shape[-2] == size and size in weights.shape[-2:] and (layer == np.eye(size)).all():
        return "an identity"
    raise ValueError(
        f"expected W and b alone, got a further layer {other!r} of shape {layer.shape} beside {name!r}: nothing in "
        "this project covers it. If it is no part of the model, say which array is W with --weights-name (argument "
        "weights_name)"
    )


def _gap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return how far apart two arrays are, those of diverged models left out."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(one - other)
    both = np.isfinite(one) | np.isfinite(other)
    return float(np.where(both, np.where(np.isnan(apart), np.inf, apart), 0.0).max(initial=0.0))
