"""Optimiser steps in the fused kernels of `kernels/fused_few.py` and `kernels/fused_many.py`, on a CUDA device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tegum.theory.models import ToyModel

from ..inputs import InputTable
from ..kernels import fused_few, fused_many
from ..runs import BETAS, EPSILON, Settings
from .group import WINDOW, penalties_of
from .replayed import Replayed

# Entries of W in a model whose loops are unrolled, and in each lane's share of it; more don't fit into registers.
MOST_UNROLLED, MOST_IN_LANE = 128, 32
# Warps of a program: enough for few models to fill the device, and one where there are many.
MOST_WARPS, WARPS_PER_PROCESSOR = 8, 16
# Tiles of `hidden_and_back` and of `gradients`: positions, each of which makes four samples, features, and warps.
BACK_TILE, GRADIENT_TILE = (32, 16, 4), (4, 32, 2)
# Most hidden dimensions that fit, programs for each processor, parameters that a program updates.
MOST_HIDDEN, PROGRAMS_PER_PROCESSOR, PART = 64, 8, 1024


def fusible(model: ToyModel, table: InputTable, settings: Settings) -> bool:
    """Return whether there is a fused kernel: independent features, a plain tied model, no penalty, plain sampling.

    Amplitudes may differ in their widths, which are scales of what is drawn, but not in their low ends.
    """
    if model.bias != "free" or model.targets != "all":
        return False
    if not table.is_product or table.stratified or table.hot or table.first_edges.shape[1]:
        return False
    if np.ptp(table.amplitude[0]) != 0:
        return False
    features, kind = np.arange(model.n_features), settings.architecture
    independent = np.array_equal(table.members, features) and np.array_equal(table.block_of, features)
    return bool(
        independent
        and kind.tied
        and not kind.absolute
        and not penalties_of(model).any()
        and model.n_hidden <= MOST_HIDDEN
    )


class FusedSteps(Replayed):
    """`Steps` in a launch for a whole block of steps, or three launches for each that a CUDA graph replays."""

    block = WINDOW

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
        device, rule = settings.device, settings.rule
        self._n, self._m, self._count = model.n_features, model.n_hidden, len(parameters)

        size, width = table.amplitude
        self._size, self._high = float(size[0]), self._place(table.high)
        self._slope = self._place(width / np.where(table.high > 0, table.high, 1))
        self._importance = self._place(np.ascontiguousarray(model.importances()))
        self._seeds = torch.as_tensor(np.asarray(seeds, dtype=np.int64), device=device)
        step = np.arange(1, len(settings.rates) + 1)
        adam = rule.kind == "adam"
        self._schedule = self._place(
            np.stack(
                [
                    1 - settings.rates * rule.decay,
                    settings.rates / (1 - rule.momentum**step if adam else 1),
                    1 - BETAS[1] ** step if adam else np.ones(len(step)),
                ],
                axis=1,
            )
        )
        self._active = torch.ones(self._count, dtype=torch.int32, device=device)
        self._quarter = (settings.batch_size + 3) // 4
        self._rule = {"momentum": float(rule.momentum), "beta": BETAS[1], "epsilon": EPSILON, "adam": adam}
        kind = settings.architecture
        self._shape = {
            "n": self._n,
            "m": self._m,
            "batch": settings.batch_size,
            "hidden_relu": kind.hidden_relu,
            "output_relu": kind.output_relu,
        }
        self._processors = (
            torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1
        )
        self._unrolled = self._m * self._n <= MOST_UNROLLED
        if self._unrolled:
            self._gradients = torch.empty_like(parameters)
            self._share = _power(-(-self._m * self._n // MOST_IN_LANE))
        else:
            self._prepare()

    def take(self, step: int, count: int, active: Tensor) -> Tensor:
        """Take steps; see `Steps`."""
        self._active.copy_(active)
        if self._unrolled:
            return self._unrolled_steps(step, count)
        return self._replay(step, count)

    def _unrolled_steps(self, step: int, count: int) -> Tensor:
        losses = torch.zeros(self._count, count, device=self.parameters.device)
        wanted = WARPS_PER_PROCESSOR * self._processors // self._count
        warps = 1 << max(0, min(MOST_WARPS, wanted).bit_length() - 1)
        fused_few.few_features[(self._count,)](
            self.parameters, self.moments[0], self.moments[-1], self._gradients, self._seeds, self._active,
            self._schedule, self._high, self._slope, self._importance, losses,
            begin=step, count=count, quarter=self._quarter, size=self._size, **self._rule, **self._shape,
            lanes=32 * warps // self._share, share=self._share, room=_power(self._m * self._n + self._n),
            num_warps=warps,
        )  # fmt: skip
        return losses

    def _prepare(self) -> None:
        """Lay out what the kernels of a step leave to each other."""
        device, wide = self.parameters.device, self._m * self._n + self._n
        most = max(BACK_TILE[0], GRADIENT_TILE[0])
        self._room = -(-self._quarter // most) * most
        self._tiles, self._parts = self._room // BACK_TILE[0], -(-self._n // GRADIENT_TILE[1])
        programs = PROGRAMS_PER_PROCESSOR * self._processors // (self._count * self._parts)
        self._splits = max(1, min(self._room // GRADIENT_TILE[0], programs))
        self._depth = max(16, _power(self._m + 1))
        self._hidden, self._back = (
            torch.empty(self._count, 4 * self._room, self._depth, device=device) for _ in range(2)
        )
        self._partial = torch.empty(self._count, self._splits, wide, device=device)
        self._tile_losses = torch.empty(self._count, self._tiles, device=device)
        self._losses = torch.zeros(self._count, self.block, device=device)

    def _advance(self) -> None:
        wide, shape = self._m * self._n + self._n, dict(self._shape)
        drawn = self._seeds, self._active, self._at, self._high, self._slope, self._importance
        common = {"quarter": self._quarter, "room": self._room, "size": self._size, "depth": self._depth}
        fused_many.hidden_and_back[(self._count, self._tiles)](
            self.parameters, *drawn, self._hidden, self._back, self._tile_losses, **common, **shape, **_tile(BACK_TILE)
        )
        del shape["hidden_relu"]
        fused_many.gradients[(self._count, self._parts, self._splits)](
            self.parameters, *drawn, self._hidden, self._back, self._partial, **common, **shape,
            splits=self._splits, **_tile(GRADIENT_TILE),
        )  # fmt: skip
        fused_many.update[(self._count, -(-wide // PART))](
            self.parameters, self.moments[0], self.moments[-1], self._active, self._at, self._schedule, self._partial,
            self._tile_losses, self._losses, **self._rule, splits=self._splits, wide=wide, tiles=self._tiles,
            tiles_room=_power(self._tiles), block=self.block, width=PART,
        )  # fmt: skip
        self._at += 1

    def _warm_up(self) -> None:
        # Compiles the kernels.
        self._advance()
        torch.cuda.synchronize()


def _power(count: int) -> int:
    """Return the least power of two that isn't smaller."""
    return 1 << (count - 1).bit_length()


def _tile(sizes: tuple[int, int, int]) -> dict[str, int]:
    return dict(zip(("rows", "columns", "num_warps"), sizes, strict=True))
