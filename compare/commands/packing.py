"""The command `tegum packing`. Heavy imports wait until it runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import console, print_json, print_table

if TYPE_CHECKING:
    from tegum.theory.packing import Packed, Transition

# Where packings are computed along 1/(1−S) if no density is given.
LOWEST, HIGHEST, POINTS = 1.01, 1000.0, 30
# What is told of a finite packing.
FINITE = ("copies", "stored", "used", "loss", "status")


def show_packing(density: float, amplitude: str, sizes: tuple[int, int] | None, *, as_json: bool) -> None:
    """Print what every polytope of the atlas saves at one density, and the best finite packing if sizes are given."""
    from tegum.theory.packing import best_packing, finite_packing

    if sizes is not None and min(sizes) < 1:
        raise ValueError(f"sizes must be positive, got --features {sizes[0]}, --hidden {sizes[1]}")
    packing = best_packing(density, amplitude=amplitude)
    finite = None if sizes is None else finite_packing(*sizes, packing)
    if as_json:
        found: dict[str, Any] = {"density": density, "polytopes": [_plain(one) for one in packing.polytopes]}
        if finite is not None:
            found["finite"] = {name: getattr(finite, name) for name in FINITE}
        print_json(found)
        return
    rows = [
        [one.name, f"{one.dim}/{one.corners}", f"{one.gain:.10g}", f"{one.scale:.4f}", f"{one.bias:.4f}", one.status]
        for one in packing.polytopes
    ]
    columns = ["polytope", "d/k", "saved for each dimension", "squared length", "bias", "status"]
    print_table(f"Polytopes of equal features at density {density:g}", columns, rows)
    if finite is not None:
        copies = ", ".join(f"{count} × {name}" for name, count in finite.copies.items()) or "nothing"
        stored = f"{finite.stored} features in {finite.used} dimensions"
        console().print(f"Best for {sizes}: {copies}; {stored}, loss {finite.loss:.10g}.")


def show_transitions(out: Path, amplitude: str, report: Callable[[str, float], None], *, as_json: bool) -> None:
    """Compute the best packing along 1/(1−S), draw it, and print where it changes."""
    from numpy import geomspace

    from tegum.theory.packing import packing_transitions

    from ..figures import packing_figure, save_figure

    out.mkdir(parents=True, exist_ok=True)
    places = 1 + geomspace(LOWEST - 1, HIGHEST - 1, POINTS)
    packings, transitions = packing_transitions(
        places, amplitude=amplitude, on_progress=lambda share: report("packings", share)
    )
    account = {"amplitude": amplitude, "transitions": [dict(vars(one)) for one in transitions]}
    (out / "packing.json").write_text(json.dumps(account, indent=2) + "\n")
    save_figure(packing_figure(packings, transitions), out / "packing.png")
    if as_json:
        print_json(account)
        return
    _print(transitions, packings[0].best.name)
    console().print(f"Wrote {out / 'packing.png'}, {out / 'packing.json'}.", soft_wrap=True)


def _print(transitions: tuple[Transition, ...], first: str) -> None:
    rows = [[first, "", ""]]
    rows += [[one.after, f"{one.inverse_density:.10g}", f"{one.error:.0e}"] for one in transitions]
    print_table("The best packing of equal features, n ≫ m", ["phase", "from 1/(1−S)", "error"], rows)


def _plain(one: Packed) -> dict[str, Any]:
    # JSON has no NaN.
    return {name: None if value != value else value for name, value in vars(one).items()}
