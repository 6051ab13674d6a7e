"""JSON that was written by anybody: what it says, or in this project's words why it can't be read."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable
from typing import Any

# What Python's reader says, and how it is said here; the beginnings are those of Python 3.11 to 3.14.
MISSING = {
    "Expecting value": "a value is missing",
    "Expecting property name": "a key in double quotes is missing",
    "Expecting ':'": "a colon is missing",
    "Expecting ','": "a comma is missing",
    "Unterminated string": "a text doesn't end",
    "Invalid control character": "a text holds a control character",
    "Invalid \\": "a text holds a backslash that stands for nothing",
    "Illegal trailing comma": "a comma stands before the end",
    "Extra data": "something follows after the end",
    "Unexpected UTF-8 BOM": "a byte-order mark stands at the beginning",
}


def json_of(text: str | bytes, **hooks: Callable[..., Any] | None) -> Any:
    """Return what JSON says.

    Args:
        text: of JSON, in UTF-8 if these are bytes.
        **hooks: as `json.loads` takes them.

    Raises:
        ValueError: if it is none, with line, column and reason, as the end of a sentence; or as a hook raises it.

    Example:
        >>> json_of('{"weights": [1, 0.5]}')
        {'weights': [1, 0.5]}
        >>> json_of('{"weights": [1, 0.5}')
        Traceback (most recent call last):
        ValueError: a comma is missing in line 1, column 20
    """
    if not isinstance(text, (str, bytes)):
        raise ValueError(f"text must be text or bytes, got {reprlib.repr(text)}")
    if not text.strip():
        raise ValueError("it is empty")
    try:
        return json.loads(text, **hooks)  # type: ignore[arg-type]
    except json.JSONDecodeError as error:
        why = next((words for begin, words in MISSING.items() if error.msg.startswith(begin)), "it isn't JSON any more")
        reason = f"{why} in line {error.lineno}, column {error.colno}"
    except UnicodeDecodeError:
        reason = "it isn't text in UTF-8"
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError as error:
        # Python's own limit, of whose setting nobody here has heard.
        if "integer string conversion" not in str(error):
            raise
        reason = "a number has more digits than are read"
    raise ValueError(reason)
