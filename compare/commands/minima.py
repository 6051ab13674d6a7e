"""`tegum minima`: all local minima of the exact loss at one point of the phase diagram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..terminal import Density, Features, Hidden, Importance, Json, print_json, print_table

if TYPE_CHECKING:
    from tegum.theory.minima import CriticalPoint


def minima(
    density: Density,
    importance: Importance = 1.0,
    features: Features = 2,
    hidden: Hidden = 1,
    as_json: Json = False,
) -> None:
    """List all local minima of the exact loss at one point."""
    from tegum.theory.minima import local_minima
    from tegum.theory.models import diagram_model

    points = local_minima(diagram_model(features, hidden, density, importance))
    if as_json:
        print_json([_plain(point) for point in points])
        return
    rows = [
        [p.phase, f"{p.loss:.10g}", _vector(p.weights), _vector(p.bias), f"{p.gradient_norm:.0e}", p.status]
        for p in points
    ]
    title = f"Local minima at density {density:g}, relative importance {importance:g}"
    print_table(title, ["phase", "loss", "weights", "bias", "gradient", "status"], rows)


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
