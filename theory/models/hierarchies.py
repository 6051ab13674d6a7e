"""Features in trees: one can be on only if its parent is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numerics import check_count, members, shown
from .amplitudes import AnyAmplitude
from .independence import ActivePattern, product_chance
from .laws import DensityLaw
from .plain import FEW, WHOLE, array_of, check_keys, label_of, told, whole_of


@dataclass(frozen=True, eq=False)
class HierarchicalFeatures(DensityLaw):
    """Features of which each has a parent, or none, and is on only if that is: trees, independent of each other.

    Given that its parent is on, a feature is on with probability p_i / p_parent, independently of its siblings. Such
    features (an animal, a bird, an owl) are those on which sparse autoencoders are studied (arXiv:2409.14507,
    arXiv:2503.17547).

    Args:
        density: p_i = P(x_i ≠ 0), the marginal probability as in every other law, as for `IndependentFeatures`. That
            of a feature is at most that of its parent.
        parents: each feature's parent, numbered from 0; None or −1 for the root of a tree.
        amplitude: see `FeatureLaw`. Amplitudes are independent of each other.

    Raises:
        ValueError: if a density lies outside (0, 1] or exceeds the parent's, a parent isn't a feature, or features
            descend from themselves.

    Example:
        >>> law = HierarchicalFeatures([0.5, 0.25], [None, 0])
        >>> {active: float(probability) for active, probability in law.patterns(2)}
        {(): 0.5, (0,): 0.25, (0, 1): 0.25}
    """

    kind = "hierarchy"

    parents: Any = ()

    def __post_init__(self) -> None:
        """Validate densities and trees."""
        super().__post_init__()
        given = members("parents", self.parents, object, least=1)
        parents = [None if isinstance(parent, (int, np.integer)) and parent == -1 else parent for parent in given]
        n = len(parents)
        for parent in parents:
            if parent is not None:
                check_count("each of parents, numbered from 0, or None,", parent, 0, n - 1)
        object.__setattr__(self, "parents", tuple(None if parent is None else int(parent) for parent in parents))
        for i in range(n):
            seen, above = {i}, self.parents[i]
            while above is not None:
                if above in seen:
                    raise ValueError(f"parents must form trees, got feature {above} among its own ancestors")
                seen.add(above)
                above = self.parents[above]
        super().check(n)
        density = np.broadcast_to(self.density, (*self.batch_shape, n))
        for i, parent in enumerate(self.parents):
            if parent is not None and (density[..., i] > density[..., parent]).any():
                raise ValueError(
                    f"density of a feature must be at most its parent's, got {shown(density[..., i].tolist())} for "
                    f"feature {i} and {shown(density[..., parent].tolist())} for its parent {parent}"
                )

    def to_plain(self) -> dict[str, Any]:
        """Return densities and parents as JSON has them: −1 for none, which TOML has no word for."""
        parents = [-1 if parent is None else parent for parent in self.parents]
        return {**super().to_plain(), "parents": parents}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], amplitude: AnyAmplitude) -> HierarchicalFeatures:
        """Return the law of densities and parents; see `FeatureLaw.from_plain`."""
        found = check_keys(f"the law {cls.kind!r}", plain, ("density", "parents"))
        if not isinstance(found["parents"], list):
            raise ValueError(f"parents must be a list of features, −1 for none, got {shown(found['parents'])}")
        parents = [whole_of("a parent, numbered from 0, or −1,", parent) for parent in found["parents"]]
        density = array_of("density", found["density"])
        return cls(density, [None if parent == -1 else parent for parent in parents], amplitude=amplitude)

    def describe(self, features: Sequence[int] | None = None, /) -> str:
        """Return the law in a few words; see `FeatureLaw.describe`."""
        roots = sum(parent is None for parent in self.parents)
        trees = f"a hierarchy of {roots} tree{'s' * (roots != 1)}, {told('density', 'densities', self._exact)}"
        if len(self.parents) > FEW:
            return f"{trees}, {len(self.parents) - roots:,} features under others{WHOLE}"
        place = label_of(features)
        under = [f"{place(i)} under {place(above)}" for i, above in enumerate(self.parents) if above is not None]
        return f"{trees}, {', '.join(under)}" if under else trees

    def check(self, n_features: int) -> None:
        """Raise `ValueError` unless there is a parent, or None, for each feature."""
        super().check(n_features)
        if len(self.parents) != n_features:
            raise ValueError(f"parents must be {n_features}, one for each feature or None, got {len(self.parents)}")

    def chance_steps(self, n_features: int) -> int:
        """Return a bound on the rounded operations of a pattern's probability: a step in the tree has five."""
        return 5 * n_features

    @cached_property
    def _children(self) -> tuple[ActivePattern, ...]:
        found: list[list[int]] = [[] for _ in self.parents]
        for i, parent in enumerate(self.parents):
            if parent is not None:
                found[parent].append(i)
        return tuple(map(tuple, found))

    def _tree(self, root: int) -> ActivePattern:
        """Return a feature and all that descend from it, parents before children."""
        found = [root]
        for i in found:
            found += self._children[i]
        return tuple(found)

    def _root(self, feature: int) -> int:
        above = self.parents[feature]
        while above is not None:
            feature, above = above, self.parents[above]
        return feature

    def blocks(self, n_features: int) -> tuple[ActivePattern, ...]:
        """Return the trees."""
        return tuple(tuple(sorted(self._tree(i))) for i in range(n_features) if self.parents[i] is None)

    def block_patterns(
        self, block: ActivePattern, density: NDArray[Any]
    ) -> Iterator[tuple[ActivePattern, NDArray[Any]]]:
        """Yield the sets of features of (a part of) a tree that hold with each feature its ancestors among them."""
        tree = self._tree(self._root(block[0]))
        order = [i for i in tree if i in block]
        chance = self._chance_of(block, density)

        # What holds of the features so far, and how many these are: there may be more than Python calls functions deep.
        waiting: list[tuple[ActivePattern, int]] = [((), 0)]
        while waiting:
            active, place = waiting.pop()
            if place == len(order):
                pattern = tuple(sorted(active))
                yield pattern, chance(pattern)
                continue
            above = self.parents[order[place]]
            while above is not None and above not in block:
                above = self.parents[above]
            if above is None or above in active:
                waiting.append(((*active, order[place]), place + 1))
            waiting.append((active, place + 1))

    def _chance_of(self, block: ActivePattern, density: NDArray[Any]) -> Callable[[ActivePattern], NDArray[Any]]:
        """Return what gives the probability of a set of active features of (a part of) a tree, others summed over."""
        tree, chosen = self._tree(self._root(block[0])), frozenset(block)
        # Differences of what is given, and a quotient: nothing cancels that isn't in the densities.
        given = {}
        for i in tree:
            p, above = density[..., i], self.parents[i]
            given[i] = (
                (p, 1 - p)
                if above is None
                else (p / density[..., above], (density[..., above] - p) / density[..., above])
            )

        def chance(active: ActivePattern) -> NDArray[Any]:
            on = frozenset(active)
            # For each feature: probability of what is below it and itself, given that its parent is on; and whether
            # that has an active feature.
            below: dict[int, tuple[Any, bool]] = {}
            for i in reversed(tree):
                is_on, is_off = given[i]
                some, product = i in on, is_on
                for child in self._children[i]:
                    factor, busy = below[child]
                    product, some = product * factor, some or busy
                if i in chosen:
                    found = product if i in on else 0 * is_off if some else is_off
                else:
                    found = product if some else product + is_off
                below[i] = found, some
            return np.asarray(below[tree[0]][0])

        return chance

    def chances(
        self, n_features: int, *, among: Sequence[int] | None = None, exact: bool = False
    ) -> Callable[[ActivePattern], NDArray[Any]]:
        """Return what gives the probability of a set of active features: the product over the trees."""
        density, parts = self._parts(n_features, among, exact)
        states = [(part, self._chance_of(part, density)) for part in parts]
        return partial(product_chance, states, self.batch_shape, exact)

    def activity(self, n_features: int, samples: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Draw activity patterns, shape (samples, *batch_shape, n_features): one uniform number for each feature."""
        density = self.densities(n_features)
        left = rng.random((samples, *self.batch_shape, n_features))
        on = np.zeros(left.shape, dtype=bool)
        for i in (i for block in self.blocks(n_features) for i in self._tree(self._root(block[0]))):
            above = self.parents[i]
            if above is None:
                on[..., i] = left[..., i] < density[..., i]
            else:
                on[..., i] = on[..., above] & (left[..., i] * density[..., above] < density[..., i])
        return on
