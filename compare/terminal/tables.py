"""All numbers of an account in a file, for other programs."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path
from typing import Any

from .screen import write_json, write_text


def write_numbers(out: Path, whole: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Write all numbers to a file: a table of rows, or everything as JSON."""
    if out.suffix == ".json":
        write_json(out, whole)
        return
    text = StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(out, text.getvalue())
