"""The command `tegum basins`. Heavy imports wait until it runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .console import console, print_json, print_table
from .options import INTERRUPTED

if TYPE_CHECKING:
    import xarray as xr

# Columns of the printed account.
KINDS = ("digon", "merged", "axis + drop", "saddle", "dead output", "none")
# Cells whose basins are drawn in the plane of initial weights, and how far the planes reach.
PLANES = ((0.1, 0.8), (0.3, 0.5), (0.7, 0.8), (0.7, 1.0))
EXTENTS = (2.5, 0.05)
PLANE_POINTS = 80


def show_basins(axes: dict[str, Any], out: Path, report: Callable[[str, float], None]) -> xr.Dataset:
    """Measure basin shares, draw them and the planes of initial weights, and write both figures and the account.

    Args:
        axes: fields of `BasinSettings` to set.
        out: folder for everything.
        report: called with the name of each stage.

    Raises:
        ValueError: if a setting is out of range, or `out` holds shares of other settings.
        typer.Exit: if training was interrupted.
    """
    from ..basins import BasinSettings, basin_plane, basin_shares
    from ..progress import InterruptedRunError

    try:
        dataset = basin_shares(BasinSettings(**axes), out=out, report=report)
    except InterruptedRunError as stop:
        sys.stderr.write(f"tegum: interrupted: {stop}; the same command goes on from there\n")
        raise typer.Exit(INTERRUPTED) from None
    from ..figures import basins_figure, planes_figure, save_figure

    planes: list[list[xr.Dataset]] = [[] for _ in EXTENTS]
    for row, extent in enumerate(EXTENTS):
        for column, (density, importance) in enumerate(PLANES):
            report("planes", (row * len(PLANES) + column) / (len(EXTENTS) * len(PLANES)))
            planes[row].append(basin_plane(density, importance, extent=extent, points=PLANE_POINTS))
    report("figures", 0.0)
    save_figure(basins_figure(dataset), out / "basins.png")
    save_figure(planes_figure(planes), out / "basin-planes.png")
    (out / "basins.json").write_text(json.dumps(basin_account(dataset), indent=2) + "\n")
    return dataset


def basin_account(dataset: xr.Dataset) -> dict[str, Any]:
    """Return plain values: over all cells how many runs ended in each phase, by objective and initial scale."""
    from ..basins import wilson_interval

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
            blocks.append({"objective": objective, "initial_scale": scale, "runs": runs, "ends": ends})
    return {"settings": dataset.attrs["settings"], "blocks": blocks}


def print_basins(dataset: xr.Dataset, out: Path, *, as_json: bool) -> None:
    """Print the account as a table or as JSON."""
    account = basin_account(dataset)
    if as_json:
        print_json(account)
        return
    rows = []
    for block in account["blocks"]:
        shares = dict.fromkeys(KINDS, 0.0)
        for name, end in block["ends"].items():
            shares[_kind(name)] += 100 * end["share"]
        rows.append(
            [f"{block['objective']} {block['initial_scale']:g}", *(f"{share:.2f}" for share in shares.values())]
        )
    title = f"Percent of {account['blocks'][0]['runs']} runs of all cells, by objective and initial scale"
    print_table(title, ["", *KINDS], rows)
    files = ", ".join(str(out / name) for name in ("basins.png", "basin-planes.png", "basins.json", "basins.zarr"))
    console().print(f"Wrote {files}.", soft_wrap=True)


def _kind(name: str) -> str:
    """Return the column that a phase counts in."""
    words = ("dead", "digon", "merged", "axis", "saddle")
    kinds = ("dead output", "digon", "merged", "axis + drop", "saddle")
    return next((kind for word, kind in zip(words, kinds, strict=True) if word in name), "none")
