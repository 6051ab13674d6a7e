"""`tegum thomson`: points of least Coulomb energy on a sphere, and trained features held against them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..terminal import (
    Json,
    ModelOptions,
    Stages,
    console,
    print_json,
    print_table,
    say,
    taken,
    takes_only,
    with_groups,
)

if TYPE_CHECKING:
    from tegum.theory.spheres import ThomsonMinimum

    from ..foreign import WeightBatch
    from ..geometry import ThomsonComparison

# Dimensions of the Thomson problem.
SPACE = 3
# More dimensions can't be drawn.
DRAWN = (2, 3)


@dataclass(frozen=True)
class SearchOptions:
    """What to search for, and how to draw it."""

    dim: Annotated[int, typer.Option(help="Dimensions of space.")] = SPACE
    seed: Annotated[int, typer.Option(help="Of the random starts.")] = 0
    target: Annotated[float | None, typer.Option(help="Energy at which the search ends.")] = None
    figure: Annotated[Path | None, typer.Option(help="Draw the points to this file, two or three dimensions.")] = None
    turntable: Annotated[
        Path | None, typer.Option(help="Write a GIF of the points turning to this file, three dimensions.")
    ] = None


@dataclass(frozen=True)
class FeatureOptions:
    """Which trained features are held against the points, and how."""

    against: Annotated[
        Path | None,
        typer.Option(help="Hold the features of these trained weights against as many points instead, all or N."),
    ] = None
    factors: Annotated[bool, typer.Option("--factors", help="With --against: each tegum factor by itself.")] = False


@with_groups
def thomson(
    n: Annotated[int | None, typer.Argument(help="Number of points, at least 2.")] = None,
    *,
    search: SearchOptions,
    features: FeatureOptions,
    problem: ModelOptions,
    as_json: Json = False,
) -> None:
    """Find the lowest Coulomb energy of points on a sphere (the Thomson problem), or hold features against it.

    Options of a model go with --against, where the file leaves it open; losses need a density.
    """
    with Stages() as stages:
        if features.against is not None:
            words = [field.name for kind in (FeatureOptions, ModelOptions) for field in fields(kind)]
            takes_only("--against", ("n", "seed", *words))
            _show_comparisons(features.against, n, features, problem, search.seed, stages.report, as_json=as_json)
            return
        if n is None:
            raise ValueError("expected a number of points, or --against FILE")
        takes_only("a search without --against", ("n", *(field.name for field in fields(SearchOptions))))
        _show_points(n, search, stages.report, as_json=as_json)


def _show_points(n: int, search: SearchOptions, report: Callable[[str, float], None], *, as_json: bool) -> None:
    """Search for the lowest energy, print it, and draw its points where asked for."""
    from tegum.theory.spheres import thomson_minimum

    target, figure, turntable = search.target, search.figure, search.turntable
    if target is not None and not target < float("inf"):
        raise ValueError(f"--target must be a finite energy, got {target:g}")
    _check_files(search)
    written = [path for path in (figure, turntable) if path is not None]
    with taken(written):
        found = thomson_minimum(n, search.dim, seed=search.seed, target=target)
        # Numbers first: a figure may fail to be written.
        _print_points(n, found, search, as_json=as_json)
        if figure is not None:
            from ..figures import save_figure, thomson_figure

            save_figure(thomson_figure([found]), figure)
        if turntable is not None:
            from ..figures import draw_points, save_turntable, upright

            save_turntable(
                draw_points, upright(found.points), turntable, on_progress=lambda share: report("turntable", share)
            )
    if written and not as_json:
        console().print(f"Wrote {', '.join(map(str, written))}.", soft_wrap=True)


def _print_points(n: int, found: ThomsonMinimum, search: SearchOptions, *, as_json: bool) -> None:
    if as_json:
        arrays = {name: getattr(found, name).tolist() for name in ("points", "hessian_eigenvalues", "degrees")}
        print_json({**vars(found), **arrays, "point_group": found.point_group})
        return
    symmetry = f", symmetry {found.point_group}" if found.point_group else ""
    evidence = f"{found.agreed} of {found.starts} starts agree, largest force {found.residual:.0e}"
    say(f"{n} points in {search.dim} dimensions: energy {found.energy:.13g}{symmetry}; {evidence}.")
    if search.target is not None and found.status != "target":
        console().print(f"None of the starts reached the target {search.target:.13g}.", soft_wrap=True)


def _check_files(search: SearchOptions) -> None:
    """Raise `ValueError` before the search if what is asked for can't be drawn."""
    from matplotlib.backend_bases import FigureCanvasBase

    dim, figure, turntable = search.dim, search.figure, search.turntable
    known = FigureCanvasBase.get_supported_filetypes()
    if figure is not None and figure.suffix[1:].lower() not in known:
        raise ValueError(f"--figure must end in one of {', '.join(f'.{kind}' for kind in known)}, got {figure.name!r}")
    if figure is not None and dim not in DRAWN:
        raise ValueError(f"--figure draws points in 2 or 3 dimensions, got {dim}")
    if turntable is not None:
        from ..figures import check_turntable

        check_turntable(turntable)
        if dim != DRAWN[-1]:
            raise ValueError(f"--turntable turns points in 3 dimensions, got {dim}")


