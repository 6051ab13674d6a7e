"""The options of an input law: which features are active together, and how large they are then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tegum.theory.models import Amplitude, FeatureLaw

GROUPED = ("correlated", "anticorrelated")
# How many features are on is fixed by the law itself.
COUNTED = ("one-hot", "k-hot")
LAWS = ("independent", *GROUPED, *COUNTED)


@dataclass(frozen=True)
class LawOptions:
    """What an input law is called.

    Attributes:
        law: one of `LAWS`.
        group: features of each group, numbered from 1, as "1,2".
        amplitude: a name that a law knows, or LOW:HIGH.
    """

    law: Annotated[str, typer.Option(help=f"Which features are active together: {', '.join(LAWS)}.")] = "independent"
    group: Annotated[
        list[str] | None,
        typer.Option(help="Features of a correlated or anticorrelated group, from 1, as 1,2; once for each group."),
    ] = None
    amplitude: Annotated[
        str, typer.Option(help="Size of an active feature: uniform, symmetric, constant or LOW:HIGH.")
    ] = "uniform"

    def maker(self, n_features: int, active: int | None = None) -> Callable[[Any], FeatureLaw]:
        """Return the function from densities to the law.

        Args:
            n_features: how many features there are; of several models, the fewest.
            active: how many are on at once, for "k-hot".

        Returns:
            A function that takes densities as `IndependentFeatures` does; "one-hot" and "k-hot" don't look at them.

        Raises:
            ValueError: if there is no such law, or options are missing, don't go with it or don't fit the features.
        """
        from tegum.theory.models import (
            AnticorrelatedFeatures,
            CorrelatedFeatures,
            IndependentFeatures,
            KHotFeatures,
            OneHotFeatures,
        )

        law, group = self.law, self.group or ()
        if law not in LAWS:
            raise ValueError(f"--law must be one of {', '.join(LAWS)}, got {law!r}")
        if (law in GROUPED) != bool(group):
            got = f"--law {law} and {len(group)} groups"
            raise ValueError(f"--group 1,2 goes with --law {' or '.join(GROUPED)}, and they with it: got {got}")
        if (law == "k-hot") != (active is not None):
            got = f"--law {law}, --active {active}"
            raise ValueError(f"--active goes with --law k-hot, and it with --active: got {got}")
        size = _amplitude(self.amplitude)
        if law in GROUPED:
            groups = _groups(group, n_features)
            kind = CorrelatedFeatures if law == "correlated" else AnticorrelatedFeatures
            return lambda density: kind(density, groups, amplitude=size)
        if law == "independent":
            return lambda density: IndependentFeatures(density, amplitude=size)
        hot = OneHotFeatures(amplitude=size) if active is None else KHotFeatures(active, amplitude=size)
        return lambda _: hot


def _groups(texts: Sequence[str], n_features: int) -> list[list[int]]:
    """Return groups of features, numbered from 0."""
    wrong = f"--group must be features from 1 to {n_features} as 1,2, each in one group only, got {', '.join(texts)}"
    try:
        groups = [[int(part) for part in text.split(",")] for text in texts]
    except ValueError:
        raise ValueError(wrong) from None
    members = [i for group in groups for i in group]
    if len(set(members)) < len(members) or not all(1 <= i <= n_features for i in members):
        raise ValueError(wrong)
    return [[i - 1 for i in group] for group in groups]


def _amplitude(text: str) -> Amplitude | str:
    if ":" not in text:
        return text
    from tegum.theory.models import Amplitude

    try:
        low, high = (float(end) for end in text.split(":"))
    except ValueError:
        raise ValueError(f"--amplitude must be uniform, symmetric, constant or LOW:HIGH, got {text!r}") from None
    return Amplitude(low, high)
