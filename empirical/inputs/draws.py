"""Random inputs in torch, on any device: the definition that the compiled loops of `kernels/cpu.py` are held to.

Random numbers come from a counter, not from a state: each is a function of a model's seed, the step, the channel and
the sample. A model's inputs don't depend on what it is batched with, and a run that is resumed needs no more than its
step to go on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .tables import InputTable

BLOCK_NUMBERS, AMPLITUDES, FIRST_ACTIVE, ALTERNATIVES = 0, 1, 2, 3
ROUNDS = 10
WORD = 0xFFFFFFFF


def _product(word: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Return the high and the low word of a product of two 32-bit words, in 64-bit integers that have a sign."""
    low, high = word * (factor & 0xFFFF), word * (factor >> 16)
    total = low + ((high & 0xFFFF) << 16)
    return (total >> 32) + (high >> 16), total & WORD


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Return four random 32-bit words: Philox4x32-10 (Salmon et al. 2011, DOI 10.1145/2063384.2063405).

    Args:
        counter: four 32-bit words in int64 tensors that broadcast.
        key: two words.
    """
    (x0, x1, x2, x3), (k0, k1) = counter, key
    for _ in range(ROUNDS):
        high0, low0 = _product(x0, 0xD2511F53)
        high1, low1 = _product(x2, 0xCD9E8D57)
        x0, x1, x2, x3 = high1 ^ x1 ^ k0, low1, high0 ^ x3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) & WORD, (k1 + 0xBB67AE85) & WORD
    return x0, x1, x2, x3


def seed_words(seeds: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint32]:
    """Return each seed as the two words of a key, shape (models, 2)."""
    numbers = np.asarray(seeds, dtype=np.uint64)
    return np.stack([numbers & np.uint64(WORD), numbers >> np.uint64(32)], axis=-1).astype(np.uint32)


class Inputs:
    """Fresh inputs for a batch of models, by an `InputTable`.

    Args:
        table: how the law draws, for R models.
        seeds: one for each model.
        n_features: number of features n.
        batch_size: samples for each model and step.
        dtype: floating-point type of the inputs.
        device: where they are drawn.
        depth: of mixtures that this is a law of.
    """

    def __init__(
        self,
        table: InputTable,
        seeds: Sequence[int] | NDArray[np.int64],
        n_features: int,
        batch_size: int,
        dtype: torch.dtype,
        device: torch.device,
        depth: int = 0,
    ) -> None:
        """Move the table to the device."""
        self._table, self._n, self._batch, self._dtype = table, n_features, batch_size, dtype
        words = torch.as_tensor(seed_words(seeds).astype(np.int64), device=device)
        self._key = words[:, 0, None, None], words[:, 1, None, None]
        self._position = torch.arange((batch_size + 3) // 4, device=device)
        self._zero = torch.zeros((), dtype=torch.int64, device=device)

        def place(array: NDArray[np.float64]) -> Tensor:
            return torch.as_tensor(array, dtype=dtype, device=device)

        self._low, self._high, self._chances = place(table.low), place(table.high), place(table.chances)
        self._first_edges = place(table.first_edges)
        self._masks = torch.as_tensor(table.masks, device=device)
        self._block_of = torch.as_tensor(table.block_of, device=device)
        self._order = torch.as_tensor(np.argsort(table.members), device=device)
        self._pattern, weight = sample_weights(table, batch_size)
        self._pattern = self._pattern.to(device)
        self.weight = place(weight)
        self._listed = place(table.inputs)
        # Shape (n, 1) each.
        self._size, self._width = (place(part)[:, None] for part in table.amplitude)
        # A sample follows one law only, so all may look at the same words.
        self._purpose = ALTERNATIVES + depth
        self._parts = [Inputs(part, seeds, n_features, batch_size, dtype, device, depth + 1) for part in table.parts]

    def _uniform(self, channels: int, step: Tensor, purpose: int) -> Tensor:
        """Return uniform numbers in [0, 1], shape (R, channels, batch)."""
        channel = torch.arange(channels, device=self._position.device)[:, None]
        words = philox((self._position, channel, step, self._zero + purpose), self._key)
        return torch.cat(words, dim=-1)[..., : self._batch].to(self._dtype) * 2.0**-32

    def draw(self, step: Tensor) -> Tensor:
        """Return the inputs of a step, shape (R, n_features, batch).

        Args:
            step: its number, an int64 scalar on the device.
        """
        table, n = self._table, self._n
        size, width = self._size, self._width
        if not table.is_product:
            return self._alternatives(step)
        if not len(table.block_of) and not table.hot and not table.stratified:
            # A law whose features are never on.
            return torch.zeros(len(self._low), n, self._batch, dtype=self._dtype, device=self._position.device)
        if table.stratified:
            amplitude = size + width * self._uniform(n, step, AMPLITUDES)
            return torch.where(self._masks[self._pattern].mT, amplitude, 0.0)
        if table.hot:
            uniform = self._uniform(n, step, BLOCK_NUMBERS)
            left = torch.full_like(uniform[:, 0], table.hot)
            rows = []
            for i in range(n):
                chance = left / (n - i)
                on = uniform[:, i] < chance
                rows.append(torch.where(on, size[i] + width[i] * uniform[:, i] / chance, 0.0))
                left = left - on.to(left.dtype)
            return torch.stack(rows, dim=1)
        blocks = int(table.block_of[-1]) + 1
        uniform = self._uniform(blocks, step, BLOCK_NUMBERS)
        if table.first_edges.shape[1]:
            first = self._uniform(1, step, FIRST_ACTIVE)
            upto = self._first_edges[..., None]
            below = torch.nn.functional.pad(upto, (0, 0, 1, 0))[:, :-1]
            here = torch.where(first < upto, uniform * self._chances[..., None], 2.0)
            uniform = torch.where(first >= below, here, uniform)
        if len(table.members) == n and len(table.block_of) == n:
            # Singletons only, one for each feature: one table operation does all.
            return self._singletons(uniform[:, self._block_of])
        return self._sets(uniform, step)

    def _alternatives(self, step: Tensor) -> Tensor:
        """Return inputs that are picked from a list, or drawn by one of several laws."""
        if self._table.stratified:
            return self._listed[self._pattern].mT
        number = self._uniform(1, step, self._purpose)[:, 0]
        place = torch.searchsorted(self._high, number, right=True)
        if len(self._listed):
            return self._listed[place].mT
        x = torch.zeros(len(place), self._n, self._batch, dtype=self._dtype, device=number.device)
        for k, part in enumerate(self._parts):
            x = torch.where((place == k)[:, None], part.draw(step), x)
        return x

    def _singletons(self, uniform: Tensor) -> Tensor:
        size, width = self._size[self._table.members], self._width[self._table.members]
        low, high = self._low[..., None], self._high[..., None]
        on = (uniform >= low) & (uniform < high)
        drawn = torch.where(on, size + width / (high - low) * (uniform - low), 0.0)
        return drawn[:, self._order]

    def _sets(self, uniform: Tensor, step: Tensor) -> Tensor:
        table = self._table
        size, width = self._size, self._width
        x = torch.zeros(len(uniform), self._n, self._batch, dtype=self._dtype, device=uniform.device)
        amplitude = size + width * self._uniform(self._n, step, AMPLITUDES)
        for k, block in enumerate(table.block_of):
            number, low, high = uniform[:, block], self._low[:, k, None], self._high[:, k, None]
            on = (number >= low) & (number < high)
            members = table.members[table.starts[k] : table.starts[k + 1]]
            if len(members) == 1:
                j = members[0]
                left = size[j] + width[j] / (high - low) * (number - low)
                x[:, j] = torch.where(on, left, x[:, j])
            else:
                for j in members:
                    x[:, j] = torch.where(on, amplitude[:, j], x[:, j])
        return x


def sample_weights(table: InputTable, batch_size: int) -> tuple[Tensor, NDArray[np.float64]]:
    """Return each sample's pattern and weight, both of shape (R, batch); sums over samples are expectations."""
    pattern = np.zeros((len(table.counts), batch_size), dtype=np.int64)
    weight = np.zeros(pattern.shape)
    for row, (counts, masses) in enumerate(zip(table.counts, table.masses, strict=True)):
        drawn = np.repeat(np.arange(len(counts)), counts)
        pattern[row, : len(drawn)] = drawn
        weight[row, : len(drawn)] = masses[drawn] / counts[drawn]
    return torch.as_tensor(pattern), weight
