"""`tegum derive`: the exact loss as a formula, for people, papers and programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..terminal import LAST, Coverage, Json, ModelOptions, console, goes_without, print_json, say, with_groups

if TYPE_CHECKING:
    from tegum.theory.models import ToyModel

# A formula has symbols in their place.
SYMBOLS = ("density", "importance")
COVERED = Coverage("a formula is", "expected_loss takes any model", importances=LAST)


@with_groups
def derive(
    problem: ModelOptions,
    latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX.")] = False,
    code: Annotated[str | None, typer.Option("--code", help="Print a program: 'c' or 'javascript'.")] = None,
    as_json: Json = False,
) -> None:
    """Derive the exact loss as a formula of weights, biases, density p and the last feature's importance r."""
    from tegum.theory.derivation import derive_loss

    if code is not None:
        goes_without("--code", ("latex", "as_json"))
    if latex:
        goes_without("--latex", ("as_json",))
    model = _asked(problem)
    formula = derive_loss(model.n_features, model.n_hidden)
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
        print_json(_plain(model) | {"outputs": outputs})
        return
    say(_words(model))
    screen = console()
    for output in outputs:
        screen.print(f"E(x_{output['output']} - x'_{output['output']})²", style="bold")
        for region in output["regions"]:
            screen.print(f"  if {region['assumptions']}:", soft_wrap=True)
            screen.print(f"    {region['loss']}", soft_wrap=True)


def _asked(problem: ModelOptions) -> ToyModel:
    """Return the model that is asked for, of a density and importance that don't matter.

    Raises:
        ValueError: if the model is one whose loss isn't this formula.
    """
    goes_without("a formula, which has symbols for them,", SYMBOLS)
    return COVERED.check(problem.over(otherwise={"features": {"density": 1.0}}))


def _importances(n: int) -> list[int | str]:
    return [1] * (n - 1) + ["r"]


def _plain(model: ToyModel) -> dict[str, Any]:
    """Return the description of the model, which leaves density and importances open, and the symbols for these."""
    plain = {name: value for name, value in model.to_plain().items() if name != "importance"}
    plain["features"] = {name: value for name, value in plain["features"].items() if name != "density"}
    return {"model": plain, "symbols": {"density": "p", "importance": _importances(model.n_features)}}


def _words(model: ToyModel) -> str:
    """Return the model in full, with symbols for density and importance."""
    from tegum.theory.models import model_parts

    n = model.n_features
    importances = f"importance{'s' * (n > 1)} {', '.join(map(str, _importances(n)))}"
    return ", ".join((model_parts(model) | {"law": "independent, density p", "importance": importances}).values())
