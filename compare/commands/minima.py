"""`tegum minima`: all local minima of the exact loss of one model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..terminal import Json, ModelOptions, print_json, print_table, say, single, with_groups

if TYPE_CHECKING:
    from tegum.theory.minima import CriticalPoint


@with_groups
def minima(problem: ModelOptions, as_json: Json = False) -> None:
    """List all local minima of the exact loss of one model."""
    from tegum.theory.minima import local_minima

    model = single(problem.over(), "minima are searched for")
    points = local_minima(model)
    if as_json:
        print_json({"model": model.to_plain(), "minima": [_plain(point) for point in points]})
        return
    rows = [
        [p.phase, f"{p.loss:.10g}", _vector(p.weights), _vector(p.bias), f"{p.gradient_norm:.0e}", p.status]
        for p in points
    ]
    columns = ["phase", "loss", "weights", "bias", "gradient", "status"]
    say(model.describe())
    print_table("Local minima", columns, rows)


def _plain(point: CriticalPoint) -> dict[str, Any]:
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
    }


def _vector(values: Any) -> str:
    return " ".join(f"{round(value, 4) + 0.0:.4f}" for value in values.ravel())
