"""A file or folder that takes its place in one step, when all of it is on the disk, and what a killed save leaves.

Whatever is saved is written into a folder of its own beside its place, under a name that nobody else has; it is flushed
there, and then takes the place of what was there before by one exchange of names. A process that is killed at any
moment leaves the old or the new, whole; what else it leaves is removed by the next save, which tells a dead process's
folder from a living one's by a lock. Nothing is ever removed that wasn't made here.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

from .locks import claimed
from .paths import check_path

# The end of a working folder's name, and what is before that, for `glob`: a save of "a.txt" is none of "a".
SUFFIX, DIGITS = ".saving", "[0-9a-f]" * 32
NEW, OLD = "new", "old"
# `renameat2` of Linux: paths relative to the current folder, a name that isn't taken, two names exchanged.
HERE, FREE, EXCHANGE = -100, 1, 2

# What is at a place, so that a change of it is noticed: of each file in it name, number, size and time; () for nothing.
State = tuple[tuple[str, int, int, int], ...]
# The state of a place where nothing is.
NOTHING: State = ()


class ChangedError(FileExistsError):
    """Something was made or changed where a result was to go, by somebody else; it stays."""


def state_of(path: Path) -> State:
    """Return what is at a place now; what is moved as a whole keeps its state."""
    found = []
    waiting = [(path, "")]
    while waiting:
        there, name = waiting.pop()
        # What goes away while it is looked at isn't there.
        with contextlib.suppress(OSError):
            facts = there.lstat()
            if stat.S_ISDIR(facts.st_mode):
                found.append((f"{name}/", facts.st_ino, 0, 0))
                waiting += [(there / entry, f"{name}/{entry}") for entry in os.listdir(there)]
            else:
                found.append((name, facts.st_ino, facts.st_size, facts.st_mtime_ns))
    return tuple(sorted(found))


@contextlib.contextmanager
def replacing(path: Path, expected: State | None = None) -> Iterator[Path]:
    """Give a name to write a file or folder to, which then takes the place of `path`.

    If the block raises, `path` stays as it was. A symbolic link stays one, and its target is replaced.

    Args:
        path: what is to be made or replaced. Its folder is made if there is none.
        expected: what is there to be replaced, as `state_of` returned it; default whatever there is.

    Raises:
        ChangedError: if something else than what was expected is there; it stays.
        OSError: if something can't be written or renamed; `path` is then as it was.
    """
    check_path("path", path, new=True)
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    recover(path)
    with workplace(path) as work:
        yield work / NEW
        _flush(work / NEW)
        _switch(work, path, expected)
        _flush_folder(path.parent)


@contextlib.contextmanager
def workplace(path: Path) -> Iterator[Path]:
    """Give a new folder beside a path for the block, which others leave alone as long as this process lives.

    It is removed in the end; what a killed process leaves of it is removed by `recover`.
    """
    with _locked_folder(path) as work:
        try:
            yield work
        finally:
            if os.path.lexists(path) or not (work / OLD).exists():
                shutil.rmtree(work, ignore_errors=True)


def recover(path: Path) -> None:
    """Finish what a killed save had begun to put in place, and remove what killed saves of `path` have left.

    Args:
        path: as it was saved.
    """
    check_path("path", path, new=True)
    path = Path(os.path.realpath(path))
    for work in sorted(path.parent.glob(f".{_escaped(path.name)}.{DIGITS}{SUFFIX}")):
        with claimed(work) as dead:
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
def _locked_folder(path: Path) -> Iterator[Path]:
    """Give a new folder beside a path, locked."""
    while True:
        work = path.with_name(f".{path.name}.{uuid.uuid4().hex}{SUFFIX}")
        work.mkdir()
        with claimed(work) as ours:
            # Before it was locked another process may have taken it for a dead one's.
            if ours is not False and work.exists():
                yield work
                return


def _switch(work: Path, path: Path, expected: State | None) -> None:
    """Put what is new in its place; what was there is then in the working folder."""
    new = work / NEW
    if expected is not None:
        there = state_of(path)
        if NOTHING in (there, expected):
            _place(new, path)
            return
        if there != expected:
            raise _changed(path)
        if _exchanged(new, path):
            if state_of(new) == expected:
                return
            # It was changed between the two looks.
            _exchanged(new, path)
            raise _changed(path)
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


def _place(new: Path, path: Path) -> None:
    """Put what is new where nothing is.

    Raises:
        ChangedError: if something is there by then; an empty folder is nothing.
    """
    if _renamed(new, path, FREE):
        return
    try:
        if new.is_dir():
            # Not over a folder that holds something.
            new.rename(path)
        else:
            os.link(new, path)
            new.unlink()
    except OSError:
        if not os.path.lexists(path):
            raise
        raise _changed(path) from None


def _changed(path: Path) -> ChangedError:
    return ChangedError(errno.EEXIST, "somebody else has written there meanwhile", str(path))


def _exchanged(first: Path, second: Path) -> bool:
    """Exchange two names at once, and return whether the system can do that."""
    return _renamed(first, second, EXCHANGE)


def _renamed(first: Path, second: Path, how: int) -> bool:
    """Rename as only Linux can, and return whether that was done."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    return bool(rename(HERE, os.fsencode(first), HERE, os.fsencode(second), how) == 0)


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
