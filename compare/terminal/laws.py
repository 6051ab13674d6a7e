"""What the options of an input law may be: which features are active together, and how large they are then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Laws that take groups of features.
GROUPED = ("correlated", "anticorrelated")
# How many features are on is fixed by the law itself.
COUNTED = ("one-hot", "k-hot")
LAWS = ("independent", *GROUPED, *COUNTED)


def groups_of(texts: Sequence[str], n_features: int) -> list[list[int]]:
    """Return groups of features, numbered from 0.

    Raises:
        ValueError: if they are no groups of features that are there.
    """
    wrong = f"--group must be features from 1 to {n_features} as 1,2, each in one group only, got {', '.join(texts)}"
    try:
        groups = [[int(part) for part in text.split(",")] for text in texts]
    except ValueError:
        raise ValueError(wrong) from None
    members = [i for group in groups for i in group]
    if len(set(members)) < len(members) or not all(1 <= i <= n_features for i in members):
        raise ValueError(wrong)
    return [[i - 1 for i in group] for group in groups]


def amplitude_of(text: str) -> Any:
    """Return what a description says of an amplitude, or of those of all features, which commas part.

    Raises:
        ValueError: if ends are no numbers.
    """
    parts = [_plain_amplitude(part) for part in text.split(",")]
    return parts if len(parts) > 1 else parts[0]


def _plain_amplitude(text: str) -> Any:
    """Return an amplitude as JSON has it: its name, or that of its two ends.

    Raises:
        ValueError: if the ends are no numbers.
    """
    if ":" not in text:
        return text.strip()
    from tegum.theory.models import Amplitude

    try:
        low, high = (float(end) for end in text.split(":"))
    except ValueError:
        raise ValueError(
            "--amplitude must be uniform, symmetric, constant or LOW:HIGH, or one of these for each feature, "
            f"got {text!r}"
        ) from None
    return Amplitude(low, high).to_plain()
