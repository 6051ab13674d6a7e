"""What a file says of its activation: losses are of ReLU at the output and nothing in the middle (docs/files.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .settings import entries

# Last parts of names, in lower case, under which the output's activation stands, and that of the hidden layer.
OF_OUTPUT = (
    "activation",
    "activation_fn",
    "activation_function",
    "act",
    "act_fn",
    "nonlinearity",
    "non_linearity",
    "output_activation",
    "out_activation",
)
OF_HIDDEN = ("hidden_activation", "hidden_act", "hidden_act_fn", "hidden_nonlinearity", "encoder_activation")
SWITCHES = ("relu", "use_relu", "has_relu", "output_relu")
RELU, NOTHING = ("relu",), ("", "none", "null", "identity", "linear", "id", "no")
# All names that are looked at here.
KNOWN = frozenset((*OF_OUTPUT, *OF_HIDDEN, *SWITCHES))


def check_activation(words: Mapping[str, Any]) -> None:
    """Raise `ValueError` if a file says that its models have another activation than the ReLU at their output.

    Args:
        words: texts and other plain values of the file, by name; texts of configurations are looked through.
    """
    for name, key, value in entries(words):
        _check(key, name, value)


def _check(key: str, name: str, value: Any) -> None:
    if key in SWITCHES and (value is False or str(value).lower() == "false"):
        raise ValueError(_linear(name, value))
    if not (value is None or isinstance(value, str)) or key not in (*OF_OUTPUT, *OF_HIDDEN):
        return
    kind = str(value).lower().removesuffix("()").rpartition(".")[-1]
    if key in OF_HIDDEN:
        if kind not in NOTHING:
            raise ValueError(
                f"expected models with nothing on the hidden layer, x' = ReLU(WᵀWx + b), got {name} = {value!r}: no "
                'exact loss covers it; `train(architecture="relu_hidden")` trains x\' = ReLU(Wᵀ ReLU(Wx) + b)'
            )
    elif kind in NOTHING:
        raise ValueError(_linear(name, value))
    elif kind not in RELU:
        raise ValueError(
            f"expected models with the activation ReLU at the output, x' = ReLU(WᵀWx + b), got {name} = {value!r}, "
            "which nothing in this project covers"
        )


def _linear(name: str, value: Any) -> str:
    return (
        f"expected models with the activation ReLU at the output, x' = ReLU(WᵀWx + b), got {name} = {value!r}: "
        "`linear_loss` covers models without"
    )
