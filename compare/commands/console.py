"""Tables and JSON on standard output, a line on standard error. Rich is imported when there is something to show."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

# Exit codes of a command that couldn't do what it was asked, and of one that was asked something impossible.
FAILED, MISUSE = 1, 2
# Wider than any table.
WIDEST = 10_000


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
    """Print a table; columns of words stand left, and phases and numbers that matter aren't broken.

    Where a screen is too narrow for that, each row is printed as lines of "column: value".
    """
    from rich.box import SIMPLE_HEAD
    from rich.measure import Measurement
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for column in columns:
        words = column in ("", "phase", "nearest minimum", "status", "curve", "ends", "basin of", "is")
        whole = column in ("phase", "nearest minimum", "loss", "gradient", "status", "basin of")
        # What doesn't fit goes on in the next line: no number is ever cut.
        table.add_column(column, justify="left" if words else "right", no_wrap=whole, overflow="fold")
    for row in rows:
        table.add_row(*row)
    screen = console()
    if rows and Measurement.get(screen, screen.options.update(width=WIDEST), table).minimum > screen.width:
        _print_rows(screen, title, columns, rows)
    else:
        screen.print(table)


def _print_rows(screen: Console, title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a row as lines of "column: value"; words that are too long go on in the next line."""
    screen.print(title, markup=False, style="italic")
    for row in rows:
        screen.print()
        for column, value in zip(columns, row, strict=True):
            if value:
                screen.print(f"{column}: {' '.join(value.split())}" if column else value, markup=False)
