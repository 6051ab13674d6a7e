"""Which process trains which unit, so that processes on one store share its work."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import ModuleType

try:
    import fcntl
except ImportError:  # Not a Unix.
    locks: ModuleType | None = None
else:
    locks = fcntl

TAKEN = (errno.EACCES, errno.EAGAIN)
# A byte that stands for no unit, to find out whether there are locks.
TRIAL = 1 << 40


class Claims:
    """Claims on units, one byte of a file each, under the operating system's record locks.

    A claim ends with its process, however that ends, also on another machine where the file system has locks across
    machines. Claims only save work: without locks every claim is granted, two processes may train the same unit, and
    both write the same result.

    Args:
        path: the file, made if it isn't there.

    Attributes:
        locked: whether there are locks.
    """

    def __init__(self, path: Path) -> None:
        """Open the file."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self.locked = locks is not None
        self.take(TRIAL)
        self.release(TRIAL)

    def take(self, number: int) -> bool:
        """Return whether the claim on a unit is now this process's."""
        if locks is None:
            return True
        try:
            locks.lockf(self._file, locks.LOCK_EX | locks.LOCK_NB, 1, number)
        except OSError as error:
            if error.errno in TAKEN:
                return False
            self.locked = False
        return True

    def release(self, number: int) -> None:
        """Give a claim up."""
        if locks is not None:
            try:
                locks.lockf(self._file, locks.LOCK_UN, 1, number)
            except OSError:
                # Where there are no locks there is nothing to give up.
                return

    def __enter__(self) -> Claims:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)
