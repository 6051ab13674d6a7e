"""`tegum derive`: the exact loss as a formula, for people, papers and programs."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from ..terminal import Json, ModelOptions, console, goes_without, print_json, with_groups

# A formula has symbols in their place.
SYMBOLS = ("density", "importance")
# What a formula is of, and what takes all else.
COVERED = "a formula is of independent features, uniform on [0, 1], without penalties (expected_loss takes any model)"


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
    n, m = _sizes(problem)
    formula = derive_loss(n, m)
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
        print_json({"model": _model(n, m), "outputs": outputs})
        return
    screen = console()
    screen.print(_words(n, m), soft_wrap=True)
    for output in outputs:
        screen.print(f"E(x_{output['output']} - x'_{output['output']})²", style="bold")
        for region in output["regions"]:
            screen.print(f"  if {region['assumptions']}:", soft_wrap=True)
            screen.print(f"    {region['loss']}", soft_wrap=True)


def _sizes(problem: ModelOptions) -> tuple[int, int]:
    """Return the numbers of features and hidden dimensions that are asked for.

    Raises:
        ValueError: if the model is one whose loss isn't this formula.
    """
    goes_without("a formula, which has symbols for them,", SYMBOLS)
    plain = problem.described(whole=False)
    from tegum.theory.models import AMPLITUDES, ToyModel, amplitude_from_plain

    law = plain["features"]["law"]
    if law != "independent":
        raise ValueError(f"{COVERED}, got the law {law}")
    amplitude = amplitude_from_plain(plain["features"].get("amplitude", "uniform"))
    if amplitude != AMPLITUDES["uniform"]:
        raise ValueError(f"{COVERED}, got amplitudes {amplitude.describe()}")
    # Any density will do to look at the rest.
    model = ToyModel.from_plain({**plain, "features": {**plain["features"], "density": 1}})
    model.check_plain("a formula", "bias", "targets", "reduction")
    if model.has_penalty:
        raise ValueError(f"{COVERED}, got {model.describe()}")
    if (model.importances()[..., :-1] != 1).any():
        raise ValueError(f"a formula is of importances 1, …, 1, r, got {model.describe()}")
    return model.n_features, model.n_hidden


def _model(n: int, m: int) -> dict[str, Any]:
    law = {"law": "independent", "density": "p", "amplitude": "uniform"}
    return {"n_features": n, "n_hidden": m, "features": law, "importance": [1] * (n - 1) + ["r"]}


def _words(n: int, m: int) -> str:
    importances = ", ".join(["1"] * (n - 1) + ["r"])
    return (
        f"{n} feature{'s' * (n > 1)} in {m} dimension{'s' * (m > 1)}, independent, density p, uniform on [0, 1], "
        f"importance{'s' * (n > 1)} {importances}, no penalties"
    )
