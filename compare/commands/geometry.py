"""The commands about geometry: packings, equal features, the Thomson problem, deformed and correlated features.

Their options stand here; what they do is imported when they run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Features, Hidden, Json, Probes, RunObjective, Runs, RunSeeds, Starts
from .stages import Stages

# Dimensions of the Thomson problem.
SPACE = 3


def packing(
    density: Annotated[
        float | None, typer.Option("--density", help="Feature density 1-S, in (0, 1); default all, with a figure.")
    ] = None,
    amplitude: Annotated[
        str, typer.Option(help="Of active features: 'uniform', 'symmetric' or 'constant'.")
    ] = "uniform",
    features: Annotated[
        int | None, typer.Option("--features", help="Number n of features to pack, with --hidden.")
    ] = None,
    hidden: Annotated[int | None, typer.Option("--hidden", help="Number m of dimensions to pack them in.")] = None,
    free: Annotated[
        int | None,
        typer.Option(
            "--free", help="Instead, optimise up to so many features freely in 2 to 4 dimensions (half an hour)."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for figure and account.")] = Path("out/packing"),
    as_json: Json = False,
) -> None:
    """Find which polytopes use the hidden space best for many equal features, and where that changes."""
    from .free_packing import show_free_packings
    from .packing import show_packing, show_transitions

    if (features is None) != (hidden is None) or (features is not None and density is None):
        raise ValueError("a finite packing needs --density, --features and --hidden together")
    if free is not None and density is not None:
        raise ValueError("--free goes through densities of its own and takes no --density")
    if density is not None:
        sizes = None if features is None or hidden is None else (features, hidden)
        show_packing(density, amplitude, sizes, as_json=as_json)
        return
    if free is not None:
        if amplitude != "uniform":
            raise ValueError(f"free packings are searched for uniform amplitudes, got {amplitude!r}")
        with Stages() as stages:
            show_free_packings(out, free, stages.report, as_json=as_json)
        return
    with Stages() as stages:
        show_transitions(out, amplitude, stages.report, as_json=as_json)


def uniform(
    size: Annotated[
        list[str] | None,
        typer.Option("--size", help="n,m of the models, once for each size; default 80,20 and 400,30."),
    ] = None,
    points: Annotated[int, typer.Option(help="Densities, 1/(1-S) from 1.02 to 100.")] = 24,
    steps: Annotated[int, typer.Option(help="Optimiser steps.")] = 8000,
    learning_rate: Annotated[float, typer.Option(help="At the first step, of a cosine schedule.")] = 0.01,
    seed: Annotated[int, typer.Option(help="Of all models.")] = 0,
    device: Annotated[str, typer.Option(help="Device for training: auto, cpu or cuda.")] = "auto",
    out: Annotated[Path, typer.Option(help="Folder for trained models, figure and account.")] = Path("out/uniform"),
    as_json: Json = False,
) -> None:
    """Train models of many equal features along 1/(1-S), and hold them against the best packings of polytopes."""
    from .uniform import print_uniform, show_uniform

    with Stages() as stages:
        training = {"steps": steps, "learning_rate": learning_rate, "seed": seed, "device": device}
        sweep = show_uniform(size or ["80,20", "400,30"], out, stages.report, points=points, **training)
    print_uniform(sweep, out, as_json=as_json)


def thomson(
    n: Annotated[int | None, typer.Argument(help="Number of points, at least 2.")] = None,
    dim: Annotated[int, typer.Option(help="Dimensions of space.")] = SPACE,
    seed: Annotated[int, typer.Option(help="Of the random starts.")] = 0,
    target: Annotated[float | None, typer.Option(help="Energy at which the search ends.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Draw the points to this file, two or three dimensions.")] = None,
    turntable: Annotated[
        Path | None, typer.Option(help="Write a GIF of the points turning to this file, three dimensions.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="Hold the features of these trained weights against as many points instead, all or N."),
    ] = None,
    density: Annotated[
        float | None, typer.Option(help="With --against: feature density 1-S for exact losses; default the file's.")
    ] = None,
    factors: Annotated[bool, typer.Option("--factors", help="With --against: each tegum factor by itself.")] = False,
    as_json: Json = False,
) -> None:
    """Find the lowest Coulomb energy of points on a sphere (the Thomson problem), or hold features against it."""
    from .thomson import show_comparisons, show_thomson

    with Stages() as stages:
        if against is not None:
            if target is not None or figure is not None or turntable is not None or dim != SPACE:
                raise ValueError("--against doesn't go with --dim, --target, --figure or --turntable")
            show_comparisons(against, n, density, stages.report, factors=factors, seed=seed, as_json=as_json)
            return
        if n is None or density is not None or factors:
            raise ValueError("expected a number of points, or --against FILE, with which --density and --factors go")
        show_thomson(n, dim, seed, target, figure, turntable, stages.report, as_json=as_json)


def deform(
    features: Features = 5,
    hidden: Hidden = 2,
    vary: Annotated[
        str, typer.Option(help="What changes about the last feature: 'density' or 'importance'.")
    ] = "density",
    density: Annotated[
        float | None, typer.Option("--density", help="Of the other features; default 0.1, for three features 0.7.")
    ] = None,
    low: Annotated[float, typer.Option(help="Smallest density or importance relative to the others'.")] = 0.1,
    high: Annotated[float, typer.Option(help="Largest one; densities end at 1.")] = 10.0,
    probes: Probes = 9,
    starts: Starts = 64,
    runs: Runs = 20,
    seeds: RunSeeds = 32,
    objective: RunObjective = "exact",
    out: Annotated[Path, typer.Option(help="Folder for figure and account.")] = Path("out/deform"),
    as_json: Json = False,
) -> None:
    """Follow the minima of equal features as one gets denser or more important, and train models beside them."""
    from .branches import Settings, changing_feature, show_family

    family = changing_feature(features, hidden, vary, density, low, high)
    with Stages() as stages:
        show_family(family, Settings(probes, starts, runs, seeds, objective), out, stages.report, as_json=as_json)


def correlated(
    law: Annotated[str, typer.Option(help="Of the pairs: 'correlated' or 'anticorrelated'.")] = "correlated",
    pairs: Annotated[int, typer.Option(help="Number of pairs, up to three.")] = 3,
    hidden: Hidden = 2,
    low: Annotated[float, typer.Option(help="Smallest feature density 1-S.")] = 0.01,
    high: Annotated[float | None, typer.Option(help="Largest; default 0.98, for anticorrelated pairs 0.5.")] = None,
    probes: Probes = 9,
    starts: Starts = 64,
    runs: Runs = 20,
    seeds: RunSeeds = 32,
    objective: RunObjective = "exact",
    out: Annotated[Path, typer.Option(help="Folder for figure and account.")] = Path("out/correlated"),
    as_json: Json = False,
) -> None:
    """Follow the minima of correlated or anticorrelated pairs along their density, and train models beside them."""
    from .branches import Settings, show_family, tied_pairs

    family = tied_pairs(law, pairs, hidden, low, high)
    with Stages() as stages:
        show_family(family, Settings(probes, starts, runs, seeds, objective), out, stages.report, as_json=as_json)
