"""`tegum diagram --from`: a dataset of our own, somebody's weights, or a table of cells; drawn and accounted for."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .console import console, print_json, print_table

if TYPE_CHECKING:
    import xarray as xr

    from ..diagrams import Ledger
    from ..foreign import TableAccount

WEIGHT_SUFFIXES = (".npz", ".pt", ".pth", ".safetensors")
TABLE_SUFFIX = ".csv"
STORE_NAME = "foreign.zarr"


def show_diagram(dataset: xr.Dataset, out: Path, *, name: str = "diagram", kept: Path | None, as_json: bool) -> None:
    """Draw a phase diagram, write its ledger, and print it.

    Args:
        dataset: with trained runs.
        out: folder for figure and ledger.
        name: what the figure is called.
        kept: where the dataset was written, if it was.
        as_json: whether to print JSON.
    """
    from ..diagrams import agreement
    from ..figures import phase_diagram_figure, save_figure

    ledger = agreement(dataset)
    picture, book = out / f"{name}.png", out / ("ledger.json" if name == "diagram" else f"{name}.json")
    out.mkdir(parents=True, exist_ok=True)
    book.write_text(json.dumps(ledger.as_json(), indent=2) + "\n")
    save_figure(phase_diagram_figure(dataset, ledger), picture)
    if as_json:
        print_json(ledger.as_json())
        return
    _print_ledger(ledger)
    console().print(f"Wrote {picture}, {book}{'' if kept is None else f', {kept}'}.")


def weights_diagram(source: Path, store: Path, layout: str, report: Callable[[str, float], None]) -> xr.Dataset:
    """Return the phase diagram of the weights in a file, kept in a zarr store.

    Args:
        source: file with several models for each cell of a grid, their densities and importances.
        store: where the dataset is kept; an exact part of the same grid that is there is used again.
        layout: of W, as `read_many` takes it.
        report: called with the name of each stage.

    Raises:
        ValueError: if the file can't be read or its models are no grid.
    """
    from ..diagrams import save
    from ..foreign import foreign_diagram, model_of_weights, read_many

    batch = read_many(source, layout=layout)
    if batch.density is None or batch.importance is None:
        raise ValueError(f"a phase diagram needs the density and importance of each model, which {source} doesn't have")
    dataset = foreign_diagram(batch, model_of_weights(batch), store=store, report=report)
    dataset.attrs["source"] = source.name
    save(dataset, store)
    return dataset


def base_of(text: str) -> float:
    """Return the base that an option names: a number, or e.

    Raises:
        ValueError: if it is neither.
    """
    try:
        return math.e if text == "e" else float(text)
    except ValueError:
        raise ValueError(f"base of the logarithms must be a number or e, got {text!r}") from None


def show_table(
    source: Path,
    out: Path,
    *,
    sizes: tuple[int, int],
    cells: int,
    meaning: tuple[str, str, str],
    tolerance: float | None,
    as_json: bool,
) -> None:
    """Draw and account for a phase diagram that is a table of two numbers for each cell.

    Args:
        source: the .csv file.
        out: folder for dataset, figure and account.
        sizes: n_features and n_hidden.
        cells: at most so many densities and importances are compared.
        meaning: quantity, base and overlap of `ColumnMeaning`, the base as text.
        tolerance: distance up to which a cell is near a minimum; None for the default.
        as_json: whether to print JSON.

    Raises:
        ValueError: if the table can't be read or an option is out of range.
    """
    from ..diagrams import save
    from ..figures import foreign_figure, save_figure
    from ..foreign import TOLERANCE, ColumnMeaning, compare_table, read_table, table_account

    if cells < 2:
        raise ValueError(f"cells must be at least 2, got {cells}")
    quantity, base, overlap = meaning
    table = read_table(source, ColumnMeaning(quantity, base_of(base), overlap)).thinned(cells)
    limit = TOLERANCE if tolerance is None else tolerance
    dataset = compare_table(table, n_features=sizes[0], n_hidden=sizes[1], tolerance=limit)
    account = table_account(dataset)
    picture, book, store = out / "foreign.png", out / "foreign.json", out / "foreign-table.zarr"
    out.mkdir(parents=True, exist_ok=True)
    save(dataset, store)
    book.write_text(json.dumps(account.as_json(), indent=2) + "\n")
    save_figure(foreign_figure(dataset, account), picture)
    if as_json:
        print_json(account.as_json())
        return
    _print_account(account)
    console().print(f"Wrote {picture}, {book}, {store}.")


def _print_account(account: TableAccount) -> None:
    meaning = {
        "global": "near the cheapest minimum",
        "other": "near another minimum that theory lists",
        "between": "near none, between several minima",
        "none": "near none",
    }
    rows = [[meaning[name], f"{count}", f"{account.share(name):.2%}"] for name, count in account.outcomes.items()]
    rows += [
        [f"  of the others: {phase}", f"{count}", f"{count / account.cells:.2%}"]
        for phase, count in account.other_endings.items()
    ]
    print_table(
        f"{account.cells} cells, near within {account.tolerance:g} in (length, overlap)", ["", "cells", "share"], rows
    )
    facts = [
        [
            "distance from the nearest minimum (median, 99 %)",
            f"{account.distance_median:.2g}, {account.distance_99:.2g}",
        ],
        ["near minima of both kinds, counted for the nearest", f"{account.undecided} cells"],
        ["near none where theory predicts a single pair", f"{account.single} cells"],
    ]
    print_table("Measurement against theory", ["", "value"], facts)
    screen = console()
    if account.outcomes["between"]:
        screen.print(
            "A cell between minima is what an average over seeds gives when they ended in different minima: a state "
            "that no model is in. Label each run and count instead (pass the weights of all seeds)."
        )
    for note in account.notes:
        screen.print(f"Note: {note}.")


def _print_ledger(ledger: Ledger) -> None:
    meaning = {
        "global": "ended in the cheapest minimum",
        "other": "ended in another minimum that theory lists",
        "unexplained": "ended in none",
    }
    rows = [[meaning[name], f"{count}", f"{ledger.share(name):.2%}"] for name, count in ledger.outcomes.items()]
    rows += [
        [f"  of the others: {phase}", f"{count}", f"{count / ledger.runs:.2%}"]
        for phase, count in ledger.other_endings.items()
    ]
    print_table(f"{ledger.runs} trained runs in {ledger.cells} cells", ["", "runs", "share"], rows)
    facts = [
        [
            "best seed in the cheapest phase, cells off a boundary",
            f"{ledger.best_agreement:.2%} of {ledger.best_cells}",
        ],
        ["published candidates name another phase", f"{ledger.published_wrong:.2%} of cells"],
        ["polishing moved a run by (median, 99 %)", f"{ledger.distance_median:.2g}, {ledger.distance_99:.2g}"],
        [
            "excess loss before polishing (median, 99 %)",
            f"{ledger.excess_loss_median:.2g}, {ledger.excess_loss_99:.2g}",
        ],
        ["runs that polishing led through a saddle", f"{ledger.escapes}"],
    ]
    for omission in ledger.omissions:
        at = f"{omission.density:.3g}, {omission.importance:.3g}"
        facts.append([f"no candidate stands for {omission.phase}", f"cheapest in {omission.cells} cells"])
        facts.append([f"  its loss at density, importance {at}", f"{omission.loss:.6f}"])
        facts.append([f"  the best candidate's, {omission.published_phase}", f"{omission.published_loss:.6f}"])
    print_table("Agreement of training with theory", ["", "value"], facts)
