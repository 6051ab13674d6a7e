"""What a process holds of the places that it writes to: looked at, locked, and noted as they were."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .locks import holder, locked, released
from .saving import State, recover, state_of

# A file by which it is known that a place is being written; it is there as long as that takes.
WRITING = ".writing"
# What ends so is a folder, known by a file of this name.
STORE, STORE_FILE = ".zarr", "zarr.json"


@dataclass
class Holding:
    """What a process holds of a place.

    Attributes:
        place: without symbolic links.
        folder: whether it is a folder that results are written into.
        force: whether what somebody else puts there is replaced.
        handle: of what is locked; None where there are no locks.
        lock: a file that is there to be locked.
        made: folders that were made for it.
        noted: what is at each place in it.
        process: whose it is; one that is forked from it has only a copy.
    """

    place: Path
    folder: bool
    force: bool
    handle: int | None = None
    lock: Path | None = None
    made: list[Path] = field(default_factory=list)
    noted: dict[Path, State] = field(default_factory=dict)
    process: int = field(default_factory=os.getpid)


# What each thread holds, by place.
_held: dict[tuple[int, Path], Holding] = {}


def take(place: Path, names: Sequence[str] | None, force: bool) -> Holding:
    """Look at a place, lock it for this thread, and note what is there.

    Args:
        place: without symbolic links.
        names: of what is written into it, if it is a folder.
        force: whether what somebody else puts there is replaced.

    Raises:
        ValueError: if something of another kind is in the way, or another process has it.
        OSError: if it can't be written to.
    """
    held = Holding(place, names is not None, force)
    _check_writable(place, held.folder)
    try:
        _make(place if held.folder else place.parent, held)
        _lock(held)
        note(held, names)
    except BaseException:
        _release(held)
        raise
    _held[threading.get_ident(), place] = held
    return held


def give_back(held: Holding) -> None:
    """Let others have a place; nothing is left of what was made for holding it."""
    _held.pop((threading.get_ident(), held.place), None)
    _release(held)


def note(held: Holding, names: Sequence[str] | None, place: Path | None = None) -> None:
    """Note what is at a place, or at places in it, unless that is known.

    Raises:
        ValueError: if something of another kind is in the way.
    """
    place = held.place if place is None else place
    for name in ("",) if names is None else names:
        inside = Path(os.path.realpath(place / name)) if name else place
        if inside not in held.noted:
            _check_kind(inside)
            recover(inside)
            held.noted[inside] = state_of(inside)


def around(place: Path) -> Holding | None:
    """Return what this thread holds that a place belongs to."""
    thread = threading.get_ident()
    if own := _held.get((thread, place)):
        return own
    above = (_held.get((thread, folder)) for folder in place.parents)
    return next((held for held in above if held is not None and held.folder), None)


def _check_kind(place: Path) -> None:
    """Raise `ValueError` if something of another kind is where a result will be."""
    if place.exists() and not (place.is_file() or place.is_dir()):
        raise ValueError(f"expected a file or folder, or nothing, at {place}, which is a device or a pipe")
    store = place.suffix == STORE
    if place.is_dir():
        if (place / STORE_FILE).exists() or (store and not any(place.iterdir())):
            return
        kind = "a zarr store" if store else "a file"
        raise ValueError(f"expected {kind} or nothing at {place}, got a folder of something else: choose another place")
    if store and place.exists():
        raise ValueError(f"expected a zarr store or nothing at {place}, got a file: choose another place")


def _check_writable(place: Path, folder: bool) -> None:
    """Raise an error unless files can be made in a folder, or in that of a file, which may have to be made.

    Raises:
        ValueError: if a file is where the folder is to be.
        OSError: if it, or the next above it that there is, can't be written to.
    """
    from tempfile import TemporaryFile

    if folder and place.exists() and not place.is_dir():
        raise ValueError(f"expected a folder or nothing at {place}, got a file: choose another place")
    above = next(parent for parent in (*([place] if folder else []), *place.parents) if parent.exists())
    try:
        with TemporaryFile(dir=above):
            pass
    except OSError as error:
        raise OSError(f"can't write to {above}: {error.strerror or error}") from None


def _make(folder: Path, held: Holding) -> None:
    """Make a folder and those above it, and take note of those that weren't there."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        with contextlib.suppress(FileExistsError):
            one.mkdir()
            held.made.append(one)


def _lock(held: Holding) -> None:
    """Lock a place: the folder that results are written into, or else a file beside it, since a result comes and goes.

    Raises:
        ValueError: if another process has it.
    """
    lock = held.place if held.folder else held.place.with_name(f".{held.place.name}{WRITING}")
    while True:
        handle = _opened(lock, held)
        if handle is None:
            return
        got = locked(handle)
        if got and not _is_open(lock, handle):
            # Whoever had it has removed it by now.
            os.close(handle)
            continue
        if got is False:
            process = holder(handle)
            os.close(handle)
            who = "another process" if process is None else f"process {process}"
            raise ValueError(f"{who} is writing {held.place}: wait until it has ended, or choose another place")
        held.handle = handle
        held.lock = None if held.folder else lock
        return


def _is_open(path: Path, handle: int) -> bool:
    """Return whether what is open is what is there now."""
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False


def _opened(lock: Path, held: Holding) -> int | None:
    """Open what is to be locked; None if that can't be done."""
    if held.folder:
        with contextlib.suppress(OSError):
            return os.open(lock, os.O_RDONLY)
        return None
    while True:
        try:
            return os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            # Another process has removed a folder that it had made too.
            _make(lock.parent, held)
        except OSError:
            break
    # Somebody else's folder of this name, or file without permission, can be locked as it is.
    with contextlib.suppress(OSError):
        return os.open(lock, os.O_RDONLY)
    return None


def _release(held: Holding) -> None:
    """Give a place back; nothing is left of what was made for it."""
    if held.process != os.getpid():
        return
    if held.handle is not None:
        with contextlib.suppress(OSError):
            # Ours is empty. A file with content of this name is somebody else's.
            lock = held.lock
            if lock is not None and lock.is_file() and not lock.stat().st_size and _is_open(lock, held.handle):
                lock.unlink()
        released(held.handle)
    for folder in reversed(held.made):
        with contextlib.suppress(OSError):
            folder.rmdir()
