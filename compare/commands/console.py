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
# Wider than any table.
WIDEST = 10_000
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

    from tegum.theory.storage import write_whole

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
    screen.print(title, style="italic")
    for row in rows:
        screen.print()
        for column, value in zip(columns, row, strict=True):
            if value:
                screen.print(f"{column}: {' '.join(value.split())}" if column else value)
