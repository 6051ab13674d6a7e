"""How records are shown: in a few lines, with the shapes of what is large, as text and as HTML in a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from fractions import Fraction
from html import escape
from pathlib import PurePath
from textwrap import wrap
from typing import Any

import array_api_compat
import numpy as np

# Numbers of an array that are shown, members of a sequence, and characters of a text.
HANDFUL, LONGEST = 6, 72
# Entries up to which the range of an array is looked for.
MOST_LOOKED_AT = 1_000_000
# Lines of a text, and characters in each.
LINES, WIDTH = 10, 100
PLAIN = (bool, int, float, complex, type(None), Fraction, PurePath, np.generic)


class Summarised:
    """What a dataclass inherits to be shown in a few lines, whatever it holds.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True, eq=False)
        ... class Found(Summarised):
        ...     weights: object
        ...     loss: float
        >>> Found(np.zeros((5, 20)), 0.25)
        Found(weights=array of shape (5, 20), 0 to 0, loss=0.25)
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Keep a dataclass from making a text of its own, which has every number."""
        super().__init_subclass__(**options)
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = Summarised.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        """Return at most ten lines of a hundred characters."""
        name = type(self).__name__
        parts = [f"{field}={text}" for field, text in _told(self)]
        whole = f"{name}({', '.join(parts)})"
        if len(whole) <= WIDTH:
            return whole
        lines = [f"{name}("]
        for part in parts:
            line = f"{lines[-1]} {part}," if len(lines) > 1 else ""
            if line and len(line) <= WIDTH:
                lines[-1] = line
            else:
                lines += wrap(f"{part},", WIDTH, initial_indent="    ", subsequent_indent="        ")
        lines[-1] = lines[-1].removesuffix(",") + ")"
        if len(lines) > LINES:
            lines = [*lines[: LINES - 1], f"    …) with {len(parts)} fields in all"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return a table of the fields, for a notebook."""
        rows = "".join(
            f'<tr><th style="text-align:left">{escape(field)}</th><td style="text-align:left">{escape(text)}</td></tr>'
            for field, text in _told(self)
        )
        return f"<table><caption>{escape(type(self).__name__)}</caption>{rows}</table>"


def _told(record: Any) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each field that is part of a record's text."""
    for field in fields(record):
        if field.repr:
            yield field.name, summary(getattr(record, field.name))


def summary(value: Any) -> str:
    """Return a value as a short text in one line: small ones whole, of large ones kind, shape and range.

    Example:
        >>> summary([1.0, 2.5]), summary(np.arange(100.0)), summary("digon(1,2)")
        ('[1.0, 2.5]', 'array of shape (100,), 0 to 99', "'digon(1,2)'")
    """
    if isinstance(value, str):
        return repr(value) if len(repr(value)) <= LONGEST else f"{value[: LONGEST // 2]!r}… ({len(value)} characters)"
    if isinstance(value, PLAIN):
        # No number is cut: one that is too long is counted.
        try:
            text = str(value) if isinstance(value, np.generic) else repr(value)
        except ValueError:
            text = " " * (LONGEST + 1)
        return text if len(text) <= LONGEST else f"{type(value).__name__} too long to show"
    if isinstance(value, np.ndarray) or array_api_compat.is_torch_array(value):
        return _of_array(value)
    if isinstance(value, Summarised) or hasattr(value, "_fields"):
        return f"{type(value).__name__}(…)"
    if isinstance(value, (tuple, list)):
        return _of_sequence(value)
    if isinstance(value, Mapping):
        return f"{type(value).__name__} of {len(value)}"
    return _of_other(value)


def _of_array(array: Any) -> str:
    """Return the numbers of a small array, the shape and the range of a large one."""
    kind = "array" if isinstance(array, np.ndarray) else "tensor"
    shape = tuple(array.shape)
    text = f"{kind} of shape {shape}"
    if len(text) > LONGEST:
        return f"{kind} of {len(shape)} dimensions"
    if kind == "tensor" or array.dtype.kind not in "fiub":
        return text
    if array.ndim == 0:
        return _number(array.item())
    if 0 < array.size <= HANDFUL and array.ndim <= 2:
        numbers = str([_number(x) if not isinstance(x, list) else list(map(_number, x)) for x in array.tolist()])
        numbers = numbers.replace("'", "")
        if len(numbers) <= LONGEST:
            return numbers
    if array.dtype.kind == "b" and array.size:
        return f"{text}, {int(array.sum())} true"
    if 0 < array.size <= MOST_LOOKED_AT and np.isfinite(array).all():
        return f"{text}, {_number(array.min())} to {_number(array.max())}"
    return text


def _number(value: Any) -> str:
    """Return a number to six digits."""
    return f"{value:.6g}" if isinstance(value, (float, np.floating)) else str(value)


def _of_sequence(values: Any) -> str:
    """Return a short sequence of small things whole, else how many of what."""
    kinds = sorted({type(value).__name__ for value in values[:MOST_LOOKED_AT]})
    if len(values) <= HANDFUL and all(isinstance(value, (str, *PLAIN)) for value in values):
        text = ", ".join(summary(value) for value in values)
        whole = f"[{text}]" if isinstance(values, list) else f"({text}{',' if len(values) == 1 else ''})"
        if len(whole) <= LONGEST:
            return whole
    named = f" {' or '.join(kinds)}" if 0 < len(kinds) <= 2 else ""
    return f"{type(values).__name__} of {len(values)}{named}"


def _of_other(value: Any) -> str:
    """Return what something of another kind is: records and models tell themselves if that is short."""
    if "tegum" in type(value).__module__:
        text = repr(value)
        if len(text) <= LONGEST and "\n" not in text:
            return text
    sizes = getattr(value, "sizes", None)
    if isinstance(sizes, Mapping) and len(sizes) <= HANDFUL:
        text = f"{type(value).__name__} of {', '.join(f'{name}: {size}' for name, size in sizes.items())}"
        if len(text) <= LONGEST:
            return text
    return type(value).__name__
