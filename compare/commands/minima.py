"""`tegum minima`: the local minima of the exact loss of one model."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..terminal import Json, ModelOptions, Stages, print_json, print_table, say, single, with_groups

if TYPE_CHECKING:
    from tegum.theory.minima import FoundMinimum


Unseen = Annotated[
    float,
    typer.Option(
        help="Go on until this share of further starts is estimated to lead to something new, or 4,096 are done."
    ),
]
Separately = Annotated[
    bool, typer.Option("--copies", help="List all copies under exchanges of equal features, not one of each.")
]
# Features from which on weights have too many columns to stand in a table; --json has them.
MANY = 4


@with_groups
def minima(problem: ModelOptions, unseen: Unseen = 0.01, copies: Separately = False, as_json: Json = False) -> None:
    """Search for the local minima of the exact loss of one model, and say how far the list can be trusted."""
    from tegum.theory.minima import local_minima

    model = single(problem.over(), "minima are searched for")
    with Stages() as stages:
        report = partial(stages.report, "starts") if model.n_features >= MANY else None
        points = local_minima(model, unseen=unseen, merged=not copies, report=report)
    told = points.coverage
    if as_json:
        found = {
            "starts": told.draws,
            "unseen": told.unseen,
            "most_unseen": told.most_unseen,
            "unended": points.unended if points.remark else None,
        }
        print_json({"model": model.to_plain(), "minima": [_plain(point) for point in points], "search": found})
        return
    columns = ["phase", "loss", "weights", "bias", "gradient", "status", "hits", "copies"]
    rows = [
        [
            *(p.phase, f"{p.loss:.10g}", _vector(p.weights), _vector(p.bias)),
            *(f"{p.gradient_norm:.0e}", p.status, str(p.hits), str(p.copies)),
        ]
        for p in points
    ]
    if model.n_features >= MANY:
        columns = [*columns[:2], *columns[5:]]
        rows = [[*row[:2], *row[5:]] for row in rows]
    say(model.describe())
    print_table("Local minima", columns, rows)
    say(
        f"{told.draws} independent starts; hits: how many of them led there, 0 where only others did. "
        f"{told.unseen:.2g} of further ones would lead elsewhere (estimate), at most {told.most_unseen:.2g} with "
        "95 % confidence."
    )
    if points.remark:
        say(f"{points.remark[0].upper()}{points.remark[1:]}.")


def _plain(point: FoundMinimum) -> dict[str, Any]:
    return {
        "phase": point.phase,
        "loss": point.loss,
        "weights": point.weights.tolist(),
        "bias": point.bias.tolist(),
        "gradient_norm": point.gradient_norm,
        "hessian_eigenvalues": point.hessian_eigenvalues.tolist(),
        "curvature": point.curvature,
        "status": point.status,
        "reason": point.reason,
        "hits": point.hits,
        "copies": point.copies,
    }


def _vector(values: Any) -> str:
    return " ".join(f"{round(value, 4) + 0.0:.4f}" for value in values.ravel())
