"""`tegum diagram`: a phase diagram of ours, of somebody's weights or of a table of cells, drawn and accounted for."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..terminal import (
    Json,
    Layout,
    ModelOptions,
    Stages,
    complain,
    console,
    goes_without,
    keeping,
    print_cells,
    print_json,
    print_ledger,
    ranged,
    takes_only,
    with_groups,
    write_json,
)

if TYPE_CHECKING:
    import xarray as xr

    from ..diagrams import DiagramSettings
    from ..foreign import ColumnMeaning

WEIGHT_SUFFIXES = (".npz", ".pt", ".pth", ".safetensors")
TABLE_SUFFIX = ".csv"
STORE_NAME, TABLE_STORE_NAME = "foreign.zarr", "foreign-table.zarr"


@dataclass(frozen=True)
class GridOptions:
    """What is computed and trained."""

    source_of_model: Annotated[
        Path | None,
        typer.Option(
            "--model", help="File that describes a model: its sizes are taken, both axes of the diagram vary."
        ),
    ] = None
    features: Annotated[int | None, typer.Option("--features", help="Number of features n; default 2.")] = None
    hidden: Annotated[int | None, typer.Option("--hidden", help="Number of hidden dimensions m; default 1.")] = None
    x: Annotated[
        str | None,
        typer.Option("--x", help="Range of the density, as density=LOW:HIGH; default density=0.01:1."),
    ] = None
    y: Annotated[
        str | None,
        typer.Option(
            "--y", help="Range of the last feature's importance, as importance=LOW:HIGH; default importance=0.1:10."
        ),
    ] = None
    cells: Annotated[int, typer.Option(help="Cells along each axis.")] = 28
    seeds: Annotated[int, typer.Option(help="Trained runs in each cell.")] = 8
    steps: Annotated[
        int | None, typer.Option(help="Optimiser steps of each run; default 3000, of three features 10000.")
    ] = None
    batch: Annotated[int, typer.Option(help="Inputs per step of the sampled objective.")] = 256
    objective: Annotated[str, typer.Option(help="Train on 'sampled' inputs or on the 'exact' loss.")] = "sampled"
    device: Annotated[str, typer.Option(help="'auto', 'cpu' or 'cuda'.")] = "auto"
    controls: Annotated[
        bool, typer.Option(help="Train runs beside them that the account has to reject: untrained, wrong models.")
    ] = True

    def sizes(self) -> tuple[int, int]:
        """Return the numbers of features and hidden dimensions.

        Raises:
            ValueError: if the model that a file describes is none of a phase diagram.
        """
        from tegum.theory.models import ToyModel

        options = ModelOptions(source=self.source_of_model, features=self.features, hidden=self.hidden)
        plain = options.described(whole=False)
        features = (
            {"density": 1, **plain["features"]} if plain["features"]["law"] == "independent" else plain["features"]
        )
        model = ToyModel.from_plain({**plain, "features": features})
        model.check_plain("a phase diagram", "bias", "targets", "reduction")
        law, equal = model.features, (model.importances()[..., :-1] == 1).all()
        if law.kind != "independent" or law.amplitude.to_plain() != "uniform" or model.has_penalty or not equal:
            raise ValueError(
                "a phase diagram is of independent features, uniform on [0, 1], of importances 1, …, 1, r, without "
                f"penalties (tegum boundary takes a plane of any model), got {model.describe()}"
            )
        return model.n_features, model.n_hidden

    def settings(self) -> DiagramSettings:
        """Return them as `phase_diagram` takes them.

        Raises:
            ValueError: if one is out of range.
        """
        from tegum.theory.models import DENSITY_RANGE, IMPORTANCE_RANGE

        from ..diagrams import DiagramSettings

        n, m = self.sizes()
        return DiagramSettings(
            n_features=n,
            n_hidden=m,
            cells=self.cells,
            seeds=self.seeds,
            steps=self.steps,
            batch_size=self.batch,
            objective=self.objective,
            device=self.device,
            controls=self.controls,
            density=DENSITY_RANGE if self.x is None else _range("--x", self.x, "density"),
            importance=IMPORTANCE_RANGE if self.y is None else _range("--y", self.y, "importance"),
        )


def _range(option: str, text: str, expected: str) -> tuple[float, float]:
    """Return the ends of an axis.

    Raises:
        ValueError: if an option is of another parameter than its axis, or of another scale.
    """
    name, low, high, *scale = ranged(option, text)
    if name != expected:
        raise ValueError(
            f"{option} of a phase diagram is {expected}=LOW:HIGH, got {name}: it is over density and the last "
            "feature's importance only (tegum boundary takes a plane of any two parameters, plane_minima "
            "of tegum.theory.minima the minima of its cells)"
        )
    if scale not in ([], ["log"]):
        raise ValueError(f"{option} of a phase diagram is on a log scale (tegum boundary takes both), got {text!r}")
    return low, high


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


TABLE_WORDS = tuple(field.name for field in fields(TableOptions))


@with_groups
def diagram(
    grid: GridOptions,
    out: Annotated[Path, typer.Option(help="Folder for dataset, figure and ledger.")] = Path("out"),
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Draw this instead: a dataset (.zarr), weights (.npz, .pt, .safetensors) or a table of cells (.csv).",
        ),
    ] = None,
    layout: Layout = "auto",
    *,
    table: TableOptions,
    as_json: Json = False,
) -> None:
    """Compute and draw a phase diagram: published candidates, exact minima, trained models, and every run's account."""
    if source is None:
        goes_without("a diagram that is trained", (*TABLE_WORDS, "layout"))
        if grid.objective == "exact":
            goes_without("--objective exact", ("batch",))
        _show_computed(grid, out, as_json=as_json)
    elif source.suffix == TABLE_SUFFIX:
        takes_only("--from with a table of cells", ("source", "out", "features", "hidden", "cells", *TABLE_WORDS))
        _show_table(source, out, grid, table, as_json=as_json)
    elif _holds_weights(source):
        takes_only("--from with weights", ("source", "out", "layout"))
        _show_weights(source, out, layout, as_json=as_json)
    else:
        takes_only("--from with a dataset", ("source", "out", "features", "hidden"))
        _show(_loaded(source, grid), out, kept=None, as_json=as_json)


