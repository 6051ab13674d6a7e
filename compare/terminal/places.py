"""Where the results of commands go: taken before they are worked out, and what is there is replaced or left alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tegum.theory.storage import Destination


def check_folder(out: Path) -> None:
    """Raise `ValueError` unless the folder that a file is to stand in is there: a path may be mistyped."""
    if not out.parent.exists():
        raise ValueError(
            f"expected a folder that is there for {out}, got {out.parent}: make it first, or mend the path"
        )


def taken(files: Sequence[Path]) -> ExitStack:
    """Take the places of several files, until the block ends.

    Raises:
        ValueError: if something is in the way, a folder isn't there, or another process is writing one.
        OSError: if one can't be written to.
    """
    from tegum.theory.storage import Destination

    with ExitStack() as stack:
        for file in files:
            check_folder(file)
            stack.enter_context(Destination(file))
        return stack.pop_all()


def new_file(out: Path, read: Callable[[Path], object], *, force: bool) -> Destination:
    """Return the destination of a file that doesn't replace another one unless that is asked for.

    Args:
        out: where to.
        read: reads such a file. What it can't read isn't replaced in any case.
        force: whether to replace what is there, and what somebody puts there meanwhile.

    Raises:
        ValueError: if something is there that mustn't be replaced.
    """
    if out.exists() and not force:
        raise ValueError(f"expected a new file, but {out} exists: choose another --out, or replace it with --force")
    return same_kind(out, read, force=force)


def same_kind(out: Path, read: Callable[[Path], object], *, force: bool = False) -> Destination:
    """Return the destination of a file that replaces its own kind only; arguments as `new_file`.

    Raises:
        ValueError: if something else is there, or the folder isn't.
    """
    from tegum.theory.storage import Destination

    check_folder(out)
    if out.is_dir() and not out.suffix:
        raise ValueError(f"expected a file or nothing at {out}, got a folder: choose another --out")
    if out.exists() and not (out.is_file() or out.is_dir()):
        raise ValueError(f"expected a file or nothing at {out}, which is a device or a pipe: choose another --out")
    if out.exists():
        read(out)
    return Destination(out, force=force)
