"""`tegum basins`: which minimum seeds end in, by gradient flow and by training, as dataset, figures and account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..terminal import (
    GRID,
    LAST,
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
    numbers,
    print_json,
    print_table,
    say,
    varies,
    with_groups,
    write_json,
)

if TYPE_CHECKING:
    import xarray as xr

    from ..basins import BasinSettings

# Columns of the printed account.
KINDS = ("digon", "merged", "axis + drop", "saddle", "dead output", "none")
# Axes of the grid and runs in a cell, by default and with --full; the former are every other value of the latter.
DENSITIES, FULL_DENSITIES = "0.01:1:7", "0.01:1:13"
SEEDS, FULL_SEEDS = 32, 64
IMPORTANCES, FULL_IMPORTANCES = "0.1:10:7", "0.1:10:13"
# Cells whose basins are drawn in the plane of initial weights, and how far the planes reach.
PLANES = ((0.1, 0.8), (0.3, 0.5), (0.7, 0.8), (0.7, 1.0))
EXTENTS = (2.5, 0.05)
PLANE_POINTS = 80
COVERED = Coverage(
    "basin shares are", "tegum train and tegum loss say of any model where seeds end", sizes=(2, 1), importances=LAST
)
AXES = {"density": "--densities is its axis", "importance": "--importances is its axis"}
ACCOUNT, FIGURES = "basins.json", ("basins.png", "basin-planes.png")


@dataclass(frozen=True)
class BasinOptions:
    """The grid of cells and initial scales, and how its runs are trained."""

    densities: Annotated[
        str | None,
        typer.Option(
            help=f"Axis of the feature density 1-S, two values or more: {GRID}; {either(DENSITIES, FULL_DENSITIES)}."
        ),
    ] = None
    importances: Annotated[
        str | None,
        typer.Option(
            help="Axis of the second feature's importance against the first's, likewise; "
            f"{either(IMPORTANCES, FULL_IMPORTANCES)}."
        ),
    ] = None
    full: Full = False
    scales: Annotated[
        str, typer.Option(help="Axis of the initial scale, a factor on Xavier's initial weights, likewise.")
    ] = "0.01,0.1,0.3,1,2"
    seeds: Annotated[int | None, typer.Option(help=f"Runs in each cell; {either(SEEDS, FULL_SEEDS)}.")] = None
    steps: Annotated[int, typer.Option(help="Optimiser steps of a sampled run.")] = 3000
    batch: Annotated[int, typer.Option(help="Inputs per step of a sampled run.")] = 256
    device: Annotated[str, typer.Option(help="Of the sampled runs: 'auto', 'cpu' or 'cuda'.")] = "auto"

    def settings(self) -> BasinSettings:
        """Return them as `basin_shares` takes them.

        Raises:
            ValueError: if one can't be read or is out of range.
        """
        from ..basins import BasinSettings

        return BasinSettings(
            density=_axis("densities", by_effort(self.densities, DENSITIES, FULL_DENSITIES, full=self.full)),
            importance=_axis("importances", by_effort(self.importances, IMPORTANCES, FULL_IMPORTANCES, full=self.full)),
            initial_scale=_axis("scales", self.scales),
            seeds=by_effort(self.seeds, SEEDS, FULL_SEEDS, full=self.full),
            steps=self.steps,
            batch_size=self.batch,
            device=self.device,
        )


def _axis(option: str, text: str) -> tuple[float, ...]:
    values = numbers(option, text)
    # Rounded, so that equal importance is exactly 1.
    return tuple(float(f"{value:.12g}") for value in (values if isinstance(values, list) else [values]))


@with_groups
def basins(
    problem: ModelOptions,
    grid: BasinOptions,
    out: Annotated[Path, typer.Option(help="Folder for dataset, figures and account.")] = Path("out/basins"),
    as_json: Json = False,
) -> None:
    """Count which minimum seeds end in, for two features in one dimension: gradient flow beside sampled training."""
    from tegum.theory.storage import Destination

    from ..basins import basin_shares

    varies("tegum basins", AXES)
    COVERED.check(problem.over(otherwise={"features": {"density": 1.0}}))
    settings = grid.settings()
    with Destination(out, (ACCOUNT, *FIGURES)), keeping(lambda: f"what was measured is in {out}"):
        with Stages() as stages:
            stages.announce(_work(settings) + in_time())
            dataset = basin_shares(settings, out=out, report=stages.report)
            _draw(dataset, out, stages.report)
        account = _account(dataset)
        write_json(out / ACCOUNT, account)
    if as_json:
        print_json(account)
    else:
        _print(account, out)


def _work(settings: BasinSettings) -> str:
    cells = f"{len(settings.density)} x {len(settings.importance)} cells"
    return (
        f"{settings.seeds} runs in each of {cells} at {len(settings.initial_scale)} initial scales, by gradient flow "
        f"and by {settings.steps:,} steps of training; minima first"
    )


def _draw(dataset: xr.Dataset, out: Path, report: Callable[[str, float], None]) -> None:
    """Draw the shares, and the planes of initial weights of some cells."""
    from ..basins import basin_plane
    from ..figures import basins_figure, planes_figure, save_figure

    planes: list[list[xr.Dataset]] = [[] for _ in EXTENTS]
    for row, extent in enumerate(EXTENTS):
        for column, (density, importance) in enumerate(PLANES):
            report("planes", (row * len(PLANES) + column) / (len(EXTENTS) * len(PLANES)))
            planes[row].append(basin_plane(density, importance, extent=extent, points=PLANE_POINTS))
    report("figures", 0.0)
    for name, figure in zip(FIGURES, (basins_figure(dataset), planes_figure(planes)), strict=True):
        save_figure(figure, out / name)


def _account(dataset: xr.Dataset) -> dict[str, Any]:
    """Return plain values: over all cells how many runs are where, and end in each phase when polished, by block."""
    from ..basins import wilson_interval
    from ..diagrams import model_of
    from ..judgement import VERDICTS

    blocks = []
    counts = dataset["count"].sum(("density", "importance")).values
    for i, objective in enumerate(dataset["objective"].values.tolist()):
        for j, scale in enumerate(dataset["initial_scale"].values.tolist()):
            runs = int(counts[i, j].sum())
            ends = {}
            for k, name in enumerate(dataset["phase"].values.tolist()):
                low, high = wilson_interval(counts[i, j, k], runs)
                ends[name] = {
                    "runs": int(counts[i, j, k]),
                    "share": float(counts[i, j, k] / runs),
                    "interval": [float(low), float(high)],
                }
            verdict = dataset["verdict"].values[i, j]
            own = {word: int((verdict == k).sum()) for k, word in enumerate(VERDICTS)}
            blocks.append(
                {"objective": objective, "initial_scale": scale, "runs": runs, "by_own_weights": own, "ends": ends}
            )
    return {"model": model_of(dataset).to_plain(), "settings": dataset.attrs["settings"], "blocks": blocks}


def _print(account: dict[str, Any], out: Path) -> None:
    from tegum.theory.models import ToyModel

    say(ToyModel.from_plain(account["model"]).describe())
    rows = []
    for block in account["blocks"]:
        shares = dict.fromkeys(KINDS, 0.0)
        for name, end in block["ends"].items():
            shares[_kind(name)] += 100 * end["share"]
        rows.append(
            [f"{block['objective']} {block['initial_scale']:g}", *(f"{share:.2f}" for share in shares.values())]
        )
    title = f"Percent of {account['blocks'][0]['runs']} runs of all cells, polished: where they end"
    print_table(title, ["", *KINDS], rows)
    rows = []
    for block in account["blocks"]:
        own = [f"{100 * count / block['runs']:.2f}" for count in block["by_own_weights"].values()]
        rows.append([f"{block['objective']} {block['initial_scale']:g}", *own])
    columns = ["", *(f"{word} a minimum" if word == "in" else word for word in account["blocks"][0]["by_own_weights"])]
    print_table("The same runs by their own weights, not polished: percent", columns, rows)
    files = ", ".join(str(out / name) for name in (*FIGURES, ACCOUNT, "basins.zarr"))
    console().print(f"Wrote {files}.", soft_wrap=True)


def _kind(name: str) -> str:
    """Return the column that a phase counts in."""
    words = ("dead", "digon", "merged", "axis", "saddle")
    kinds = ("dead output", "digon", "merged", "axis + drop", "saddle")
    return next((kind for word, kind in zip(words, kinds, strict=True) if word in name), "none")
