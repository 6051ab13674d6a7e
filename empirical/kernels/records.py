"""What the compiled loops of a CPU take, by name, and how their parts are compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import boolean, float64, int64, njit, types

# Positions of a block: each gives four samples, one for each word of Philox's output.
POSITIONS = 64
SAMPLES = 4 * POSITIONS
ROUNDS = 10
ADAM, SGD = 0, 1
BLOCK_NUMBERS, AMPLITUDES, FIRST_ACTIVE = 0, 1, 2
# Sums may be reordered, which vectorisation needs; NaN and infinity keep their meaning.
OPTIONS: Any = {"nogil": True, "fastmath": {"reassoc", "contract", "nsz", "arcp"}, "error_model": "numpy"}


# All parts are inlined into the loop that uses them, so that its machine code is complete. A part that it called would
# exist twice: as compiled by itself, and as a copy that was optimised again, its sums reordered again, along with the
# loop. Both have one name, and the linker takes the first that it meets: the former in a process that compiles, the
# latter in those that load the loop from disk.
def inlined(function: Any) -> Any:
    """Return a part of a compiled loop."""
    return njit(forceinline=True, **OPTIONS)(function)


class State(NamedTuple):
    """What a step changes.

    Attributes:
        parameters: packed parameters, shape (R, P): W, the second matrix of an untied model, the bias.
        mean: first moments, or momenta, shape (R, P).
        square: second moments, shape (R, P).
    """

    parameters: Any
    mean: Any
    square: Any


class Law(NamedTuple):
    """An `InputTable`'s arrays, with `stratified` as a number."""

    stratified: int
    block_of: Any
    starts: Any
    members: Any
    low: Any
    high: Any
    first_edges: Any
    chances: Any
    masks: Any
    amplitude: tuple[Any, Any]
    hot: int


class Samples(NamedTuple):
    """What a batch is an expectation over.

    Attributes:
        counts: samples of each pattern, shape (R, patterns); without stratification one pattern.
        masses: probability of each pattern, shape (R, patterns).
        empty: probability of x = 0 where its part of the loss is added exactly, else 0, shape (R,).
    """

    counts: Any
    masses: Any
    empty: Any


class Sizes(NamedTuple):
    """Numbers of hidden dimensions, features and samples of a batch."""

    n_hidden: int
    n_features: int
    batch: int


class Shape(NamedTuple):
    """Which of the four models it is, which biases it has, and whose errors count.

    Attributes:
        hidden_relu: whether hidden activations go through a ReLU.
        linear: whether outputs don't.
        tied: whether the second matrix is the first one's transpose.
        absolute: whether the target is |x|.
        only_active: whether only errors of features that are on count.
        common_bias: whether all outputs have one bias.
        no_bias: whether they have none.
    """

    hidden_relu: bool
    linear: bool
    tied: bool
    absolute: bool
    only_active: bool
    common_bias: bool
    no_bias: bool


class Rule(NamedTuple):
    """The optimiser: ADAM or SGD, β₁ or momentum, β₂, ε, and decoupled weight decay."""

    kind: int
    beta: float
    gamma: float
    epsilon: float
    decay: float


def record_types(number: Any) -> dict[type, Any]:
    """Return numba's type of each record, for parameters of a type of numbers.

    There is one for each: arrays laid out in another way would get code of their own, which may round differently.
    """
    pair: Any = types.UniTuple(float64[::1], 2)  # type: ignore[no-untyped-call]
    rows, masks, counts = float64[:, ::1], boolean[:, ::1], int64[::1]
    parts = {
        State: [number[:, ::1]] * 3,
        Law: [int64, *[counts] * 3, *[rows] * 4, masks, pair, int64],
        Samples: [int64[:, ::1], rows, float64[::1]],
        Sizes: [int64] * 3,
        Shape: [boolean] * 7,
        Rule: [int64, *[float64] * 4],
    }
    return {record: _type_of(record, own) for record, own in parts.items()}


def _type_of(record: type, parts: list[Any]) -> Any:
    if len(set(parts)) == 1:
        return types.NamedUniTuple(parts[0], len(parts), record)  # type: ignore[no-untyped-call]
    return types.NamedTuple(parts, record)  # type: ignore[no-untyped-call]
