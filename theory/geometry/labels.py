"""The text of a phase label: factors by name, with their features where these are few, and counted where not.

Up to six features every factor lists its own: "axis(1) + digon(2,3)". Beyond that equal factors are counted, and one
that is alone of its kind has its features in runs: "5 axes + 15 dropped", "3 digons + pentagon(2-6)".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

# Features up to which a label lists them all.
MOST_LISTED = 6
# Runs of features up to which a factor of a larger model lists them, and sizes of clusters that are told apart.
MOST_RUNS, MOST_SIZES = 6, 2
PLURALS = {
    "axis": "axes",
    "merged": "merged pairs",
    "tetrahedron": "tetrahedra",
    "icosahedron": "icosahedra",
    "cuboctahedron": "cuboctahedra",
    "dodecahedron": "dodecahedra",
    "drop": "dropped",
    "dead": "dead",
}
# Features that aren't stored come last.
NOT_STORED = ("drop", "dead")


@dataclass(frozen=True)
class PhaseFactor:
    """A part of a model that a phase label names.

    Attributes:
        name: of its shape, or "drop" or "dead" (`phase`).
        features: its features, ascending, counted from 0.
    """

    name: str
    features: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many features it has."""
        return len(self.features)


def label_of(factors: Sequence[PhaseFactor], n_features: int) -> str:
    """Return the label of factors that are ordered by their first feature."""
    if n_features <= MOST_LISTED:
        return " + ".join(f"{one.name}({','.join(str(i + 1) for i in one.features)})" for one in factors)
    # What is stored by size, clusters last among equals, and then what isn't.
    kinds: dict[tuple[bool, int, str], list[PhaseFactor]] = {}
    for one in factors:
        key = one.name in NOT_STORED, one.size, one.name
        kinds.setdefault(key, []).append(one)
    clusters = sorted(size for _, size, name in kinds if name == "cluster")
    parts: list[str] = []
    for (last, size, name), members in sorted(kinds.items()):
        if name == "cluster" and len(clusters) > MOST_SIZES:
            if size == clusters[-1]:
                total = sum(len(kinds[last, one, name]) for one in clusters)
                parts.append(f"{total} clusters of {clusters[0]} to {clusters[-1]}")
        elif len(members) == 1:
            parts.append(_alone(members[0]))
        else:
            parts.append(_counted(name, size, len(members)))
    return " + ".join(parts)


def _counted(name: str, size: int, count: int) -> str:
    """Return "5 axes"."""
    if name == "cluster":
        return f"{count} clusters of {size}"
    if name[0].isdigit():
        return f"{count} × {name}"
    return f"{count} {PLURALS.get(name, f'{name}s')}"


def _alone(one: PhaseFactor) -> str:
    """Return "pentagon(2-6)"."""
    runs = []
    # Features in a row differ from their places by one number.
    for _, group in groupby(enumerate(one.features), lambda pair: pair[1] - pair[0]):
        run = [feature + 1 for _, feature in group]
        runs.append(f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}" if len(run) > 2 else f"{run[0]},{run[-1]}")
    if len(runs) <= MOST_RUNS:
        return f"{one.name}({','.join(runs)})"
    return f"cluster of {one.size}" if one.name == "cluster" else f"1 {one.name}"
