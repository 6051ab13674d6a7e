"""Functions compiled for one signature, their machine code kept on disk where that can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Return a function that is compiled when it is first called, and releases the interpreter's lock while it runs.

    Nothing is kept on disk: what is compiled here is called by other compiled functions, and a copy of theirs on disk
    would outlive a change of it.
    """
    import numba

    return cast("Function", numba.njit(nogil=True)(function))


def machine_code(function: Callable[..., Any], signature: Any, **options: Any) -> Any:
    """Return a function compiled for one signature; later processes load what this one compiled.

    Args:
        function: whose arguments and results numba knows.
        signature: numba's.
        options: of `numba.njit`.

    Returns:
        The compiled function. Where the cache can't be written it is compiled in every process.
    """
    import numba

    try:
        return numba.njit(signature, cache=True, **options)(function)
    except (RuntimeError, OSError):
        # Nowhere to write.
        return numba.njit(signature, **options)(function)
