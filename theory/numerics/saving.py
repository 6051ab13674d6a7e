"""A file or folder that takes its place in one step, when all of it is on the disk, and what a killed save leaves.

Whatever is saved is written into a folder of its own beside its place, under a name that nobody else has; it is flushed
there, and then takes the place of what was there before by one exchange of names. A process that is killed at any
moment leaves the old or the new, whole; what else it leaves is removed by the next save, which tells a dead process's
folder from a living one's by a lock. Nothing is ever removed that wasn't made here.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from .checks import check_path, check_text

try:
    import fcntl
except ImportError:  # pragma: no cover
    # Elsewhere than on POSIX there are no locks of this kind, and what a killed process left stays.
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".saving"
NEW, OLD = "new", "old"
# `renameat2` of Linux: paths relative to the current folder, exchanged.
HERE, EXCHANGE = -100, 2


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a name to write a file or folder to, which then takes the place of `path`.

    If the block raises, `path` stays as it was. A symbolic link stays one, and its target is replaced.

    Args:
        path: what is to be made or replaced. Its folder is made if there is none.

    Raises:
        OSError: if something can't be written or renamed; `path` is then as it was.
    """
    check_path("path", path, new=True)
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    recover(path)
    with _workplace(path) as work:
        try:
            yield work / NEW
            _flush(work / NEW)
            _switch(work, path)
            _flush_folder(path.parent)
        finally:
            if os.path.lexists(path) or not (work / OLD).exists():
                shutil.rmtree(work, ignore_errors=True)


def write_whole(path: Path, text: str) -> None:
    """Write a text file, which replaces what is at `path` in one step when it is on the disk.

    Raises:
        OSError: if it can't be written; `path` is then as it was.
    """
    check_path("path", path, new=True)
    check_text("text", text)
    with replacing(path) as new:
        new.write_text(text, encoding="utf-8")


def recover(path: Path) -> None:
    """Finish what a killed save had begun to put in place, and remove what killed saves of `path` have left.

    Args:
        path: as it was saved.
    """
    check_path("path", path, new=True)
    path = Path(os.path.realpath(path))
    for work in sorted(path.parent.glob(f".{_escaped(path.name)}.*{SUFFIX}")):
        with _claimed(work) as dead:
            if not dead:
                continue
            # Only where names can't be exchanged is there a moment without either: then both are whole.
            if (work / OLD).exists() and not os.path.lexists(path):
                whole = work / NEW if (work / NEW).exists() else work / OLD
                whole.rename(path)
            shutil.rmtree(work, ignore_errors=True)


def _escaped(name: str) -> str:
    """Return a name for a pattern of `glob`."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


@contextlib.contextmanager
def _workplace(path: Path) -> Iterator[Path]:
    """Give a new folder beside a path, which others leave alone as long as this process lives."""
    while True:
        work = path.with_name(f".{path.name}.{uuid.uuid4().hex}{SUFFIX}")
        work.mkdir()
        with _claimed(work) as ours:
            # Before it was locked another process may have taken it for a dead one's.
            if (ours or fcntl is None) and work.exists():
                yield work
                return


@contextlib.contextmanager
def _claimed(work: Path) -> Iterator[bool]:
    """Lock a working folder for the block, and tell whether that could be done: no living process has it then."""
    if fcntl is None:  # pragma: no cover
        yield False
        return
    try:
        handle = os.open(work, os.O_RDONLY)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def _switch(work: Path, path: Path) -> None:
    """Put what is new in its place; what was there is then in the working folder."""
    new = work / NEW
    if not os.path.lexists(path):
        try:
            new.rename(path)
        except OSError:
            # Somebody made a folder there meanwhile.
            if not os.path.lexists(path):
                raise
        else:
            return
    if new.is_file() and path.is_file():
        new.replace(path)
    elif not _exchanged(new, path):
        path.rename(work / OLD)
        new.rename(path)


def _exchanged(first: Path, second: Path) -> bool:
    """Exchange two names at once, and return whether the system can do that."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    return bool(rename(HERE, os.fsencode(first), HERE, os.fsencode(second), EXCHANGE) == 0)


def _flush(whole: Path) -> None:
    """Wait until a file, or a folder with all that is in it, is on the disk."""
    if whole.is_dir():
        for folder, _, files in os.walk(whole, topdown=False):
            for name in files:
                _flush_file(Path(folder) / name)
            _flush_folder(Path(folder))
    else:
        _flush_file(whole)
    _flush_folder(whole.parent)


def _flush_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    # Not every system lets a folder be opened; then its names are on the disk when the system likes.
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
