"""Optimiser steps on sampled inputs in tensors: any law, any model, any device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tegum.theory.models import ToyModel

from ..inputs import Inputs, InputTable
from ..runs import SampledLoss, Settings
from .group import penalties_of


class TensorSteps:
    """`Steps` that follow `SampledLoss`, on a CUDA device by replaying a graph."""

    block = 8

    def __init__(
        self,
        model: ToyModel,
        table: InputTable,
        seeds: NDArray[np.int64],
        parameters: Tensor,
        moments: Sequence[Tensor],
        settings: Settings,
    ) -> None:
        """Move what a step needs to the device."""
        self.parameters, self.moments, self._settings = parameters, moments, settings
        device, dtype = settings.device, settings.dtype
        size, m, n = len(parameters), model.n_hidden, model.n_features

        def place(array: NDArray[Any]) -> Tensor:
            return torch.tensor(array, dtype=dtype, device=device)

        self._weights = parameters[:, : m * n].view(size, m, n)
        tied = settings.architecture.tied
        self._second = None if tied else parameters[:, m * n : 2 * m * n].view(size, n, m)
        self._bias = parameters[:, -n:]
        self._inputs = Inputs(table, seeds, n, settings.batch_size, dtype, device)
        self._sampled = SampledLoss(
            settings.architecture,
            place(np.array(model.importances())),
            place(penalties_of(model)),
            self._inputs.weight,
            place(table.empty),
        )
        self._rates = place(settings.rates)
        self._step = torch.zeros((), dtype=torch.int64, device=device)
        self._active = torch.ones(size, 1, dtype=torch.bool, device=device)
        self._losses = torch.zeros(size, self.block, dtype=torch.float64, device=device)
        self._graph: Any = None

    def take(self, step: int, count: int, active: Tensor) -> Tensor:
        """Take steps; see `Steps`."""
        self._active.copy_(active[:, None])
        self._step.fill_(step)
        if self._settings.device.type == "cuda" and self._graph is None:
            self._capture()
        for _ in range(count):
            if self._graph is None:
                self._advance()
            else:
                self._graph.replay()
        first = step % self.block
        return self._losses[:, first : first + count]

    def _advance(self) -> None:
        """Take one step. Everything happens on the device and in place, so that a CUDA graph can replay it."""
        inputs = self._inputs.draw(self._step)
        loss, d_weights, d_second, d_bias = self._sampled(self._weights, self._second, self._bias, inputs)
        gradient = torch.cat([d.flatten(1) for d in (d_weights, d_second, d_bias) if d is not None], dim=1)
        place = (self._step % self.block).view(1, 1).expand(len(loss), 1)
        self._losses.scatter_(1, place, loss[:, None].double())
        # A number on the device as an index would have to be read by the host.
        rate = self._rates.index_select(0, self._step.view(1))[0]
        self._step += 1
        step = self._step.to(self.parameters.dtype)
        parameters, moments = self._settings.rule.update(self.parameters, gradient, tuple(self.moments), rate, step)
        for tensor, new in zip((self.parameters, *self.moments), (parameters, *moments), strict=True):
            tensor.copy_(torch.where(self._active, new, tensor))

    def _capture(self) -> None:
        """Record one step as a CUDA graph: a replay launches all of its kernels at once."""
        changing = self.parameters, *self.moments, self._step, self._losses
        kept, first = [tensor.clone() for tensor in changing], self._step.clone()
        side: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                # Always the same step: there may be no more of them.
                self._step.copy_(first)
                self._advance()
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._advance()
        for tensor, before in zip(changing, kept, strict=True):
            tensor.copy_(before)
