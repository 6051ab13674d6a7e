"""Steps that are taken one at a time, on a CUDA device by replaying the graph of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..runs import Settings


class Replayed(ABC):
    """What is the same for all such steps; how one is taken, and what comes before it is recorded, is in sub-classes.

    Args:
        parameters: packed weights and biases, shape (models, P).
        moments: what the rule remembers, shape (models, P) each.
        settings: of the run.
    """

    block: int
    # Losses of a block of steps, shape (models, block).
    _losses: Tensor

    def __init__(self, parameters: Tensor, moments: Sequence[Tensor], settings: Settings) -> None:
        """Begin without a graph."""
        self.parameters, self.moments, self._settings = parameters, moments, settings
        # The number of the next step; the device counts it.
        self._at = torch.zeros((), dtype=torch.int64, device=settings.device)
        self._graph: Any = None

    def _place(self, array: NDArray[Any]) -> Tensor:
        """Return numbers on the device, in the run's precision."""
        return torch.tensor(np.asarray(array), dtype=self._settings.dtype, device=self._settings.device)

    @abstractmethod
    def _advance(self) -> None:
        """Take one step. Everything happens on the device and in place, so that a CUDA graph can replay it."""

    @abstractmethod
    def _warm_up(self) -> None:
        """Take a step as often as it needs before it can be recorded; what it changes is put back."""

    def _replay(self, step: int, count: int) -> Tensor:
        """Take steps from number `step` on, and return the losses before each, shape (models, count)."""
        self._at.fill_(step)
        if self._graph is None and self._settings.device.type == "cuda":
            self._capture()
        for _ in range(count):
            if self._graph is None:
                self._advance()
            else:
                self._graph.replay()
        first = step % self.block
        return self._losses[:, first : first + count]

    def _capture(self) -> None:
        """Record one step as a CUDA graph: a replay launches all of its kernels at once."""
        changing = self.parameters, *self.moments, self._at, self._losses
        kept = [tensor.clone() for tensor in changing]
        self._warm_up()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._advance()
        for tensor, before in zip(changing, kept, strict=True):
            tensor.copy_(before)