def _holds_weights(source: Path) -> bool:
    from ..foreign import holds_models

    return source.suffix in WEIGHT_SUFFIXES or holds_models(source)


def _show_computed(grid: GridOptions, out: Path, *, as_json: bool) -> None:
    """Compute a phase diagram and show it."""
    from tegum.theory.storage import Destination

    from ..diagrams import DATASET_NAME, TRAINING, phase_diagram

    settings, kept = grid.settings(), out / DATASET_NAME
    least, steps = TRAINING[settings.n_features, settings.n_hidden][0], settings.recipe.steps
    if steps < least:
        complain(f"warning: in {steps} steps, fewer than {least}, many runs don't come to rest")
    with Destination(out, (DATASET_NAME, *_names("diagram"))), _keeping(kept):
        with Stages() as stages:
            cells = f"{settings.cells} x {settings.cells} cells"
            stages.announce(
                f"Exact minima and boundaries of {cells}, and {settings.seeds} runs of {steps:,} steps in each"
            )
            dataset = phase_diagram(
                settings, out=out, report=stages.report, on_minima=lambda exact: stages.first(_cheapest(exact))
            )
        _show(dataset, out, kept=kept, as_json=as_json)


def _cheapest(dataset: xr.Dataset) -> str:
    """Return in a line what theory alone says of a diagram."""
    from collections import Counter

    from ..diagrams import cheapest_phases

    phases = Counter(cheapest_phases(dataset).ravel().tolist())
    shares = (f"{phase} in {count / phases.total():.1%}" for phase, count in phases.most_common())
    return f"the cheapest minimum is {', '.join(shares)} of the cells"