def _show_comparisons(
    path: Path,
    n: int | None,
    options: FeatureOptions,
    problem: ModelOptions,
    seed: int,
    report: Callable[[str, float], None],
    *,
    as_json: bool,
) -> None:
    """Print how trained features compare with the Thomson problem: of each model, or of each of its tegum factors."""
    from ..foreign import read_many

    # Biases play no part here.
    batch = replace(read_many(path), common_bias=False)
    asked = _asked(problem, batch, path)
    found, left_out = _compared(batch, asked, n, options, seed, report)
    if not found and not left_out:
        raise ValueError(f"{path} holds nothing with {n} represented features")
    if as_json:
        plain = [{"number": model, "features": features, **_plain(one)} for model, features, one in found]
        print_json({"model": asked.plain, "comparisons": plain})
        return
    say(f"{path}: {asked.words}")
    rows = []
    for model, features, one in found:
        numbers = _plain(one)
        dearer = numbers["thomson_loss"] / numbers["loss"] - 1 if numbers["loss"] else None
        rows.append(
            [
                str(model),
                ",".join(str(i + 1) for i in features),
                f"{one.directions.n}/{one.directions.dim}",
                f"{one.energy_ratio:.5g}",
                f"{one.alignment.distance:.3f}" + ("" if one.alignment.status == "proved" else " or less"),
                f"{one.directions.interference:.3f}",
                f"{one.optimum.interference:.3f}",
                "" if dearer is None else f"{dearer:+.2%}",
            ]
        )
    columns = ["model", "features", "k/d", "ratio", "distance", "ReLU²", "Thomson", "its loss"]
    print_table("Features on the sphere, beside points of least Coulomb energy", columns, rows)
    if left_out:
        what = "tegum factors" if options.factors else "models"
        console().print(f"Left out: {left_out} {what} that diverged or span less than two dimensions.", soft_wrap=True)


@dataclass(frozen=True)
class _Asked:
    """Which models the weights are of.

    Attributes:
        plain: their description, without a density if nobody says it.
        words: the same in words.
        densities: of each model's features, shape (models, n); None if losses aren't compared.
    """

    plain: dict[str, Any]
    words: str
    densities: Any


def _asked(problem: ModelOptions, batch: WeightBatch, path: Path) -> _Asked:
    """Return which models the weights of a file are of.

    Raises:
        ValueError: if options contradict the file, or are of a model whose losses aren't compared.
    """
    import numpy as np

    from tegum.theory.models import AMPLITUDES, ToyModel, model_parts

    plain = problem.of_weights(batch, str(path), whole=False)
    features = plain["features"]
    if features["law"] == "independent" and "density" not in features:
        parts = model_parts(ToyModel.from_plain({**plain, "features": {"density": 1, **features}}))
        parts["law"] = "independent, of a density that isn't said, and without losses therefore"
        return _Asked(plain, ", ".join(parts.values()), None)
    model = ToyModel.from_plain(plain)
    covered = model.features.kind == "independent" and model.features.amplitude == AMPLITUDES["uniform"]
    if not covered and problem.density is not None:
        raise ValueError(
            "losses are compared of independent features, uniform on [0, 1] (tegum loss takes any model), got "
            f"{model.describe()}: leave --density out"
        )
    densities = None
    if covered:
        n = model.n_features
        densities = np.broadcast_to(model.densities(), (*batch.batch_shape, n)).reshape(-1, n)
        if problem.density is not None and (densities == 1).any():
            raise ValueError(f"losses are compared at densities in (0, 1), got {model.describe()}: leave --density out")
    return _Asked(model.to_plain(), f"{model.describe()}{'' if covered else '; no losses'}", densities)


def _compared(
    batch: WeightBatch,
    asked: _Asked,
    n: int | None,
    options: FeatureOptions,
    seed: int,
    report: Callable[[str, float], None],
) -> tuple[list[tuple[int, list[int], ThomsonComparison]], int]:
    """Return model, features and comparison of what a file holds, and how many have nothing to compare."""
    from tegum.theory.geometry import tegum_factors

    from ..geometry import TOLERANCE, represented, thomson_comparison

    m, count = batch.weights.shape[-2:]
    weights, finite = batch.weights.reshape(-1, m, count), batch.finite.reshape(-1)
    found, left_out = [], 0
    for model, own in enumerate(weights):
        split = options.factors and bool(finite[model])
        for group in tegum_factors(own, TOLERANCE) if split else (tuple(range(count)),):
            members = list(group)
            if not finite[model] or represented(own[:, members])[1] < 2:
                left_out += 1
                continue
            if n is not None and len(represented(own[:, members])[0]) != n:
                continue
            # Losses are those of features of one density.
            stated = set() if asked.densities is None else {float(p) for p in asked.densities[model, members]}
            density = stated.pop() if len(stated) == 1 else None
            one = thomson_comparison(own[:, members], density=density if density != 1 else None, seed=seed)
            found.append((model, [members[i] for i in one.features], one))
        report("models", (model + 1) / len(weights))
    return found, left_out


def _plain(one: ThomsonComparison) -> dict[str, Any]:
    """Return the numbers of a comparison; JSON has no infinity, the energy of two features in one direction."""
    numbers = {
        "dimensions": one.directions.dim,
        "lengths": one.lengths.tolist(),
        "coulomb_energy": one.energy_ratio * one.thomson.energy,
        "thomson_energy": one.thomson.energy,
        "energy_ratio": one.energy_ratio,
        "distance": one.alignment.distance,
        "distance_lower_bound": one.alignment.lower_bound,
        "distance_status": one.alignment.status,
        "interference": one.directions.interference,
        "thomson_interference": one.optimum.interference,
        "squared_overlaps": one.directions.squared_overlaps,
        "thomson_squared_overlaps": one.optimum.squared_overlaps,
        "loss": None if one.loss is None else one.loss.loss,
        "thomson_loss": None if one.thomson_loss is None else one.thomson_loss.loss,
    }
    return {name: None if value == float("inf") else value for name, value in numbers.items()}
