"""Which options were written on the command line, so that those that have no effect are refused."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

# Parameters that have an effect in every way to use a command.
ALWAYS = ("as_json",)
_written: ContextVar[dict[str, str] | None] = ContextVar("written", default=None)


@contextmanager
def reading(context: Any) -> Iterator[None]:
    """Let what runs in the block know which options were written.

    Args:
        context: that of a command whose words have been read.
    """
    found = {}
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name)
        if source is not None and source.name == "COMMANDLINE":
            is_option = parameter.param_type_name == "option"
            found[parameter.name] = max(parameter.opts, key=len) if is_option else str(parameter.name).upper()
    token = _written.set(found)
    try:
        yield
    finally:
        _written.reset(token)


def given() -> dict[str, str]:
    """Return the options and arguments of the running command that were written, also with their default value.

    Returns:
        For each parameter's name how it is written, such as {"source": "--from"}; empty outside of a command.
    """
    return _written.get() or {}


def written(name: str) -> str:
    """Return how an option or argument of the running command was written, such as "--from"; "" if it wasn't.

    Args:
        name: of the parameter.
    """
    return given().get(name, "")


def takes_only(kind: str, names: Collection[str]) -> None:
    """Refuse options that have no effect in the way that a command is used.

    Args:
        kind: that way, as the beginning of a sentence, such as "--check".
        names: parameters that have an effect in it, beside `ALWAYS`.

    Raises:
        ValueError: if another option was written, even with its default value.
    """
    _refuse(kind, [words for name, words in given().items() if name not in (*names, *ALWAYS)])


def goes_without(kind: str, names: Collection[str]) -> None:
    """Refuse some options in one way that a command is used.

    Args:
        kind: as for `takes_only`.
        names: parameters that have no effect in it.

    Raises:
        ValueError: if one of them was written, even with its default value.
    """
    _refuse(kind, [words for name, words in given().items() if name in names])


def _refuse(kind: str, idle: list[str]) -> None:
    if idle:
        what = "it" if len(idle) == 1 else "them"
        raise ValueError(f"{kind} takes no {' and no '.join(idle)}, which would have no effect: leave {what} out")
