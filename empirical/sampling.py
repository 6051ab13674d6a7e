"""Initial weights and fresh inputs, each model from a stream of its own.

A model's stream is keyed by its seed alone, so its result doesn't depend on which models it is trained with. Streams
are NumPy's (SFC64, seeded through SeedSequence): one call fills many steps of one model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

INITIAL, INPUTS = 0, 1


def _generator(seed: int, purpose: int) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(purpose,))))


def initial_weights(seeds: Sequence[int], n_hidden: int, n_features: int) -> NDArray[np.float64]:
    """Return W drawn per model from N(0, 2 / (n_hidden + n_features)): Xavier's normal law of one matrix.

    The scale is that of a single model, whatever the number of models in the batch.

    Args:
        seeds: one for each model.
        n_hidden: number of hidden dimensions m.
        n_features: number of features n.

    Returns:
        Shape (models, n_hidden, n_features).
    """
    deviation = (2 / (n_hidden + n_features)) ** 0.5
    shape = (n_hidden, n_features)
    drawn = [_generator(seed, INITIAL).normal(scale=deviation, size=shape) for seed in seeds]
    return np.array(drawn).reshape(len(seeds), *shape)


class InputStreams:
    """Fresh inputs x_i = s_i u_i for a batch of models, from one random stream each.

    One uniform number v does for both: x = max(0, 1 − v/p) is zero with probability 1 − p and else uniform.

    Args:
        seeds: one for each model.
        density: p, shape (models, n_features).
        samples: inputs for each model and step.
        steps: steps that are drawn at a time.
        dtype: floating-point type of the inputs.
        device: where they are used.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        density: NDArray[np.float64],
        samples: int,
        steps: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        """Seed the streams and allocate the buffer."""
        self._generators = [_generator(seed, INPUTS) for seed in seeds]
        numpy_dtype = np.float64 if dtype == torch.float64 else np.float32
        self._drawn = np.empty((len(seeds), steps, density.shape[1], samples), dtype=numpy_dtype)
        self._dtype, self._device = numpy_dtype, device
        self._slope = torch.as_tensor(-1 / density, dtype=dtype, device=device)[:, None, :, None]

    def draw(self) -> Tensor:
        """Return the next inputs, shape (models, steps, n_features, samples). The buffer is reused by the next call."""
        for generator, row in zip(self._generators, self._drawn, strict=True):
            generator.random(dtype=self._dtype, out=row)
        return torch.from_numpy(self._drawn).to(self._device).mul_(self._slope).add_(1).clamp_(min=0)

    @property
    def states(self) -> NDArray[np.uint64]:
        """The streams' positions, shape (models, 4); assign to go on from there."""
        return np.array([self._inner(g)["state"]["state"] for g in self._generators], dtype=np.uint64)

    @states.setter
    def states(self, states: NDArray[np.uint64]) -> None:
        for generator, state in zip(self._generators, states, strict=True):
            inner = self._inner(generator)
            inner["state"]["state"] = state
            generator.bit_generator.state = inner

    @staticmethod
    def _inner(generator: np.random.Generator) -> dict[str, Any]:
        return dict(generator.bit_generator.state)
