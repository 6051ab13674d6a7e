"""The command `tegum packing --free`. Heavy imports wait until it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .console import console, print_json, print_table
from .options import INTERRUPTED

if TYPE_CHECKING:
    from ..geometry import FreeRow

TABLE, FIGURE = "free-packing.csv", "free-packing.png"
# A free packing beats the atlas's product if it saves this share more.
MORE = 1e-6


def show_free_packings(out: Path, most: int, report: Callable[[str, float], None], *, as_json: bool) -> None:
    """Optimise few features freely, and keep, draw and print what is found; rows that are there aren't searched again.

    Raises:
        ValueError: if `most` is too small or too large, or the table that is there is another one.
        typer.Exit: if the search was interrupted.
    """
    from ..figures import free_packing_figure, save_figure
    from ..geometry import FreeRow, survey
    from .rows import read_rows, write_rows

    out.mkdir(parents=True, exist_ok=True)
    path = out / TABLE
    known = read_rows(path, FreeRow) if path.exists() else []
    rows: list[FreeRow] = []
    try:
        for row, share in survey(most, known=known):
            if row not in known:
                write_rows(path, [row])
            rows.append(row)
            report("free packings", share)
    except KeyboardInterrupt:
        kept = f": {len(rows)} searches are in {path}; the same command goes on from there" if rows else ""
        sys.stderr.write(f"tegum: interrupted{kept}\n")
        raise typer.Exit(INTERRUPTED) from None
    save_figure(free_packing_figure(rows), out / FIGURE)
    better = [row for row in rows if row.gain > row.product_gain * (1 + MORE)]
    if as_json:
        print_json({"searches": len(rows), "better": [asdict(row) for row in better]})
        return
    lines = [
        [
            *(f"{row.inverse_density:g}", str(row.dim), str(row.corners), row.shape, row.product),
            *(f"{row.gain / row.product_gain - 1:.1e}", f"{row.gain / row.best_gain - 1:+.1e}"),
        ]
        for row in better
    ]
    columns = ["1/(1−S)", "d", "k", "found", "product of the atlas", "saves more by", "against the best in plenty"]
    print_table(f"{len(better)} of {len(rows)} searches beat the best tegum product of the atlas", columns, lines)
    console().print(f"Wrote {path}, {out / FIGURE}.", soft_wrap=True)
