"""`tegum derive`: the exact loss as a formula, for people, papers and programs."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from ..terminal import Features, Hidden, Json, console, goes_without, print_json


def derive(
    features: Features = 2,
    hidden: Hidden = 1,
    latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX.")] = False,
    code: Annotated[str | None, typer.Option("--code", help="Print a program: 'c' or 'javascript'.")] = None,
    as_json: Json = False,
) -> None:
    """Derive the exact loss as a formula, region by region."""
    from tegum.theory.derivation import derive_loss

    if code is not None:
        goes_without("--code", ("latex", "as_json"))
    if latex:
        goes_without("--latex", ("as_json",))
    formula = derive_loss(features, hidden)
    if code is not None:
        sys.stdout.write(formula.code(code))
        return
    if latex:
        sys.stdout.write(formula.latex() + "\n")
        return
    outputs: list[dict[str, Any]] = [
        {
            "output": output.feature + 1,
            "regions": [{"assumptions": str(r.assumptions), "loss": str(r.expression)} for r in output.regions],
        }
        for output in formula.outputs
    ]
    if as_json:
        print_json(outputs)
        return
    screen = console()
    for output in outputs:
        screen.print(f"E(x_{output['output']} - x'_{output['output']})²", style="bold")
        for region in output["regions"]:
            screen.print(f"  if {region['assumptions']}:", soft_wrap=True)
            screen.print(f"    {region['loss']}", soft_wrap=True)
