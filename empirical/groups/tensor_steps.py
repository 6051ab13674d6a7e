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
from .replayed import Replayed


class TensorSteps(Replayed):
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
        super().__init__(parameters, moments, settings)
        device, dtype = settings.device, settings.dtype
        size, m, n = len(parameters), model.n_hidden, model.n_features

        self._weights = parameters[:, : m * n].view(size, m, n)
        tied = settings.architecture.tied
        self._second = None if tied else parameters[:, m * n : 2 * m * n].view(size, n, m)
        self._bias = parameters[:, -n:]
        self._inputs = Inputs(table, seeds, n, settings.batch_size, dtype, device)
        self._sampled = SampledLoss(
            settings.architecture,
            self._place(model.importances()),
            self._place(penalties_of(model)),
            self._inputs.weight,
            self._place(table.empty),
            bias=model.bias,
            targets=model.targets,
        )
        self._rates = self._place(settings.rates)
        self._active = torch.ones(size, 1, dtype=torch.bool, device=device)
        self._losses = torch.zeros(size, self.block, dtype=torch.float64, device=device)

    def take(self, step: int, count: int, active: Tensor) -> Tensor:
        """Take steps; see `Steps`."""
        self._active.copy_(active[:, None])
        return self._replay(step, count)

    def _advance(self) -> None:
        inputs = self._inputs.draw(self._at)
        loss, d_weights, d_second, d_bias = self._sampled(self._weights, self._second, self._bias, inputs)
        gradient = torch.cat([d.flatten(1) for d in (d_weights, d_second, d_bias) if d is not None], dim=1)
        place = (self._at % self.block).view(1, 1).expand(len(loss), 1)
        self._losses.scatter_(1, place, loss[:, None].double())
        # A number on the device as an index would have to be read by the host.
        rate = self._rates.index_select(0, self._at.view(1))[0]
        self._at += 1
        step = self._at.to(self.parameters.dtype)
        parameters, moments = self._settings.rule.update(self.parameters, gradient, tuple(self.moments), rate, step)
        for tensor, new in zip((self.parameters, *self.moments), (parameters, *moments), strict=True):
            tensor.copy_(torch.where(self._active, new, tensor))

    def _warm_up(self) -> None:
        first = self._at.clone()
        side: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                # Always the same step: there may be no more of them.
                self._at.copy_(first)
                self._advance()
        torch.cuda.current_stream().wait_stream(side)
