"""`tegum boundary`: curves between two phases or of one, or all that is known about a plane's boundaries."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import console, print_json, print_table

if TYPE_CHECKING:
    from tegum.theory.boundaries import BoundaryCurve, BoundaryMap, BoundarySegment, SpecialPoint
    from tegum.theory.models import Plane

MOST_PHASES = 2


@dataclass(frozen=True)
class PlaneOptions:
    """What a plane is made of, as options say it.

    Attributes:
        x: "NAME=LOW:HIGH" or "NAME=LOW:HIGH:SCALE", or None for density.
        y: the same, or None for importance.
        density: where it doesn't vary.
        importance: of the last feature, where it doesn't vary.
        penalty: on interference, where it doesn't vary.
    """

    x: str | None
    y: str | None
    density: float
    importance: float
    penalty: float


def chosen_plane(options: PlaneOptions, features: int, hidden: int) -> Plane | None:
    """Return the plane that options ask for; None for that of density and importance.

    Raises:
        ValueError: if an option can't be read, or a range doesn't suit its parameter.
    """
    from tegum.theory.minima import check_superposition
    from tegum.theory.models import IndependentFeatures, Plane, ToyModel

    check_superposition(features, hidden)
    if options.x is None and options.y is None and not options.penalty:
        return None
    model = ToyModel(
        features,
        hidden,
        IndependentFeatures(options.density),
        importance=(*[1.0] * (features - 1), options.importance),
        interference_penalty=options.penalty,
    )
    x, y = options.x or "density=0.01:1", options.y or "importance=0.1:10"
    return Plane.of(model, x=_axis("--x", x), y=_axis("--y", y))


def _axis(option: str, text: str) -> tuple[Any, ...]:
    """Return name, low, high and perhaps the scale that an option names."""
    name, _, rest = text.partition("=")
    parts = rest.split(":")
    try:
        low, high = (float(part) for part in parts[:2])
        finite = math.isfinite(low) and math.isfinite(high)
    except ValueError:
        finite = False
    if not finite or len(parts) > 3:
        raise ValueError(f"{option} must be NAME=LOW:HIGH, with :log or :linear if need be, got {text!r}")
    return (name.strip(), low, high, *parts[2:])


def show_curves(phases: list[str], options: PlaneOptions, features: int, hidden: int, *, as_json: bool) -> None:
    """Print the limits of stability of one phase, or the coexistence curves of two.

    Raises:
        ValueError: if there are more than two phases, or one is unknown.
    """
    plane = chosen_plane(options, features, hidden)
    if len(phases) > MOST_PHASES:
        raise ValueError(f"expected one or two phases, or none for all boundaries, got {len(phases)}")
    boundaries = _map_of(plane, features, hidden)
    curves = boundaries.stability(*phases) if len(phases) == 1 else boundaries.coexistence(*phases)
    if as_json:
        print_json([curve_json(curve) for curve in curves])
        return
    rows = [
        [
            f"{c.kind}: {' | '.join(c.phases)} ({c.mechanism})",
            str(len(c.x)),
            f"{c.residual.max():.1e}",
            f"{c.error.max():.1e}",
            c.reason,
        ]
        for c in curves
    ]
    print_table("Exact boundaries", ["curve", "points", "residual", "error", "ends"], rows)


def show_map(options: PlaneOptions, features: int, hidden: int, figure: Path | None, *, as_json: bool) -> None:
    """Print all special points and boundaries of a plane, and draw them on request."""
    if figure is not None:
        _check_figure(figure)
    boundaries = _map_of(chosen_plane(options, features, hidden), features, hidden)
    if figure is not None:
        from ..figures import boundary_figure, save_figure

        save_figure(boundary_figure(boundaries), figure)
    if as_json:
        print_json(map_json(boundaries))
        return
    print_special_points(boundaries)
    print_segments(boundaries)
    if figure is not None:
        console().print(f"figure: {figure}", soft_wrap=True)


def _map_of(plane: Plane | None, features: int, hidden: int) -> BoundaryMap:
    """Return the map of a plane, or of density and importance."""
    from tegum.theory.boundaries import boundary_map

    return boundary_map(plane=plane, n_features=features, n_hidden=hidden)


def _check_figure(path: Path) -> None:
    """Raise `ValueError` before long work if a figure can't be written in the format that its name asks for."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    known = sorted(FigureCanvasAgg.get_supported_filetypes())
    if path.suffix.removeprefix(".") not in known:
        raise ValueError(f"--figure must end in one of {', '.join('.' + kind for kind in known)}, got {str(path)!r}")


