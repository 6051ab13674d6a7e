"""Tables and JSON on standard output, a line on standard error. Rich is imported when there is something to show."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

# Exit codes of a command that couldn't do what it was asked, and of one that was asked something impossible.
FAILED, MISUSE = 1, 2
# Characters beside the cells: between two columns, and at both sides together.
BETWEEN, ASIDE = 3, 2


def console(*, stderr: bool = False) -> Console:
    """Return a console that colours nothing by itself."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def complain(text: str) -> None:
    """Write what went wrong to standard error, in one line."""
    if line := " ".join(text.split()):
        sys.stderr.write(f"tegum: {line}\n")


def print_json(value: Any) -> None:
    """Print plain values as JSON."""
    import json

    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def write_json(path: Path, value: Any) -> None:
    """Write plain values as JSON, in one step."""
    import json

    from tegum.theory.numerics import write_whole

    write_whole(path, json.dumps(value, indent=2) + "\n")


def print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table; columns of words stand left, cells are broken between words only: no number is.

    Where a screen is too narrow for that, each row is printed as lines of "column: value".
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    screen = console()
    widths = _widths(columns, rows, screen.width)
    if widths is None:
        _print_rows(screen, title, columns, rows)
        return
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for column, width in zip(columns, widths, strict=True):
        words = column in ("", "phase", "nearest minimum", "status", "curve", "ends", "basin of", "is")
        table.add_column(column, justify="left" if words else "right", width=width)
    for row in rows:
        table.add_row(*row)
    screen.print(table)


def _widths(columns: list[str], rows: list[list[str]], room: int) -> list[int] | None:
    """Return how wide each column is, so that no word is broken; None if they don't fit beside each other.

    Args:
        columns: their names.
        rows: their cells.
        room: characters in a line.
    """
    from rich.cells import cell_len

    least, most = [], []
    for column, *cells in zip(columns, *rows, strict=True):
        lines = [line for cell in cells for line in cell.split("\n")]
        words = [word for text in (column, *lines) for word in text.split()]
        most.append(max(map(cell_len, (column, *lines))))
        least.append(max(map(cell_len, words), default=0))
    spare = room - ASIDE - BETWEEN * (len(columns) - 1) - sum(least)
    if spare < 0:
        return None
    widths = list(least)
    while spare and widths != most:
        # The column that is the furthest from showing its cells in one line is broken into the most lines.
        tightest = max(range(len(widths)), key=lambda k: most[k] / max(widths[k], 1))
        widths[tightest] += 1
        spare -= 1
    return widths


def _print_rows(screen: Console, title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a row as lines of "column: value"; words that are too long go on in the next line."""
    screen.print(title, markup=False, style="italic")
    for row in rows:
        screen.print()
        for column, value in zip(columns, row, strict=True):
            if value:
                screen.print(f"{column}: {' '.join(value.split())}" if column else value, markup=False)
