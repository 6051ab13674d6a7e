"""Training by options that are told apart by their names alone, as tables of cases have them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from tegum.empirical.runs import Optimisation, Sampling, Session

GROUPS: dict[str, Any] = {"optimisation": Optimisation, "sampling": Sampling, "session": Session}


def arguments(**options: Any) -> dict[str, Any]:
    """Return the arguments of `train` for options by name: those of its records are put into them."""
    groups = {}
    for group, kind in GROUPS.items():
        own = {field.name: options.pop(field.name) for field in fields(kind) if field.name in options}
        if own:
            groups[group] = kind(**own)
    return options | groups
