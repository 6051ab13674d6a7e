"""`tegum uniform`: models of many equal features along 1/(1−S), held against the best packings of polytopes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..terminal import (
    Coverage,
    Full,
    Json,
    ModelOptions,
    Stages,
    by_effort,
    console,
    either,
    in_time,
    keeping,
    named,
    print_json,
    print_table,
    say,
    varies,
    with_groups,
    write_json,
    written,
)

if TYPE_CHECKING:
    from tegum.theory.numerics import FloatArray
    from tegum.theory.packing import BestPacking

    from ..geometry import UniformSweep

# The line of 1/(1−S): its ends.
LOWEST, HIGHEST = 1.02, 100.0
# Densities on it: more would take days.
MOST_POINTS = 10_000
# By default, and with --full.
SIZES, FULL_SIZES = ("12,4", "40,10"), ("80,20", "400,30")
POINTS, FULL_POINTS = 6, 24
STEPS, FULL_STEPS = 2000, 8000
_DEFAULT_SIZES = either(" and ".join(SIZES), " and ".join(FULL_SIZES))
ACCOUNT, FIGURE = "uniform.json", "uniform.png"
COVERED = Coverage("tegum uniform is", "tegum train and tegum sweep train others")


@with_groups
def uniform(
    problem: ModelOptions,
    size: Annotated[
        list[str] | None,
        typer.Option("--size", help=f"n,m of the models, once for each size; {_DEFAULT_SIZES}."),
    ] = None,
    points: Annotated[
        int | None,
        typer.Option(
            help=f"Densities, 1/(1-S) from {LOWEST:g} to {HIGHEST:g}; {either(POINTS, FULL_POINTS)}. Where the best "
            "packing of many features changes between them is located with --full only."
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(help=f"Optimiser steps; {either(STEPS, FULL_STEPS)}.")] = None,
    learning_rate: Annotated[float, typer.Option(help="At the first step, of a cosine schedule.")] = 0.01,
    seed: Annotated[int, typer.Option(help="Of all models.")] = 0,
    device: Annotated[str, typer.Option(help="Device for training: auto, cpu or cuda.")] = "auto",
    full: Full = False,
    out: Annotated[Path, typer.Option(help="Folder for trained models, figure and account.")] = Path("out/uniform"),
    *,
    as_json: Json = False,
) -> None:
    """Train models of many equal features along 1/(1-S), and hold them against the best packings of polytopes."""
    sizes = _sizes(problem, size, full=full)
    points = by_effort(points, POINTS, FULL_POINTS, full=full)
    steps = by_effort(steps, STEPS, FULL_STEPS, full=full)
    if not 2 <= points <= MOST_POINTS:
        raise ValueError(f"--points must lie in 2 to {MOST_POINTS:,}, got {points}")
    from numpy import geomspace

    from tegum.theory.storage import Destination

    training = {"steps": steps, "learning_rate": learning_rate, "seed": seed, "device": device}
    with Destination(out, (ACCOUNT, FIGURE)), keeping(lambda: _kept(out)):
        with Stages() as stages:
            places = geomspace(LOWEST, HIGHEST, points)
            sweep = _held(sizes, places, out, training, stages, located=full)
            _draw(sweep, out, stages.report)
        account = {"settings": {"points": points, **training, "transitions_located": full}} | _account(sweep)
        write_json(out / ACCOUNT, account)
    if as_json:
        print_json(account)
    else:
        _print(account, out)


def _kept(out: Path) -> str:
    return f"trained models are in {out}" if any(out.glob("uniform-*-*")) else ""


def _held(
    sizes: list[tuple[int, int]],
    places: FloatArray,
    out: Path,
    training: dict[str, Any],
    stages: Stages,
    *,
    located: bool,
) -> UniformSweep:
    """Find the best packings, train the models, and return them beside each other.

    Args:
        sizes: n and m of the models.
        places: 1/(1−S), shape (points,).
        out: folder for trained models.
        training: the rest of `train_uniform`.
        stages: progress.
        located: whether to locate where the best packing changes.

    Raises:
        ValueError: as `train_uniform`.
        InterruptedRunError: if it was interrupted.
    """
    from tegum.theory.packing import packing_transitions

    from ..geometry import UniformSweep, check_uniform, train_uniform, uniform_run

    report = stages.report
    check_uniform(sizes, places, out=out, **training)
    told = " and ".join(f"n={n}, m={m}" for n, m in sizes)
    stages.announce(
        f"The best packings at {len(places)} densities{' and where they change' * located}, {training['steps']:,} "
        f"steps of training of {told} at each, and exact losses{in_time('seed', 'learning_rate')}"
    )
    report("packings", 0.0)
    packings, transitions = packing_transitions(
        places,
        located=located,
        on_progress=lambda share: report("packings", share),
        on_located=lambda share: report("transitions", share),
    )
    stages.first("; ".join(_predicted(n, m, packings) for n, m in sizes))
    trained = train_uniform(sizes, places, out=out, report=report, **training)
    runs = []
    for (n, m), models in zip(sizes, trained, strict=True):
        stage = f"losses n={n}, m={m}"
        runs.append(uniform_run(models, places, packings, lambda share, stage=stage: report(stage, share)))  # type: ignore[misc]
    return UniformSweep(places, packings, transitions, tuple(runs))


def _predicted(n: int, m: int, packings: tuple[BestPacking, ...]) -> str:
    """Return in a line what theory expects of one size."""
    from tegum.theory.packing import finite_packing

    best = (
        " + ".join(f"{count} {name}" for name, count in finite_packing(n, m, one).copies.items()) for one in packings
    )
    return f"the best packing of {n} features in {m} dimensions, along 1/(1-S), is {', '.join(best)}"


def _draw(sweep: UniformSweep, out: Path, report: Callable[[str, float], None]) -> None:
    from ..figures import save_figure, uniform_figure

    report("figure", 0.0)
    save_figure(uniform_figure(sweep), out / FIGURE)


def _sizes(problem: ModelOptions, size: list[str] | None, *, full: bool) -> list[tuple[int, int]]:
    """Return n and m of the models.

    Raises:
        ValueError: if the model is none of many equal features, or two options say what its size is.
    """
    varies("tegum uniform", {"density": "--points says how many densities there are"})
    # Where sizes aren't said, any will do to look at the rest.
    COVERED.check(problem.over(otherwise={"features": {"density": 0.5}}))
    said = problem.sizes()
    if not said:
        return [_size(words) for words in by_effort(size or None, list(SIZES), list(FULL_SIZES), full=full)]
    ways = [option for name in ("source", "features", "hidden") if (option := written(name))]
    if size:
        raise ValueError(f"--size and {' and '.join(ways)} say the sizes of the models twice: leave one out")
    if len(said) == 1:
        raise ValueError(f"a model needs --features and --hidden together, or a --size, got {' and '.join(ways)}")
    return [(said["n_features"], said["n_hidden"])]


def _size(words: str) -> tuple[int, int]:
    try:
        n, m = (int(word) for word in words.split(","))
    except ValueError:
        raise ValueError(f"a size is n,m, such as 400,30, got {words!r}") from None
    return n, m


def _account(sweep: UniformSweep) -> dict[str, Any]:
    """Return plain values: for each size and density the losses, the packing, what was found and how far it agrees."""
    from tegum.theory.models import IndependentFeatures, ToyModel

    runs: list[dict[str, Any]] = []
    for run in sweep.runs:
        rows = []
        for place, inverse in enumerate(sweep.inverse_density):
            stored, packing = run.stored[place], run.packings[place]
            names = run.polytope[place][stored]
            found = {str(name) or "no polytope known": int((names == name).sum()) for name in dict.fromkeys(names)}
            rows.append({
                "inverse_density": float(inverse),
                "loss": float(run.loss[place]),
                "loss_error": float(run.loss_error[place]),
                "packing": dict(packing.copies),
                "packing_loss": packing.loss,
                "ratio": float(run.ratio[place]),
                # JSON has no infinity, which is that of weights that are all zero.
                "dimensions_per_feature": float(run.dimensions_per_feature[place]) if stored.any() else None,
                "represented": int(stored.sum()),
                "switched_off": int(run.switched_off[place].sum()),
                "dimensionality_sum": float(run.dimensionality[place].sum()),
                "features_of": found,
                "predicted_share": float(run.predicted_share[place]),
            })  # fmt: skip
        model = ToyModel(run.n_features, run.n_hidden, IndependentFeatures(1 / sweep.inverse_density[:, None]))
        sizes = {"n_features": run.n_features, "n_hidden": run.n_hidden}
        runs.append({**sizes, "model": model.to_plain(), "densities": rows})
    return named([run["model"] for run in runs]) | {
        "transitions": [dict(vars(one)) for one in sweep.transitions],
        "runs": runs,
    }


def _print(account: dict[str, Any], out: Path) -> None:
    from tegum.theory.models import ToyModel

    for run in account["runs"]:
        rows = [
            [
                f"{row['inverse_density']:.2f}",
                f"{row['ratio']:.4f}",
                "" if row["dimensions_per_feature"] is None else f"{row['dimensions_per_feature']:.3f}",
                f"{row['dimensionality_sum']:.2f}",
                f"{row['represented']}",
                f"{row['switched_off']}",
                f"{row['predicted_share']:.0%}",
                ", ".join(f"{count} × {name}" for name, count in row["packing"].items()),
            ]
            for row in run["densities"]
        ]
        columns = ["1/(1−S)", "loss/packing's", "D*", "Σ D_i", "stored", "off", "as predicted", "best packing"]
        say(ToyModel.from_plain(run["model"]).describe())
        print_table(f"n = {run['n_features']}, m = {run['n_hidden']}", columns, rows)
    console().print(f"Wrote {out / FIGURE}, {out / ACCOUNT}.", soft_wrap=True)
