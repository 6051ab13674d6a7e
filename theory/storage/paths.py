"""What may be the path of something that is read or written."""

from __future__ import annotations

import os
import reprlib
from pathlib import Path
from typing import Any


def check_path(name: str, value: Any, *, new: bool = False) -> None:
    """Raise `ValueError` unless a value is the path of a file or folder, one with a name of its own if it is `new`.

    What is written takes the place of what is there: "" and "." are the folder that a program works in.
    """
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValueError(f"{name} must be the path of a file or folder, got {reprlib.repr(value)}")
    if new and Path(text).name in ("", ".."):
        raise ValueError(f"{name} must name a file or folder that is to be written, got {reprlib.repr(value)}")