def print_special_points(boundaries: BoundaryMap) -> None:
    """Print the special points as a table, those of the optimum numbered as in the figure."""
    plane, rows, number = boundaries.plane, [], 0
    for point in boundaries.special_points:
        number += point.cheapest
        rows.append(
            [
                str(number) if point.cheapest else "",
                point.kind,
                " | ".join(point.phases),
                f"{point.x:.10f}",
                f"{point.y:.10f}",
                f"{point.error.max():.0e}",
                f"{point.residual:.0e}",
            ]
        )
    columns = ["no.", "special point", "what meets", *plane.names, "error", "residual"]
    print_table("Special points; those without a number lie among minima that aren't the cheapest", columns, rows)


def print_segments(boundaries: BoundaryMap) -> None:
    """Print the boundaries of the optimum as a table."""
    rows = []
    for piece in boundaries.segments:
        if piece.exponents is not None:
            found = piece.exponents
            what = (
                f"size ~ δ^{found.order:.4f}±{found.order_error:.0e}, loss ~ δ^{found.loss:.3f}±{found.loss_error:.0e}"
            )
        else:
            what = f"W jumps by {piece.jump.min():.4f} to {piece.jump.max():.4f}"
        begin, end = (
            f"({piece.x[k]:.5g}, {piece.y[k]:.5g}) {name}" for k, name in zip((0, -1), piece.ends, strict=True)
        )
        rows.append([" | ".join(piece.phases), piece.kind, begin, end, what])
    print_table("Boundaries of the cheapest minimum", ["phases", "transition", "from", "to", "measured"], rows)


def curve_json(curve: BoundaryCurve) -> dict[str, Any]:
    """Return a curve for JSON."""
    return {
        "kind": curve.kind,
        "phases": list(curve.phases),
        "mechanism": curve.mechanism,
        "status": curve.status,
        "reason": curve.reason,
        curve.axes[0]: curve.x.tolist(),
        curve.axes[1]: curve.y.tolist(),
        "residual": curve.residual.tolist(),
        "error": curve.error.tolist(),
        "cheapest": curve.cheapest.tolist(),
    }


def point_json(point: SpecialPoint) -> dict[str, Any]:
    """Return a special point for JSON."""
    return {
        "kind": point.kind,
        "phases": list(point.phases),
        point.axes[0]: point.x,
        point.axes[1]: point.y,
        "loss": point.loss,
        "residual": point.residual,
        "error": point.error.tolist(),
        "cheapest": point.cheapest,
        "states": point.states.tolist(),
        "curves": list(point.curves),
        "exponents": None if point.exponents is None else vars(point.exponents),
    }


def segment_json(piece: BoundarySegment) -> dict[str, Any]:
    """Return a piece of a boundary for JSON."""
    return {
        "transition": piece.kind,
        "phases": list(piece.phases),
        piece.axes[0]: piece.x.tolist(),
        piece.axes[1]: piece.y.tolist(),
        "ends": list(piece.ends),
        "jump": piece.jump.tolist(),
        "slope_jump": piece.slope_jump.tolist(),
        "exponents": None if piece.exponents is None else vars(piece.exponents),
    }


def map_json(boundaries: BoundaryMap) -> dict[str, Any]:
    """Return all that is known for JSON."""
    return {
        "axes": list(boundaries.plane.names),
        "special_points": [point_json(point) for point in boundaries.special_points],
        "segments": [segment_json(piece) for piece in boundaries.segments],
        "curves": [curve_json(curve) for curve in boundaries.curves],
    }
