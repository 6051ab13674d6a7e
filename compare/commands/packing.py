"""`tegum packing`: which polytopes use the hidden space best, at one density, along all, or optimised freely."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ..terminal import (
    Json,
    ModelOptions,
    Stages,
    console,
    goes_without,
    keeping,
    print_json,
    print_table,
    single,
    takes_only,
    with_groups,
    write_json,
)

if TYPE_CHECKING:
    from tegum.theory.models import Amplitude
    from tegum.theory.packing import Packed, Transition

    from ..geometry import FreeRow

# Where packings are computed along 1/(1−S) if no density is given.
LOWEST, HIGHEST, POINTS = 1.01, 1000.0, 30
# What is told of a finite packing.
FINITE = ("copies", "stored", "used", "loss", "status")
ACCOUNT, FIGURE = "packing.json", "packing.png"
FREE_TABLE, FREE_FIGURE = "free-packing.csv", "free-packing.png"
# What packings have no choice of.
CHOICES = ("bias", "targets", "reduction")
# A free packing beats the atlas's product if it saves this share more.
MORE = 1e-6


@with_groups
def packing(
    problem: ModelOptions,
    free: Annotated[
        int | None,
        typer.Option(
            "--free", help="Instead, optimise up to so many features freely in 2 to 4 dimensions (half an hour)."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for figure and account.")] = Path("out/packing"),
    as_json: Json = False,
) -> None:
    """Find which polytopes use the hidden space best for many equal features, and where that changes.

    At one --density the atlas is listed, for --features in --hidden dimensions with the best finite packing; without
    one, all densities are gone through, with a figure.
    """
    if free is not None:
        takes_only("--free, which goes through densities of its own and uniform amplitudes,", ("free", "out"))
    density, amplitude, sizes = _asked(problem)
    if free is None and density is not None:
        goes_without("a packing at one density, which is only printed,", ("free", "out"))
        _show_packing(density, amplitude, sizes, as_json=as_json)
        return
    with Stages() as stages:
        if free is not None:
            _show_free(out, free, stages.report, as_json=as_json)
        else:
            _show_transitions(out, amplitude, stages.report, as_json=as_json)


class _Asked(NamedTuple):
    """What is packed.

    Attributes:
        density: 1 − S of all features, or None for all densities.
        amplitude: of active features.
        sizes: n and m of a finite packing, or None for n ≫ m.
    """

    density: float | None
    amplitude: Amplitude
    sizes: tuple[int, int] | None


def _asked(problem: ModelOptions) -> _Asked:
    """Return what is to be packed.

    Raises:
        ValueError: if options can't be read, or the model isn't one of equal, independent features without penalties.
    """
    from tegum.theory.models import Amplitude, ToyModel

    if problem.source is None and (
        (problem.features is None) != (problem.hidden is None)
        or (problem.features is not None and problem.density is None)
    ):
        raise ValueError("a finite packing needs --density, --features and --hidden together")
    plain = problem.described(whole=False)
    law = plain["features"]["law"]
    if law != "independent":
        raise ValueError(f"packings are of independent features (tegum minima takes any law), got the law {law}")
    amplitude = Amplitude.from_plain(plain["features"].get("amplitude", "uniform"))
    given = "density" in plain["features"]
    value = plain["features"].get("density")
    if isinstance(value, float) and not 0 < value < 1:
        raise ValueError(f"--density must lie in (0, 1), got {value:g}; without it, all densities are gone through")
    model = single(
        ToyModel.from_plain({**plain, "features": {"density": 1, **plain["features"]}}), "features are packed"
    )
    model.check_plain("tegum packing", *CHOICES)
    densities = model.densities()
    if model.has_penalty or (densities != densities[0]).any() or (model.importances() != 1).any():
        raise ValueError(
            "packings are of equal features of importance 1 without penalties (tegum minima takes others), got "
            f"{model.describe()}"
        )
    sized = problem.source is not None or problem.features is not None
    sizes = (model.n_features, model.n_hidden) if sized else None
    return _Asked(float(densities[0]) if given else None, amplitude, sizes)


def _show_packing(density: float, amplitude: Amplitude, sizes: tuple[int, int] | None, *, as_json: bool) -> None:
    """Print what every polytope of the atlas saves at one density, and the best finite packing if sizes are given."""
    from tegum.theory.packing import best_packing, finite_packing

    packing = best_packing(density, amplitude=amplitude)
    finite = None if sizes is None else finite_packing(*sizes, packing)
    if as_json:
        found: dict[str, Any] = {"model": _model(density, amplitude, sizes), "density": density}
        found["polytopes"] = [_plain(one) for one in packing.polytopes]
        if finite is not None:
            found["finite"] = {name: getattr(finite, name) for name in FINITE}
        print_json(found)
        return
    rows = [
        [one.name, f"{one.dim}/{one.corners}", f"{one.gain:.10g}", f"{one.scale:.4f}", f"{one.bias:.4f}", one.status]
        for one in packing.polytopes
    ]
    columns = ["polytope", "d/k", "saved for each dimension", "squared length", "bias", "status"]
    print_table(f"Polytopes of {_words(density, amplitude, sizes)}", columns, rows)
    if finite is not None:
        copies = ", ".join(f"{count} × {name}" for name, count in finite.copies.items()) or "nothing"
        stored = f"{finite.stored} features in {finite.used} dimensions"
        console().print(f"Best for {sizes}: {copies}; {stored}, loss {finite.loss:.10g}.")


def _show_transitions(out: Path, amplitude: Amplitude, report: Callable[[str, float], None], *, as_json: bool) -> None:
    """Compute the best packing along 1/(1−S), draw it, and print where it changes."""
    from numpy import geomspace

    from tegum.theory.packing import packing_transitions
    from tegum.theory.storage import Destination

    from ..figures import packing_figure, save_figure

    places = 1 + geomspace(LOWEST - 1, HIGHEST - 1, POINTS)
    with Destination(out, (ACCOUNT, FIGURE)):
        packings, transitions = packing_transitions(
            places, amplitude=amplitude, on_progress=lambda share: report("packings", share)
        )
        account = {"amplitude": amplitude.to_plain(), "transitions": [dict(vars(one)) for one in transitions]}
        write_json(out / ACCOUNT, account)
        save_figure(packing_figure(packings, transitions), out / FIGURE)
    if as_json:
        print_json(account)
        return
    _print_transitions(transitions, packings[0].best.name, amplitude)
    console().print(f"Wrote {out / FIGURE}, {out / ACCOUNT}.", soft_wrap=True)


def _print_transitions(transitions: tuple[Transition, ...], first: str, amplitude: Amplitude) -> None:
    rows = [[first, "", ""]]
    rows += [[one.after, f"{one.inverse_density:.10g}", f"{one.error:.0e}"] for one in transitions]
    title = f"The best packing of {_words(None, amplitude, None)}"
    print_table(title, ["phase", "from 1/(1−S)", "error"], rows)


def _words(density: float | None, amplitude: Amplitude, sizes: tuple[int, int] | None) -> str:
    """Return what is packed, in full."""
    many = "equal features, n ≫ m" if sizes is None else f"{sizes[0]:,} features in {sizes[1]:,} dimensions"
    density_of = "" if density is None else f", density {density!r}"
    return f"{many}, independent{density_of}, {amplitude.describe()}, importance 1, no penalties"


def _model(density: float, amplitude: Amplitude, sizes: tuple[int, int] | None) -> dict[str, Any] | None:
    """Return the description of a finite packing's model; many features are none in particular."""
    from tegum.theory.models import IndependentFeatures, ToyModel

    return None if sizes is None else ToyModel(*sizes, IndependentFeatures(density, amplitude=amplitude)).to_plain()


