"""`tegum certified-diagram`: for cells of the diagram of two features, proofs of which phase is the global minimum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ..terminal import Json, Stages, console, keeping, print_json, print_table

TABLE, FIGURE = "certified-diagram.csv", "certified-diagram.png"


def certified_diagram(
    cells: Annotated[int, typer.Option(help="Cells along each axis, an even number.")] = 64,
    penalty: Annotated[
        float, typer.Option(help="Coefficient of the interference penalty, lambda in lambda 2 w1^2 w2^2.")
    ] = 0.0,
    divisions: Annotated[int, typer.Option(help="How often a cell that isn't proved is halved, 0 to 4.")] = 3,
    out: Annotated[Path, typer.Option(help="Folder for dataset and figure.")] = Path("out/certified"),
    as_json: Json = False,
) -> None:
    """Prove for cells of the diagram of two features in one dimension which phase is the global minimum."""
    with Stages() as stages:
        account = _proved(out, cells, penalty, divisions, stages.report)
    if as_json:
        print_json(account)
        return
    rows = [[phase or "not proved", str(count), f"{count / cells**2:.2%}"] for phase, count in account["cells"].items()]
    print_table(f"Global minimum of {cells * cells} cells", ["proved", "cells", "share"], rows)
    if account["unproved_on_boundary"] is not None:
        console().print(f"A boundary runs through {account['unproved_on_boundary']} of the cells that aren't proved.")
    console().print(f"Boxes of weights: {account['boxes']:,}. Wrote {out / TABLE}, {out / FIGURE}.", soft_wrap=True)


def _proved(
    out: Path, cells: int, penalty: float, divisions: int, report: Callable[[str, float], None]
) -> dict[str, Any]:
    """Prove what isn't in the table yet, draw it, and return an account of it.

    Raises:
        ValueError: if an option is out of range, or the table that is there is another one.
        InterruptedRunError: if it was interrupted.
    """
    from tegum.theory.boundaries import BoundarySegment, boundary_map
    from tegum.theory.storage import Destination

    from ..diagrams import CertifiedRow, certified_columns, crossed
    from ..figures import certified_figure, save_figure
    from ..terminal import read_rows, write_rows

    if not 0 <= penalty < float("inf"):
        raise ValueError(f"penalty must be a number, at least 0, got {penalty}")
    path = out / TABLE
    rows: list[CertifiedRow] = []
    kept = keeping(lambda: f"{len(rows)} cells are in {path}" if rows else "")
    with Destination(out, (TABLE, FIGURE)), kept:
        known = read_rows(path, CertifiedRow) if path.exists() else []
        for column, share in certified_columns(cells, penalty=(penalty,) * 2, divisions=divisions, known=known):
            new = [row for row in column if row not in known]
            if new:
                write_rows(path, new)
            rows += column
            report("proofs", share)
        boundaries: list[BoundarySegment] = []
        if not penalty:
            report("boundaries", 0.0)
            boundaries = [piece for piece in boundary_map().segments if len(set(piece.phases)) == 2]
        save_figure(certified_figure(rows, boundaries), out / FIGURE)
    unproved = [row for row in rows if not row.phase]
    on = int(crossed(unproved, boundaries).sum()) if boundaries and unproved else None
    return {
        "cells": dict(sorted(Counter(row.phase for row in rows).items(), reverse=True)),
        "proved": 1 - len(unproved) / len(rows),
        "unproved_on_boundary": on,
        "boxes": sum({row.density_low: row.column_boxes for row in rows}.values()),
    }
