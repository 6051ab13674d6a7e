"""`tegum packing`: which polytopes use the hidden space best, at one density, along all, or optimised freely."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ..terminal import (
    Full,
    Json,
    ModelOptions,
    Stages,
    by_effort,
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
    from tegum.theory.packing import BestPacking, Packed, Transition

    from ..geometry import FreeRow

# Where packings are computed along 1/(1−S) if no density is given. With --full there are more places, and it is located
# where the best packing changes between them.
LOWEST, HIGHEST, POINTS, FULL_POINTS = 1.01, 1000.0, 7, 30
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
            "--free",
            help="Instead, optimise up to so many features freely in 2 to 4 dimensions (half an hour).",
        ),
    ] = None,
    full: Full = False,
    out: Annotated[Path, typer.Option(help="Folder for figure and account.")] = Path("out/packing"),
    as_json: Json = False,
) -> None:
    """Find which polytopes use the hidden space best for many equal features, and where that changes.

    At one --density the atlas is listed, for --features in --hidden dimensions with the best finite packing; without
    one, 7 densities are gone through, or with --full 30 and where the best polytope changes, with a figure.
    """
    if free is not None:
        takes_only("--free, which goes through densities of its own and uniform amplitudes,", ("free", "out"))
    density, amplitude, sizes = _asked(problem)
    if free is None and density is not None:
        goes_without("a packing at one density, which is only printed,", ("free", "full", "out"))
        _show_packing(density, amplitude, sizes, as_json=as_json)
        return
    with Stages() as stages:
        if free is not None:
            _show_free(out, free, stages, as_json=as_json)
        else:
            points = by_effort(None, POINTS, FULL_POINTS, full=full)
            _show_transitions(out, amplitude, points, stages, located=full, as_json=as_json)


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
    from tegum.theory.models import ToyModel, amplitude_from_plain, one_amplitude

    if problem.source is None and (
        (problem.features is None) != (problem.hidden is None)
        or (problem.features is not None and problem.density is None)
    ):
        raise ValueError("a finite packing needs --density, --features and --hidden together")
    plain = problem.described(whole=False)
    law = plain["features"]["law"]
    if law != "independent":
        raise ValueError(f"packings are of independent features (tegum minima takes any law), got the law {law}")
    amplitude = one_amplitude("packing", amplitude_from_plain(plain["features"].get("amplitude", "uniform")))
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


def _show_transitions(
    out: Path, amplitude: Amplitude, points: int, stages: Stages, *, located: bool, as_json: bool
) -> None:
    """Compute the best packing along 1/(1−S), draw it, and print where it changes."""
    from numpy import array

    from tegum.theory.packing import packing_transitions
    from tegum.theory.storage import Destination

    from ..figures import packing_figure, save_figure

    places = array(_places(points))
    with Destination(out, (ACCOUNT, FIGURE)):
        stages.announce(
            f"The best packing at {points} densities, 1/(1−S) from {LOWEST:g} to {HIGHEST:g}"
            f"{', then where it changes' * located}"
        )
        stages.report("packings", 0.0)
        packings, transitions = packing_transitions(
            places,
            amplitude=amplitude,
            located=located,
            on_progress=lambda share: stages.report("packings", share),
            on_packing=lambda found: stages.first(_best(found)),
            on_located=lambda share: stages.report("transitions", share),
        )
        account = {
            "amplitude": amplitude.to_plain(),
            "inverse_densities": places.tolist(),
            "transitions_located": located,
            "best": [packing.best.name for packing in packings],
            "transitions": [dict(vars(one)) for one in transitions],
        }
        write_json(out / ACCOUNT, account)
        save_figure(packing_figure(packings, transitions), out / FIGURE)
    if as_json:
        print_json(account)
        return
    if located:
        _print_transitions(transitions, packings[0].best.name, amplitude, points)
    else:
        _print_packings(packings, amplitude)
    console().print(f"Wrote {out / FIGURE}, {out / ACCOUNT}.", soft_wrap=True)


def _best(packing: BestPacking) -> str:
    """Return in a line what is best at one density."""
    assert packing.density is not None
    best = packing.best
    return f"at 1/(1−S) = {1 / packing.density:.6g} the {best.name} saves most, {best.gain:.6g} for each dimension"


def _print_packings(packings: tuple[BestPacking, ...], amplitude: Amplitude) -> None:
    rows = [
        [one.best.name, f"{place:.4g}", f"{one.best.gain:.10g}"]
        for one, place in zip(packings, _places(len(packings)), strict=True)
    ]
    title = f"The best packing of {_words(None, amplitude, None)}; --full locates where it changes"
    print_table(title, ["phase", "at 1/(1−S)", "saved for each dimension"], rows)


def _places(points: int) -> list[float]:
    """Return values of 1/(1−S)."""
    from numpy import geomspace

    return [float(1 + value) for value in geomspace(LOWEST - 1, HIGHEST - 1, points)]


def _print_transitions(transitions: tuple[Transition, ...], first: str, amplitude: Amplitude, points: int) -> None:
    rows = [[first, "", ""]]
    rows += [[one.after, f"{one.inverse_density:.10g}", f"{one.error:.0e}"] for one in transitions]
    title = f"The best packing of {_words(None, amplitude, None)}; at {points} densities and where it changes between"
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


def _show_free(out: Path, most: int, stages: Stages, *, as_json: bool) -> None:
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
        stages.announce(f"Free packings of up to {most} features")
        searches = survey(most, known=known)
        stages.report("free packings", 0.0)
        for row, share in searches:
            if row not in known:
                write_rows(path, [row])
                stages.first(
                    f"{row.corners} features in {row.dim} dimensions at 1/(1−S) = {row.inverse_density:g}: {row.shape}"
                )
            rows.append(row)
            stages.report("free packings", share)
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
