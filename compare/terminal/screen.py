"""Tables and JSON on standard output, a line on standard error. Rich is imported when there is something to show.

Whatever is shown may come from a file: no text is taken for markup, and what would steer a terminal is spelled out.
"""

from __future__ import annotations

import sys
import unicodedata
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console
    from rich.text import Text

# Exit codes of a command that couldn't do what it was asked, and of one that was asked something impossible.
FAILED, MISUSE = 1, 2
# Characters beside the cells: between two columns, and at both sides together.
BETWEEN, ASIDE = 3, 2
# Kinds of characters that steer a terminal or the direction of writing, or that no encoding has.
STEERING = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def visible(text: str) -> str:
    r"""Return a text with everything that would steer a terminal spelled out, as in "\x1b"; ends of lines stay.

    Example:
        >>> print(visible(f"merged{chr(27)}[31m(1,2)"))
        merged\x1b[31m(1,2)
    """
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode()
        if character != "\n" and unicodedata.category(character) in STEERING
        else character
        for character in text
    )


@cache
def _screen() -> type[Console]:
    """Return the kind of console that everything is shown on."""
    from rich.console import Console

    class Screen(Console):
        """A console to which all text is plain."""

        def render_str(self, text: str, **options: Any) -> Text:
            """Return text as it is shown: of messages, cells, titles and names of columns."""
            return super().render_str(visible(text), **options)

    return Screen


def console(*, stderr: bool = False) -> Console:
    """Return a console that colours nothing by itself, and takes nothing for markup."""
    return _screen()(stderr=stderr, highlight=False, markup=False, emoji=False)


def complain(text: str) -> None:
    """Write what went wrong to standard error, in one line."""
    if line := " ".join(text.split()):
        # A terminal that was closed takes no more words.
        with suppress(OSError):
            sys.stderr.write(f"tegum: {visible(line)}\n")


def say(text: str) -> None:
    """Write a line to standard output, without waiting for rich to load."""
    sys.stdout.write(f"{visible(text)}\n")


def print_json(value: Any) -> None:
    """Print plain values as JSON."""
    import json

    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def write_json(path: Path, value: Any) -> None:
    """Write plain values as JSON, in one step.

    Raises:
        MovedError: if they can't be written there; they are elsewhere then.
    """
    import json

    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text, in one step.

    Raises:
        MovedError: if it can't be written there; it is elsewhere then.
    """
    from tegum.theory.storage import write_whole

    write_whole(path, text)


def print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table; columns of words stand left, cells are broken between words only: no number is.

    Where a screen is too narrow for that, each row is printed as lines of "column: value".
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    screen, rows = console(), [[visible(cell) for cell in row] for row in rows]
    widths = _widths(columns, rows, screen.width)
    if widths is None:
        _print_rows(screen, title, columns, rows)
        return
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for column, width in zip(columns, widths, strict=True):
        words = column in ("", "phase", "nearest minimum", "status", "curve", "ends", "basin of", "is", "value")
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
    # Whoever wants no more than an equal share of what is spare gets that; the rest is shared among the others.
    for left, k in enumerate(sorted(range(len(widths)), key=lambda k: most[k] - least[k])):
        more = min(most[k] - least[k], spare // (len(widths) - left))
        widths[k] += more
        spare -= more
    return widths


def _print_rows(screen: Console, title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a row as lines of "column: value"; words that are too long go on in the next line."""
    screen.print(title, style="italic")
    for row in rows:
        screen.print()
        for column, value in zip(columns, row, strict=True):
            if value:
                screen.print(f"{column}: {' '.join(value.split())}" if column else value)
