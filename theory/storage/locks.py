"""Locks that end with their process, however that ends, and who has them."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover
    # Elsewhere than on POSIX there are no locks of this kind.
    fcntl = None  # type: ignore[assignment]

# What the system says of a lock that another has. Anything else means that there are none here.
TAKEN = (errno.EACCES, errno.EAGAIN)
# Linux lists all locks there.
LIST = Path("/proc/locks")


def locked(handle: int, *, wait: bool = False) -> bool | None:
    """Lock an open file or folder until it is closed, and return whether that could be done.

    Args:
        handle: of what is open.
        wait: until whoever has it has ended, if it is locked already.

    Returns:
        True; False if it is locked already, by another process or another opening of it; None where there are no locks.
    """
    if fcntl is None:  # pragma: no cover
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in TAKEN else None
    return True


def released(handle: int) -> None:
    """Unlock an open file or folder, and close it: a process that was forked meanwhile would hold it further."""
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)
    os.close(handle)


@contextlib.contextmanager
def claimed(path: Path, *, wait: bool = False) -> Iterator[bool | None]:
    """Lock a file or folder for the block, and tell what came of it, as `locked`; None if it can't be opened."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        yield None
        return
    try:
        yield locked(handle, wait=wait)
    finally:
        released(handle)


def holder(handle: int) -> int | None:
    """Return which process has locked an open file or folder, if the system says so."""
    number = os.fstat(handle).st_ino
    found = set()
    with contextlib.suppress(OSError, ValueError, IndexError):
        # "1: FLOCK ADVISORY WRITE process major:minor:number begin end"
        for line in LIST.read_text(encoding="ascii").splitlines():
            words = line.split()
            if words[1] == "FLOCK" and int(words[5].rpartition(":")[2]) == number:
                found.add(int(words[4]))
    # A process of another container has no number here.
    return found.pop() if len(found) == 1 and min(found) > 0 else None