def _show_weights(source: Path, out: Path, layout: str, *, as_json: bool) -> None:
    """Show the phase diagram of somebody's weights."""
    from tegum.theory.storage import Destination

    kept = out / STORE_NAME
    with Destination(out, (STORE_NAME, *_names("foreign"))), _keeping(kept):
        with Stages() as stages:
            dataset = _of_weights(source, kept, layout, stages.report)
        _show(dataset, out, name="foreign", kept=kept, as_json=as_json)


def _keeping(kept: Path) -> AbstractContextManager[None]:
    """Say of an interruption what is kept in a store."""
    return keeping(lambda: f"what was computed is in {kept}" if kept.exists() else "")


def _names(name: str) -> tuple[str, str]:
    """Return what figure and ledger of a phase diagram are called."""
    return f"{name}.png", "ledger.json" if name == "diagram" else f"{name}.json"


def _loaded(source: Path, grid: GridOptions) -> xr.Dataset:
    """Return a dataset that was computed before.

    Raises:
        ValueError: if it is something else, or of another size.
    """
    from ..diagrams import load

    dataset = load(source)
    found, expected = (dataset.attrs["n_features"], dataset.attrs["n_hidden"]), grid.sizes()
    if found != expected:
        sizes = [f"n={n}, m={m}" for n, m in (expected, found)]
        raise ValueError(f"expected a dataset of {sizes[0]}, got one of {sizes[1]}")
    return dataset


def _of_weights(source: Path, store: Path, layout: str, report: Callable[[str, float], None]) -> xr.Dataset:
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
    if batch.model is None and (batch.density is None or batch.importance is None):
        raise ValueError(f"a phase diagram needs the density and importance of each model, which {source} doesn't have")
    dataset = foreign_diagram(batch, model_of_weights(batch), store=store, report=report)
    dataset.attrs["source"] = source.name
    save(dataset, store)
    return dataset


def _show(dataset: xr.Dataset, out: Path, *, name: str = "diagram", kept: Path | None, as_json: bool) -> None:
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

    ledger = agreement(dataset)
    picture, book = (out / one for one in _names(name))
    with Destination(out, _names(name)):
        account = {"model": model_of(dataset).to_plain()} | ledger.as_json()
        write_json(book, account)
        save_figure(phase_diagram_figure(dataset, ledger), picture)
    if as_json:
        print_json(account)
        return
    console().print(model_of(dataset).describe(), soft_wrap=True)
    print_ledger(ledger)
    console().print(f"Wrote {picture}, {book}{'' if kept is None else f', {kept}'}.")


def _show_table(source: Path, out: Path, grid: GridOptions, options: TableOptions, *, as_json: bool) -> None:
    """Draw and account for a phase diagram that is a table of two numbers for each cell.

    Args:
        source: the .csv file.
        out: folder for dataset, figure and account.
        grid: its sizes, and at most how many densities and importances are compared.
        options: what its columns are.
        as_json: whether to print JSON.

    Raises:
        ValueError: if the table can't be read or an option is out of range.
    """
    from tegum.theory.storage import Destination

    from ..diagrams import save
    from ..figures import foreign_figure, save_figure
    from ..foreign import TOLERANCE, compare_table, read_table, table_account

    if grid.cells < 2:
        raise ValueError(f"cells must be at least 2, got {grid.cells}")
    table = read_table(source, options.meaning()).thinned(grid.cells)
    tolerance = TOLERANCE if options.tolerance is None else options.tolerance
    names = (*_names("foreign"), TABLE_STORE_NAME)
    picture, book, store = (out / name for name in names)
    with Destination(out, names):
        n, m = grid.sizes()
        dataset = compare_table(table, n_features=n, n_hidden=m, tolerance=tolerance)
        account = table_account(dataset)
        save(dataset, store)
        write_json(book, account.as_json())
        save_figure(foreign_figure(dataset, account), picture)
    if as_json:
        print_json(account.as_json())
        return
    print_cells(account)
    console().print(f"Wrote {picture}, {book}, {store}.")
