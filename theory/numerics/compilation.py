"""Functions compiled for one signature, their machine code kept on disk where that can be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from glob import escape
from hashlib import sha256
from pathlib import Path
from sys import version_info
from types import CodeType, FunctionType
from typing import Any, TypeVar, cast

from ..storage import claimed, replacing

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Return a function that is compiled when it is first called, and releases the interpreter's lock while it runs.

    It is meant for parts of what `machine_code` compiles, and not kept on disk itself.
    """
    import numba

    return cast("Function", numba.njit(nogil=True)(function))


def compiled_part(function: Function) -> Function:
    """Return a function as `compiled` does, for compiled code alone to call: it compiles faster, as nothing else can.

    Divisions by zero are infinite or NaN, as NumPy's are.
    """
    import numba

    # Each wrapper would be compiled too.
    options: dict[str, Any] = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return cast("Function", numba.njit(nogil=True, **options)(function))


def machine_code(function: Callable[..., Any], signature: Any, **options: Any) -> Any:
    """Return a function compiled for one signature; later processes load what this one compiled.

    Of processes that come at the same time one compiles, and the others wait for it. Beside the files there is one with
    their checksums; without it, or if they don't fit, the function is compiled anew: nothing damaged is ever run.

    What is kept is named after the sources of the function and of all compiled functions that it calls: a change of any
    of them makes it anew. (numba by itself looks at the function's own file only.)

    Args:
        function: whose arguments and results numba knows.
        signature: numba's.
        options: of `numba.njit`.

    Returns:
        The compiled function. Where the cache can't be written it is compiled in every process.
    """
    import numba

    assert isinstance(function, FunctionType)
    named = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)
    named.__doc__, named.__qualname__ = function.__doc__, f"{function.__qualname__}_{_stamp(function)}"
    # The source is locked itself: it is there, and a lock needs no right to write. Without a file, or on a file system
    # without locks, processes go on side by side.
    with claimed(Path(function.__code__.co_filename), wait=True):
        with suppress(RuntimeError, OSError):
            # Where it is kept is known before it is loaded.
            kept = Kept(Path(numba.njit(cache=True, **options)(named).stats.cache_path), named)
            kept.check()
            made = numba.njit(signature, cache=True, **options)(named)
            kept.seal()
            return made
        # Nowhere to write, or something damaged that can't be removed.
        return numba.njit(signature, **options)(named)


class Kept:
    """The files in which numba keeps the machine code of one function, and beside them their checksums.

    Args:
        folder: numba's, for the file that the function is in.
        function: as it is compiled; its name has a hash of its sources.
    """

    def __init__(self, folder: Path, function: FunctionType) -> None:
        """Nothing is looked at yet."""
        self._folder = folder
        # numba puts the module before the name, and the line after it.
        self._pattern = f"*{escape(function.__qualname__.rpartition('.')[2])}-*.nb[ic]"
        self._sums = folder / f"{function.__qualname__.rpartition('.')[2]}.{version_info[0]}{version_info[1]}.sha256"

    def _found(self) -> dict[str, str]:
        files = sorted(self._folder.glob(self._pattern))
        return {file.name: sha256(file.read_bytes()).hexdigest() for file in files}

    def check(self) -> None:
        """Remove what numba has kept unless all of it is as it was sealed.

        Raises:
            OSError: if it can't be read or removed.
        """
        found = self._found()
        try:
            sealed = json.loads(self._sums.read_bytes()) if found else {}
        except (FileNotFoundError, ValueError):
            sealed = None
        if sealed != found:
            for name in found:
                (self._folder / name).unlink(missing_ok=True)

    def seal(self) -> None:
        """Write checksums of what numba keeps, if they are others than before; where that can't be, it isn't loaded.

        Raises:
            OSError: if files can't be read.
        """
        text = json.dumps(self._found())
        with suppress(OSError):
            if not self._sums.exists() or self._sums.read_bytes() != text.encode():
                with replacing(self._sums) as new:
                    new.write_text(text, encoding="utf-8")


def type_of(example: Any) -> Any:
    """Return numba's type of a value: how a signature says which record an argument is."""
    import numba

    typed: Callable[[Any], Any] = numba.typeof
    return typed(example)


def _stamp(function: FunctionType) -> str:
    """Return a hash of the files of a function and the compiled ones it calls, and of constants and records it uses."""
    seen: dict[CodeType, str] = {}
    waiting = [function]
    while waiting:
        part = waiting.pop()
        if part.__code__ in seen:
            continue
        constants = []
        for name in _names(part.__code__):
            value = part.__globals__.get(name)
            if isinstance(value, int | float | str | tuple):
                constants.append(f"{name}={value!r}")
            if isinstance(value, type) and issubclass(value, tuple):
                # A record may be described in a file of its own.
                constants.append(f"{name}={getattr(value, '_fields', ())}")
            called = getattr(value, "py_func", None)
            if isinstance(called, FunctionType):
                waiting.append(called)
        seen[part.__code__] = f"{_hash_of(part.__code__.co_filename)} {constants}"
    return sha256("".join(sorted(seen.values())).encode()).hexdigest()[:16]


def _names(code: CodeType) -> Iterator[str]:
    """Yield the global names that a function uses, those in nested functions included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


@cache
def _hash_of(path: str) -> str:
    try:
        return sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        # Typed in, or inside an archive.
        return path
