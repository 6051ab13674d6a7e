r"""Input laws in independent blocks of features, as the spectral loss needs them: one law for each of many sums.

For Z = Σ_j a_j x_j, E[e^{sZ}] = Π_B Q_B is a product over a law's blocks B: with φ_j = E[e^{s a_j u}],

    Q_B = Σ_A P_B(A) Π_{j∈A} φ_j ,    E[x_j e^{sZ}] = ψ_j ℓ_j Π_B Q_B ,    ℓ_j = (∂Q_B/∂φ_j) / Q_B for j ∈ B,

where A runs over the block's few activity patterns and ψ_j = E[u e^{s a_j u}]. Dividing by Q_B is safe even where it
is nearly zero: the product holds the same rounded number that it is divided by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...models import ActivePattern, AnyAmplitude, FeatureLaw
from ...numerics import Array, FloatArray, Summarised
from .transforms import real_transform

# Stands in for a factor that is exactly zero, so that it can be divided by what it was multiplied with.
TINY = 1e-150
# Activity patterns of one block, each a product at every node.
MOST_PATTERNS = 4096


@dataclass(frozen=True)
class Group(Summarised):
    """A block of several features: its members, and its patterns with their probabilities, shape (R,)."""

    members: ActivePattern
    patterns: tuple[tuple[ActivePattern, Any], ...]


@dataclass(frozen=True)
class BlockLaw(Summarised):
    """A law of the input for each of R rows.

    Attributes:
        amplitude: law of the active features' sizes, of all of them or of each.
        on: probability that a feature in a block of its own is active, 0 for the members of groups, shape (R, n).
        groups: the other blocks.
    """

    amplitude: AnyAmplitude
    on: FloatArray
    groups: tuple[Group, ...]

    @classmethod
    def of(cls, law: FeatureLaw, n_features: int) -> BlockLaw:
        """Return a law's blocks, a row for each law of its batch.

        Raises:
            ValueError: if a block of features has too many patterns.
        """
        count = int(np.prod(law.batch_shape))
        on = np.array(law.densities(n_features)).reshape(count, n_features)
        groups = []
        for block, states in law.block_states(n_features):
            if len(block) == 1:
                continue
            found = list(islice(states, MOST_PATTERNS + 1))
            if len(found) > MOST_PATTERNS:
                raise ValueError(
                    f"spectral evaluation needs independent blocks of features with at most {MOST_PATTERNS} activity "
                    f"patterns each, got {type(law).__name__} with more in a block of {len(block)} features"
                )
            patterns = {
                active: np.broadcast_to(np.asarray(chance, dtype=np.float64), law.batch_shape).reshape(count)
                for active, chance in found
            }
            if all(bool((chance == (active == block)).all()) for active, chance in patterns.items()):
                # All members are always on, which is independence as well.
                continue
            if not any(bool(chance.any()) for active, chance in patterns.items() if active):
                # No member is ever on.
                continue
            # Conditions leave the pattern without any feature where they are impossible.
            patterns.setdefault((), np.zeros(count))
            on[:, list(block)] = 0
            groups.append(Group(block, tuple(patterns.items())))
        return cls(law.amplitude.of(n_features), on, tuple(groups))

    def take(self, index: Any) -> BlockLaw:
        """Return the laws of some rows."""
        groups = (Group(g.members, tuple((active, p[index]) for active, p in g.patterns)) for g in self.groups)
        return BlockLaw(self.amplitude, self.on[index], tuple(groups))

    def restrict(self, allowed: NDArray[np.bool_]) -> tuple[BlockLaw, FloatArray]:
        """Return the law given that only allowed features are active, and the probability of that.

        Args:
            allowed: shape (R, n).

        Returns:
            The conditional law, arbitrary where the condition is impossible, and an array of shape (R,).
        """
        on = np.where(allowed, self.on, 0)
        mass = np.where(allowed, 1, 1 - self.on).prod(axis=-1)
        groups = []
        for group in self.groups:
            kept = [(active, p * allowed[:, list(active)].all(axis=-1)) for active, p in group.patterns]
            total = np.asarray(sum(p for _, p in kept))
            mass = mass * total
            patterns = [
                (active, np.where(total > 0, p / np.where(total > 0, total, 1), not active)) for active, p in kept
            ]
            groups.append(Group(group.members, tuple(patterns)))
        return BlockLaw(self.amplitude, on, tuple(groups)), mass

    def given(self, own: NDArray[np.int64], active: bool) -> tuple[BlockLaw, FloatArray]:
        """Return the law of the other features given whether a row's own feature is active, and its probability.

        Args:
            own: feature of each row, shape (R,). It is off in the law that is returned.
            active: the condition.

        Returns:
            The conditional law, arbitrary where the condition is impossible, and an array of shape (R,).
        """
        rows = np.arange(len(own))
        on = np.array(self.on)
        mass = on[rows, own] if active else 1 - on[rows, own]
        on[rows, own] = 0
        groups = []
        for group in self.groups:
            inside = np.isin(own, group.members)
            patterns: dict[ActivePattern, Any] = {}
            for pattern, p in group.patterns:
                # Rows of other blocks keep the pattern; this block's keep it without their own feature, or not at all.
                fits = ~inside if active else ~np.isin(own, pattern)
                patterns[pattern] = patterns.get(pattern, 0) + p * fits
                for i in pattern if active else ():
                    rest = tuple(j for j in pattern if j != i)
                    patterns[rest] = patterns.get(rest, 0) + p * (own == i)
            total = np.asarray(sum(patterns.values()))
            mass = np.where(inside, total, mass)
            safe = np.where(total > 0, total, 1)
            kept = ((pattern, np.where(total > 0, p / safe, not pattern)) for pattern, p in patterns.items())
            groups.append(Group(group.members, tuple(kept)))
        return BlockLaw(self.amplitude, on, tuple(groups)), mass

    def surely(self, own: NDArray[np.int64]) -> tuple[BlockLaw, FloatArray]:
        """Return the law given that a row's own feature is active, and the probability of that.

        Args:
            own: feature of each row, shape (R,).

        Returns:
            The conditional law, arbitrary where the condition is impossible, and an array of shape (R,).
        """
        rows = np.arange(len(own))
        on = np.array(self.on)
        mass = on[rows, own]
        alone = np.ones(len(own), dtype=bool)
        groups = []
        for group in self.groups:
            inside = np.isin(own, group.members)
            alone &= ~inside
            kept = [(active, np.where(inside, p * np.isin(own, active), p)) for active, p in group.patterns]
            total = np.asarray(sum(p for _, p in kept))
            mass = np.where(inside, total, mass)
            safe = np.where(total > 0, total, 1)
            patterns = tuple((active, np.where(total > 0, p / safe, not active)) for active, p in kept)
            groups.append(Group(group.members, patterns))
        on[rows[alone], own[alone]] = 1
        return BlockLaw(self.amplitude, on, tuple(groups)), mass

    def extent(self, slopes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the smallest and the largest value that Σ a_j x_j can take, shape (R,) each."""
        ends = np.stack([slopes * np.float64(self.amplitude.low), slopes * np.float64(self.amplitude.high)])
        least, most = ends.min(axis=0), ends.max(axis=0)
        sure, possible = self.on == 1, self.on > 0
        low = np.where(sure, least, np.where(possible, np.minimum(least, 0), 0)).sum(axis=-1)
        high = np.where(sure, most, np.where(possible, np.maximum(most, 0), 0)).sum(axis=-1)
        for group in self.groups:
            sums = [
                (p > 0, least[:, list(active)].sum(-1), most[:, list(active)].sum(-1)) for active, p in group.patterns
            ]
            low = low + np.min([np.where(occurs, down, np.inf) for occurs, down, _ in sums], axis=0)
            high = high + np.max([np.where(occurs, up, -np.inf) for occurs, _, up in sums], axis=0)
        return low, high

    def cumulant(self, slopes: FloatArray, theta: FloatArray) -> FloatArray:
        """Return log E[e^{θ Z}], Z = Σ a_j x_j, for real θ of shape (R,)."""
        phi = real_transform(self.amplitude, theta[:, None] * slopes)
        # Not log1p of a difference, which loses what is left of features that are always on.
        with np.errstate(divide="ignore"):
            total = np.log(1 - self.on + self.on * phi).sum(axis=-1)
            for group in self.groups:
                total = total + np.log(sum(p * phi[:, list(active)].prod(axis=-1) for active, p in group.patterns))
        return np.asarray(total)

    def means(self) -> FloatArray:
        """Return E[x_j], shape (R, n)."""
        chance = np.array(self.on)
        for group in self.groups:
            for active, p in group.patterns:
                chance[:, list(active)] += p[:, None]
        return chance * np.float64(self.amplitude.mean)

    def with_sum(self, slopes: FloatArray) -> FloatArray:
        """Return E[x_j Z], Z = Σ a_k x_k, shape (R, n)."""
        n = slopes.shape[-1]
        mean, square = (
            np.broadcast_to(np.float64(part), (n,)) for part in (self.amplitude.mean, self.amplitude.second_moment)
        )
        means = self.means()
        inside, joint = slopes * means, self.on * square * slopes
        for group in self.groups:
            members = list(group.members)
            inside[:, members] = inside[:, members].sum(axis=-1, keepdims=True)
            for active, p in group.patterns:
                on = list(active)
                own = slopes[:, on]
                weighted = mean[on] * own
                rest = weighted.sum(axis=-1, keepdims=True) - weighted
                joint[:, on] += p[:, None] * (square[on] * own + mean[on] * rest)
        # E[x_j] E[Z − Z_B] + E[x_j Z_B], with the part Z_B of the feature's own block.
        return np.asarray(means * ((slopes * means).sum(axis=-1, keepdims=True) - inside) + joint)

    def with_one(self, own: NDArray[np.int64]) -> FloatArray:
        """Return E[x_i x_j] for each row's feature i, shape (R, n)."""
        return self.with_sum(np.asarray(own[:, None] == np.arange(self.on.shape[-1]), dtype=np.float64))

    def factors(self, xp: Any, convert: Any, phi: Array, loaded: Any) -> tuple[Array, Any]:
        """Return Π_B Q_B and loads ℓ_j.

        Args:
            xp: array namespace.
            convert: makes its arrays of NumPy's.
            phi: φ_j, shape (R, N, n).
            loaded: True for the loads of all features, an integer array of shape (R,) for one feature in each row, or
                None.

        Returns:
            Shape (R, N); shape (R, N, n), (R, N), or None.
        """
        on = convert(self.on)[:, None, :]
        blocks = on * phi
        blocks += 1 - on
        product = xp.prod(blocks, axis=-1)
        if bool((product == 0).any()):
            blocks = xp.where(blocks == 0, TINY, blocks)
            product = xp.prod(blocks, axis=-1)
        loads: Any = None
        rows = convert(np.arange(len(self.on)))
        if loaded is True:
            loads = on / blocks
        elif loaded is not None:
            at = convert(loaded)
            loads = on[rows, :, at] / blocks[rows, :, at]
        for group in self.groups:
            terms, block, safe = self._terms(xp, convert, phi, group)
            product = product * block
            if loaded is None:
                continue
            for j in group.members:
                load = sum(term for active, term in terms if j in active) / (block * safe[j])
                if loaded is True:
                    loads[..., j] = load
                else:
                    loads = xp.where(convert(loaded == j)[:, None], load, loads)
        return product, loads

    def _terms(
        self, xp: Any, convert: Any, phi: Array, group: Group
    ) -> tuple[list[tuple[ActivePattern, Array]], Array, dict[int, Array]]:
        """Return P_B(A) Π_{j∈A} φ_j for a group's patterns A, shape (R, N) each, their sum, and its members' φ_j."""
        terms: list[tuple[ActivePattern, Array]] = []
        # φ_j of a constant amplitude underflows where a_j is very negative.
        safe = {j: xp.where(phi[..., j] == 0, TINY, phi[..., j]) for j in group.members}
        for active, chance in group.patterns:
            term = 0 * phi[..., 0] + convert(chance)[:, None]
            for j in active:
                term = term * safe[j]
            terms.append((active, term))
        block = sum(term for _, term in terms)
        return terms, xp.where(block == 0, TINY, block), safe

    def pair_loads(
        self, xp: Any, convert: Any, phi: Array, mine: Array, own: NDArray[np.int64]
    ) -> Iterator[tuple[int, Array, Array]]:
        """Yield (∂²Q_B/∂φ_i∂φ_j) / Q_B for the features j that share a group with a row's own feature i.

        Args:
            xp: array namespace.
            convert: makes its arrays of NumPy's.
            phi: φ_j, shape (R, N, n).
            mine: φ_i, shape (R, N).
            own: i, shape (R,).

        Yields:
            A feature j, in which rows it is another one of i's group, shape (R, 1), and the quotient, shape (R, N),
            which is zero in other rows.
        """
        for group in self.groups:
            if not np.isin(own, group.members).any():
                continue
            terms, block, safe = self._terms(xp, convert, phi, group)
            mine = xp.where(mine == 0, TINY, mine)
            for j in group.members:
                together = np.isin(own, group.members) & (own != j)
                pair = 0 * block
                for active, term in terms:
                    if j in active:
                        pair = pair + convert(1.0 * (np.isin(own, active) & together))[:, None] * term
                yield j, convert(1.0 * together)[:, None], pair / (block * mine * safe[j])
