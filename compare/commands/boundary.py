"""`tegum boundary`: curves between two phases or of one, or all that is known about a plane's boundaries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ..terminal import (
    Json,
    ModelOptions,
    console,
    goes_without,
    print_json,
    print_table,
    ranged,
    say,
    single,
    taken,
    with_groups,
)

if TYPE_CHECKING:
    from tegum.theory.boundaries import BoundaryCurve, BoundaryMap, BoundarySegment, SpecialPoint
    from tegum.theory.models import Plane, ToyModel

MOST_PHASES = 2
# What a plane is made of unless options say otherwise, and what doesn't vary in it.
X, Y = "density=0.01:1", "importance=0.1:10"
DENSITY = 0.3


@dataclass(frozen=True)
class PlaneOptions:
    """What varies in a plane: "NAME=LOW:HIGH[:SCALE]" along each axis."""

    x: Annotated[
        str | None,
        typer.Option(
            "--x",
            help="First parameter, as NAME=LOW:HIGH, with :log or :linear behind it if need be. Names are density, "
            "importance (of the last feature), density.2 or importance.2 of one feature, importance.2,3 of several, "
            f"interference_penalty and weight_penalty. Default {X}.",
        ),
    ] = None
    y: Annotated[str | None, typer.Option("--y", help=f"Second parameter, likewise. Default {Y}.")] = None


class AskedPlane(NamedTuple):
    """A plane, and the model that holds what doesn't vary in it.

    Attributes:
        plane: None for that of density and importance.
        model: the model.
    """

    plane: Plane | None
    model: ToyModel

    def map(self) -> BoundaryMap:
        """Return the boundaries of the plane, traced when they are asked for."""
        from tegum.theory.boundaries import boundary_map

        return boundary_map(plane=self.plane, n_features=self.model.n_features, n_hidden=self.model.n_hidden)

    def words(self, boundaries: BoundaryMap) -> str:
        """Return what varies, and the model in full otherwise."""
        x, y = boundaries.plane.x, boundaries.plane.y
        ranges = " and ".join(f"{axis.name} from {axis.low:g} to {axis.high:g}" for axis in (x, y))
        return f"{ranges}; otherwise {self.model.describe()}"


def asked_plane(plane: PlaneOptions, problem: ModelOptions) -> AskedPlane:
    """Return the plane that is asked for.

    Raises:
        ValueError: if an option can't be read or is that of a parameter that varies, or a range doesn't suit its
            parameter.
    """
    from tegum.theory.minima import check_superposition
    from tegum.theory.models import Plane

    x, y = ranged("--x", plane.x or X), ranged("--y", plane.y or Y)
    model = single(problem.over(otherwise={"features": {"density": DENSITY}}), "a plane is")
    check_superposition(model.n_features, model.n_hidden)
    check_varying({x[0], y[0]}, model.n_features)
    usual = ModelOptions(features=problem.features, hidden=problem.hidden)
    if plane.x is None and plane.y is None and problem == usual:
        return AskedPlane(None, model)
    return AskedPlane(Plane.of(model, x=x, y=y), model)


def check_varying(names: set[str], n: int) -> None:
    """Raise `ValueError` if an option gives a value of what varies in a plane of some parameters.

    Args:
        names: of the parameters.
        n: number of features.
    """
    from tegum.theory.models import PENALTIES

    varying = {
        "density": {"density"} & names or {f"density[{k}]" for k in range(1, n + 1)} <= names,
        # A number is that of the last feature.
        "importance": {"importance", f"importance[{n}]"} & names,
        **{name: {name} & names for name in PENALTIES},
    }
    what = " and ".join(sorted(names))
    goes_without(f"a plane of {what}", [name for name, varies in varying.items() if varies])


@with_groups
def boundary(
    phases: Annotated[
        list[str] | None,
        typer.Argument(help="One phase: its limits of stability. Two: where they cost the same. None: everything."),
    ] = None,
    *,
    problem: ModelOptions,
    plane: PlaneOptions,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Draw all boundaries and special points into this file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Trace exact phase boundaries and special points, over density and relative importance or two other parameters."""
    if phases and figure is not None:
        raise ValueError("--figure draws all boundaries, so it takes no phases")
    asked = asked_plane(plane, problem)
    if phases:
        _show_curves(phases, asked, as_json=as_json)
    else:
        _show_map(asked, figure, as_json=as_json)


def _show_curves(phases: list[str], asked: AskedPlane, *, as_json: bool) -> None:
    """Print the limits of stability of one phase, or the coexistence curves of two.

    Raises:
        ValueError: if there are more than two phases, or one is unknown.
    """
    if len(phases) > MOST_PHASES:
        raise ValueError(f"expected one or two phases, or none for all boundaries, got {len(phases)}")
    boundaries = asked.map()
    curves = boundaries.stability(*phases) if len(phases) == 1 else boundaries.coexistence(*phases)
    if as_json:
        print_json({"model": asked.model.to_plain(), "curves": [_curve_json(curve) for curve in curves]})
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
    say(asked.words(boundaries))
    print_table("Exact boundaries", ["curve", "points", "residual", "error", "ends"], rows)


def _show_map(asked: AskedPlane, figure: Path | None, *, as_json: bool) -> None:
    """Print all special points and boundaries of a plane, and draw them on request."""
    if figure is not None:
        _check_figure(figure)
    with taken([] if figure is None else [figure]):
        boundaries = asked.map()
        # Numbers first: a figure may fail to be written.
        if as_json:
            print_json({"model": asked.model.to_plain()} | _map_json(boundaries))
        else:
            say(asked.words(boundaries))
            _print_special_points(boundaries)
            _print_segments(boundaries)
        if figure is not None:
            from ..figures import boundary_figure, save_figure

            save_figure(boundary_figure(boundaries), figure)
    if figure is not None and not as_json:
        console().print(f"figure: {figure}", soft_wrap=True)


def _check_figure(path: Path) -> None:
    """Raise `ValueError` before long work if a figure can't be written in the format that its name asks for."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    known = sorted(FigureCanvasAgg.get_supported_filetypes())
    if path.suffix.removeprefix(".") not in known:
        raise ValueError(f"--figure must end in one of {', '.join('.' + kind for kind in known)}, got {str(path)!r}")


def _print_special_points(boundaries: BoundaryMap) -> None:
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


def _print_segments(boundaries: BoundaryMap) -> None:
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


def _curve_json(curve: BoundaryCurve) -> dict[str, Any]:
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


def _point_json(point: SpecialPoint) -> dict[str, Any]:
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


def _segment_json(piece: BoundarySegment) -> dict[str, Any]:
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


def _map_json(boundaries: BoundaryMap) -> dict[str, Any]:
    """Return all that is known for JSON."""
    return {
        "axes": list(boundaries.plane.names),
        "special_points": [_point_json(point) for point in boundaries.special_points],
        "segments": [_segment_json(piece) for piece in boundaries.segments],
        "curves": [_curve_json(curve) for curve in boundaries.curves],
    }
