"""What `tegum diagram` draws that is there already: a dataset, somebody's weights, or a table of cells.

Each gives its own account of what is drawn; the model is the file's where it says one, and that of options where not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..terminal import (
    LAST,
    BiasName,
    Coverage,
    Layout,
    ModelOptions,
    Stages,
    WeightsName,
    console,
    keeping,
    print_cells,
    print_json,
    print_ledger,
    say,
    write_json,
)

if TYPE_CHECKING:
    import xarray as xr

    from tegum.theory.models import ToyModel

    from ..foreign import ColumnMeaning

STORE_NAME, TABLE_STORE_NAME = "foreign.zarr", "foreign-table.zarr"
# Models of one cell of a phase diagram.
COVERED = Coverage("a phase diagram is", "tegum boundary takes a plane of any model", importances=LAST)


@dataclass(frozen=True)
class ReadingOptions:
    """How weights lie in a file."""

    layout: Layout = "auto"
    weights_name: WeightsName = None
    bias_name: BiasName = None


@dataclass(frozen=True)
class TableOptions:
    """What the columns of a table of cells are, and when a cell is near a minimum."""

    log_sparsity: Annotated[
        str, typer.Option(help="Column log_sparsity of a table: 'density', 'inverse-density', 'sparsity' or 'auto'.")
    ] = "auto"
    log_base: Annotated[str, typer.Option(help="Base of a table's logarithms, a number or e.")] = "10"
    overlap: Annotated[str, typer.Option(help="Column last_polysemanticity of a table: 'root' or 'squares'.")] = "root"
    tolerance: Annotated[
        float | None, typer.Option(help="Distance up to which a table's cell is near a minimum; default 0.05.")
    ] = None

    def meaning(self) -> ColumnMeaning:
        """Return what the columns are.

        Raises:
            ValueError: if one can't be that.
        """
        from ..foreign import ColumnMeaning

        try:
            base = math.e if self.log_base == "e" else float(self.log_base)
        except ValueError:
            raise ValueError(f"base of the logarithms must be a number or e, got {self.log_base!r}") from None
        return ColumnMeaning(self.log_sparsity, base, self.overlap)


def names_of(name: str) -> tuple[str, str]:
    """Return what figure and account of a phase diagram are called."""
    return f"{name}.png", "ledger.json" if name == "diagram" else f"{name}.json"


def keeping_store(kept: Path) -> AbstractContextManager[None]:
    """Say of an interruption what is kept in a store."""
    return keeping(lambda: f"what was computed is in {kept}" if kept.exists() else "")


def show(dataset: xr.Dataset, out: Path, *, name: str = "diagram", kept: Path | None, as_json: bool) -> None:
    """Draw a phase diagram, write its ledger, and print it.

    Args:
        dataset: with trained runs.
        out: folder for figure and ledger.
        name: what the figure is called.
        kept: where the dataset was written, if it was.
        as_json: whether to print JSON.
    """
    from tegum.theory.storage import Destination

    from ..diagrams import agreement, model_of
    from ..figures import phase_diagram_figure, save_figure

    ledger, model = agreement(dataset), model_of(dataset)
    picture, book = (out / one for one in names_of(name))
    with Destination(out, names_of(name)):
        account = {"model": model.to_plain()} | ledger.as_json()
        write_json(book, account)
        save_figure(phase_diagram_figure(dataset, ledger), picture)
    if as_json:
        print_json(account)
        return
    say(model.describe())
    print_ledger(ledger)
    console().print(f"Wrote {picture}, {book}{'' if kept is None else f', {kept}'}.")


def show_dataset(source: Path, problem: ModelOptions, out: Path, *, as_json: bool) -> None:
    """Show a phase diagram that was computed before.

    Raises:
        ValueError: if the dataset is something else, or options say that it is of another model.
    """
    from ..diagrams import load, model_of

    dataset = load(source)
    problem.over(model_of(dataset), where=str(source))
    show(dataset, out, kept=None, as_json=as_json)


def show_weights(source: Path, problem: ModelOptions, reading: ReadingOptions, out: Path, *, as_json: bool) -> None:
    """Show the phase diagram of somebody's weights.

    Raises:
        ValueError: if the file can't be read, its models are no grid, or options contradict what it says.
    """
    from tegum.theory.storage import Destination

    kept = out / STORE_NAME
    with Destination(out, (STORE_NAME, *names_of("foreign"))), keeping_store(kept):
        with Stages() as stages:
            dataset = _of_weights(source, problem, kept, reading, stages.report)
        show(dataset, out, name="foreign", kept=kept, as_json=as_json)


def _of_weights(
    source: Path, problem: ModelOptions, store: Path, reading: ReadingOptions, report: Callable[[str, float], None]
) -> xr.Dataset:
    """Return the phase diagram of the weights in a file, kept in a zarr store.

    Args:
        source: file with several models for each cell of a grid, their densities and importances.
        problem: what options say of the models.
        store: where the dataset is kept; an exact part of the same grid that is there is used again.
        reading: how weights lie in the file.
        report: called with the name of each stage.

    Raises:
        ValueError: if the file can't be read or its models are no grid.
    """
    from tegum.theory.models import ToyModel

    from ..diagrams import save
    from ..foreign import foreign_diagram, read_many

    batch = read_many(source, **vars(reading))
    if batch.model is None and (batch.density is None or batch.importance is None):
        raise ValueError(f"a phase diagram needs the density and importance of each model, which {source} doesn't have")
    model = ToyModel.from_plain(problem.of_weights(batch, str(source)))
    dataset = foreign_diagram(batch, model, store=store, report=report)
    dataset.attrs["source"] = source.name
    save(dataset, store)
    return dataset


def show_table(source: Path, model: ToyModel, out: Path, most: int, options: TableOptions, *, as_json: bool) -> None:
    """Draw and account for a phase diagram that is a table of two numbers for each cell.

    Args:
        source: the table.
        model: of any cell.
        out: folder for dataset, figure and account.
        most: densities and importances that are compared at most.
        options: what its columns are.
        as_json: whether to print JSON.

    Raises:
        ValueError: if the table can't be read or an option is out of range.
    """
    from tegum.theory.storage import Destination

    from ..diagrams import model_of, save
    from ..figures import foreign_figure, save_figure
    from ..foreign import TOLERANCE, compare_table, read_table, table_account

    if most < 2:
        raise ValueError(f"cells must be at least 2, got {most}")
    table = read_table(source, options.meaning()).thinned(most)
    tolerance = TOLERANCE if options.tolerance is None else options.tolerance
    names = (*names_of("foreign"), TABLE_STORE_NAME)
    picture, book, store = (out / name for name in names)
    with Destination(out, names):
        dataset = compare_table(table, n_features=model.n_features, n_hidden=model.n_hidden, tolerance=tolerance)
        found = table_account(dataset)
        save(dataset, store)
        account = {"model": model_of(dataset).to_plain()} | found.as_json()
        write_json(book, account)
        save_figure(foreign_figure(dataset, found), picture)
    if as_json:
        print_json(account)
        return
    say(model_of(dataset).describe())
    print_cells(found)
    console().print(f"Wrote {picture}, {book}, {store}.")