def _plain(one: Packed) -> dict[str, Any]:
    # JSON has no NaN.
    return {name: None if value != value else value for name, value in vars(one).items()}


def _show_free(out: Path, most: int, report: Callable[[str, float], None], *, as_json: bool) -> None:
    """Optimise few features freely, and keep, draw and print what is found; rows that are there aren't searched again.

    Raises:
        ValueError: if `most` is too small or too large, or the table that is there is another one.
        InterruptedRunError: if the search was interrupted.
    """
    from tegum.theory.storage import Destination

    from ..figures import free_packing_figure, save_figure
    from ..geometry import FreeRow, survey
    from ..terminal import read_rows, write_rows

    path = out / FREE_TABLE
    rows: list[FreeRow] = []
    kept = keeping(lambda: f"{len(rows)} searches are in {path}" if rows else "")
    with Destination(out, (FREE_TABLE, FREE_FIGURE)), kept:
        known = read_rows(path, FreeRow) if path.exists() else []
        for row, share in survey(most, known=known):
            if row not in known:
                write_rows(path, [row])
            rows.append(row)
            report("free packings", share)
        save_figure(free_packing_figure(rows), out / FREE_FIGURE)
    better = [row for row in rows if row.gain > row.product_gain * (1 + MORE)]
    if as_json:
        print_json({"searches": len(rows), "better": [asdict(row) for row in better]})
        return
    lines = [
        [
            *(f"{row.inverse_density:g}", str(row.dim), str(row.corners), row.shape, row.product),
            *(f"{row.gain / row.product_gain - 1:.1e}", f"{row.gain / row.best_gain - 1:+.1e}"),
        ]
        for row in better
    ]
    columns = ["1/(1−S)", "d", "k", "found", "product of the atlas", "saves more by", "against the best in plenty"]
    print_table(f"{len(better)} of {len(rows)} searches beat the best tegum product of the atlas", columns, lines)
    console().print(f"Wrote {path}, {out / FREE_FIGURE}.", soft_wrap=True)
