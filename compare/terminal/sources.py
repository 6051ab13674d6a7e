"""What several sources say of one model: they fill in what others leave open, and have to agree where both speak."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from .laws import COUNTED, GROUPED, LAWS

# What stands in a description under `features`.
OF_LAW = ("law", "density", "groups", "active", "amplitude")
# Characters of a value that are told.
LONGEST = 100

Plain = dict[str, Any]


def flat(plain: Mapping[str, Any]) -> Plain:
    """Return a description with the keys of its law beside the others.

    Raises:
        ValueError: if its law is no mapping.
    """
    own = {name: value for name, value in plain.items() if name not in ("format", "features")}
    law = plain.get("features", {})
    if not isinstance(law, Mapping):
        raise ValueError(f"features of a description must be a mapping, got {law!r}")
    return own | dict(law)


def joined(said: Mapping[str, Any], more: Mapping[str, Any], names: Mapping[str, str], where: str) -> Plain:
    """Return what two sources say together.

    Args:
        said: what the first says.
        more: what the second says.
        names: what to call each entry of the second.
        where: what to call the first.

    Raises:
        ValueError: if they say different things of one parameter.
    """
    for name, value in more.items():
        if name in said and not _same(name, said[name], value):
            raise ValueError(
                f"{names[name]} contradicts {where}, where {name} is {_short(name, said[name])}: leave one of the two "
                "out"
            )
        other = "law" in said and "law" not in more and name in OF_LAW and name not in (*said, "amplitude")
        if other and not (said["law"] in LAWS and takes(said["law"], name)):
            raise ValueError(f"{names[name]} doesn't go with {where}, where the law is {said['law']}: leave it out")
    return {**more, **said}


def _same(name: str, one: Any, other: Any) -> bool:
    """Return whether two values of a parameter mean the same."""
    import numpy as np

    from tegum.theory.models import PENALTIES, FeatureAmplitudes, amplitude_from_plain

    if name == "amplitude":
        both = (amplitude_from_plain(value) for value in (one, other))
        # A list of equal amplitudes is one amplitude.
        mine, theirs = (size.of(len(size.each)) if isinstance(size, FeatureAmplitudes) else size for size in both)
        return mine == theirs
    if name == "groups":
        return sorted(map(sorted, one)) == sorted(map(sorted, other))
    if name in ("density", "importance", *PENALTIES):
        a, b = (np.asarray(_floats(value), dtype=np.float64) for value in (one, other))
        try:
            return np.broadcast_shapes(a.shape, b.shape) in (a.shape, b.shape) and bool((a == b).all())
        except ValueError:
            return False
    return bool(one == other)


def _floats(value: Any) -> Any:
    return [_floats(part) for part in value] if isinstance(value, list) else float(Fraction(value))


def _short(name: str, value: Any) -> str:
    """Return a value in words; no number is cut."""
    from tegum.theory.models import PENALTIES, values_told

    if name in ("density", "importance", *PENALTIES):
        return values_told(value)
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rpartition(',')[0]}, …"


def takes(law: str, name: str) -> bool:
    """Return whether a law has a parameter."""
    return {
        "density": law not in COUNTED,
        "groups": law in GROUPED,
        "active": law == "k-hot",
    }.get(name, True)


def check_law(plain: Mapping[str, Any], *, whole: bool) -> None:
    """Raise `ValueError` unless there is all that a law takes, and nothing else."""
    law = plain["law"]
    if ("groups" in plain) != takes(law, "groups"):
        got = f"--law {law} and {len(plain.get('groups', ()))} groups"
        raise ValueError(f"--group 1,2 goes with --law {' or '.join(GROUPED)}, and they with it: got {got}")
    if ("active" in plain) != takes(law, "active"):
        raise ValueError(
            f"--active goes with --law k-hot, and it with --active: got --law {law}, --active {plain.get('active')}"
        )
    if "density" in plain and not takes(law, "density"):
        raise ValueError(f"--law {law} sets how many features are on, and takes no --density: leave it out")
    if whole and "density" not in plain and takes(law, "density"):
        raise ValueError(f"--law {law} needs a --density, got none; a file that has it is given as --model")
