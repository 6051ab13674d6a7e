"""`tegum certified-diagram`: for cells of the diagram of two features, proofs of which phase is the global minimum."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..terminal import (
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
    print_json,
    print_table,
    say,
    varies,
    with_groups,
)

if TYPE_CHECKING:
    from ..diagrams import CertifiedRow

# Along each axis, by default and with --full.
CELLS, FULL_CELLS = 32, 64
TABLE, FIGURE = "certified-diagram.csv", "certified-diagram.png"
COVERED = Coverage(
    "a certified diagram is",
    "tegum certify proves single points of more models",
    sizes=(2, 1),
    importances=LAST,
    penalties=("interference_penalty",),
)
RANGE = "cells are of its whole range, and tegum certify proves a single point"


@with_groups
def certified_diagram(
    cells: Annotated[
        int | None, typer.Option(help=f"Cells along each axis, an even number; {either(CELLS, FULL_CELLS)}.")
    ] = None,
    *,
    problem: ModelOptions,
    divisions: Annotated[int, typer.Option(help="How often a cell that isn't proved is halved, 0 to 4.")] = 3,
    full: Full = False,
    out: Annotated[Path, typer.Option(help="Folder for dataset and figure.")] = Path("out/certified"),
    as_json: Json = False,
) -> None:
    """Prove for cells of the diagram of two features in one dimension which phase is the global minimum."""
    from tegum.theory.models import ToyModel

    cells = by_effort(cells, CELLS, FULL_CELLS, full=full)
    varies("a certified diagram", {"density": RANGE, "importance": RANGE})
    penalty = float(COVERED.check(problem.over(otherwise={"features": {"density": 1.0}})).interference_penalty)
    with Stages() as stages:
        account = _proved(out, cells, penalty, divisions, stages)
    if as_json:
        print_json(account)
        return
    model = ToyModel.from_plain(account["model"])
    say(f"{cells} × {cells} cells, their corners {model.describe()}")
    rows = [[phase or "not proved", str(count), f"{count / cells**2:.2%}"] for phase, count in account["cells"].items()]
    print_table(f"Global minimum of {cells * cells} cells", ["proved", "cells", "share"], rows)
    if account["unproved_on_boundary"] is not None:
        console().print(f"A boundary runs through {account['unproved_on_boundary']} of the cells that aren't proved.")
    console().print(f"Boxes of weights: {account['boxes']:,}. Wrote {out / TABLE}, {out / FIGURE}.", soft_wrap=True)


def _proved(out: Path, cells: int, penalty: float, divisions: int, stages: Stages) -> dict[str, Any]:
    """Prove what isn't in the table yet, draw it, and return an account of it.

    Raises:
        ValueError: if an option is out of range, or the table that is there is another one.
        InterruptedRunError: if it was interrupted.
    """
    from tegum.theory.boundaries import BoundarySegment, boundary_map
    from tegum.theory.storage import Destination

    from ..diagrams import CertifiedRow, certified_columns, certified_model, crossed
    from ..figures import certified_figure, save_figure
    from ..terminal import read_rows, write_rows

    path = out / TABLE
    rows: list[CertifiedRow] = []
    kept = keeping(lambda: f"{len(rows)} cells are in {path}" if rows else "")
    with Destination(out, (TABLE, FIGURE)), kept:
        known = read_rows(path, CertifiedRow) if path.exists() else []
        columns = certified_columns(cells, penalty=(penalty,) * 2, divisions=divisions, known=known)
        stages.announce(f"Proofs for {cells} x {cells} cells, then the boundaries that are drawn over them{in_time()}")
        stages.report("proofs", 0.0)
        for column, share in columns:
            new = [row for row in column if row not in known]
            if new:
                write_rows(path, new)
            rows += column
            stages.first(_first(column))
            stages.report("proofs", share)
        boundaries: list[BoundarySegment] = []
        if not penalty:
            stages.report("boundaries", 0.0)
            boundaries = [piece for piece in boundary_map().segments if len(set(piece.phases)) == 2]
        save_figure(certified_figure(rows, boundaries), out / FIGURE)
    unproved = [row for row in rows if not row.phase]
    on = int(crossed(unproved, boundaries).sum()) if boundaries and unproved else None
    return {
        "model": certified_model(rows).to_plain(),
        "cells": dict(sorted(Counter(row.phase for row in rows).items(), reverse=True)),
        "proved": 1 - len(unproved) / len(rows),
        "unproved_on_boundary": on,
        "boxes": sum({row.density_low: row.column_boxes for row in rows}.values()),
    }


def _first(column: list[CertifiedRow]) -> str:
    """Return in a line what is proved at the lowest density."""
    phases = Counter(row.phase or "not proved" for row in column)
    found = ", ".join(f"{phase} in {count}" for phase, count in phases.most_common())
    return f"at densities {column[0].density_low:.4g} to {column[0].density_high:.4g}, of {len(column)} cells: {found}"
