"""Tables of records in CSV files that long commands add to row by row, and go on from after an interruption.

The last column is a checksum of the row, over the names of the columns and the values: a row that was damaged or cut
short is taken for one that isn't there. Order and spelling of numbers don't matter, so that a table may be sorted, or
pass through a program that keeps all digits.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import fields
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

from .screen import complain

Row = TypeVar("Row")
# Of a field's annotation.
KINDS = {"int": int, "float": float, "str": str}
CHECKSUM = "sha256"
# Share of the names by which a damaged first line is known.
KNOWN = 0.5
# Lines that are named in a complaint.
NAMED = 5


def write_rows(path: Path, rows: Iterable[Any]) -> None:
    """Append records of one dataclass to a table, which is begun with a line of names if it doesn't exist."""
    rows = list(rows)
    names, kinds = _columns(type(rows[0]))
    begun = path.exists() and path.stat().st_size > 0
    with path.open("a", newline="", encoding="utf-8") as file:
        file.write(("" if begun else _line([*names, CHECKSUM])) + "".join(_written(names, kinds, row) for row in rows))


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """Return the rows of a table that are as they were written.

    What is left over is taken off the file, so that it can be computed anew and added: damaged rows, which are
    complained of, and a last one that was cut short. A damaged first line is written again. A table of the former
    format, which has no checksums, is read with an `UnverifiedWarning`, and gets them.

    Args:
        path: of a table that `write_rows` wrote.
        kind: the dataclass of its rows, with fields of type int, float and str.

    Raises:
        ValueError: if it is a table of something else, or a row of a table of the former format isn't one.
    """
    names, kinds = _columns(kind)
    text = path.read_bytes().decode("utf-8", errors="replace")
    # Line by line: a damaged quotation mark doesn't reach further, and no field has an end of line in it.
    lines = text.split("\n")
    cells = [_cells(line) for line in lines]
    header, right = cells[0], [*names, CHECKSUM]
    read = [_checked(row, names, kinds, kind) for row in cells[1:]]
    rows = [row for row in read if row is not None]
    if header == names and not rows:
        return _former(path, lines, cells, kind)
    torn = len(lines) == 1 and _line(right).startswith(text)
    if not (header == right or torn or rows or len(set(header) & set(right)) >= KNOWN * len(right)):
        raise ValueError(f"{path} must have the columns {', '.join(right)}, got {', '.join(header) or 'none'}")
    if header != right and not rows and any(len(row) == len(names) for row in cells[1:]):
        raise ValueError(
            f"{path} seems to be of the former format without checksums, with a damaged first line: make that "
            f"{','.join(names)}, or give another folder"
        )
    lost = [number for number, (line, row) in enumerate(zip(lines[1:], read, strict=True), 2) if line and row is None]
    # The last one has no end of line: whoever wrote it was killed.
    damaged = [number for number in lost if number < len(lines)]
    if damaged:
        named = ", ".join(map(str, damaged[:NAMED])) + (" …" if len(damaged) > NAMED else "")
        complain(f"warning: {len(damaged)} damaged rows of {path} are computed anew, in line {named}")
    if lost or header != right or lines[-1]:
        _put(path, names, kinds, rows)
    return rows


def _columns(kind: Any) -> tuple[list[str], list[Any]]:
    columns = fields(kind)
    return [field.name for field in columns], [KINDS[str(field.type)] for field in columns]


def _line(cells: Sequence[Any]) -> str:
    line = StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _written(names: Sequence[str], kinds: Sequence[Any], row: Any) -> str:
    from tegum.theory.storage import row_digest

    values = [make(getattr(row, name)) for name, make in zip(names, kinds, strict=True)]
    return _line([*values, row_digest(names, values)])


def _put(path: Path, names: Sequence[str], kinds: Sequence[Any], rows: Iterable[Any]) -> None:
    from tegum.theory.storage import write_whole

    write_whole(path, _line([*names, CHECKSUM]) + "".join(_written(names, kinds, row) for row in rows))


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line.removesuffix("\r")], strict=True), [])
    except csv.Error:
        return [line]


def _checked(cells: Sequence[str], names: Sequence[str], kinds: Sequence[Any], kind: type[Row]) -> Row | None:
    """Return the row that cells are, or none if it isn't what was written."""
    from tegum.theory.storage import row_digest

    try:
        *texts, found = cells
        values = [make(text) for make, text in zip(kinds, texts, strict=True)]
    except ValueError:
        return None
    return kind(*values) if found == row_digest(names, values) else None


def _former(path: Path, lines: Sequence[str], cells: Sequence[Sequence[str]], kind: type[Row]) -> list[Row]:
    """Return the rows of a table of the former format, and add checksums to the file."""
    from tegum.theory.storage import warn_unverified

    names, kinds = _columns(kind)
    rows = []
    for number, texts in enumerate(cells[1:], 2):
        # The last one, without an end of line, may have been cut short.
        if not texts or number == len(lines):
            continue
        try:
            rows.append(kind(*(make(text) for make, text in zip(kinds, texts, strict=True))))
        except ValueError:
            raise ValueError(f"line {number} of {path} isn't a row of this table: {','.join(texts)}") from None
    if rows:
        warn_unverified(path, "the table")
    _put(path, names, kinds, rows)
    return rows
