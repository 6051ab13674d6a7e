"""Where results will be: looked at before work begins, written by one process at a time, and never in vain.

A destination is taken before the work that it is for. By then it is known that it can be written, no other process
writes it, and what is there is noted, so that nothing is overwritten that somebody else puts there meanwhile. A result
that can't be put there in the end is kept elsewhere, and where is told.
"""

from __future__ import annotations

import contextlib
import errno
import os
import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from .holdings import Holding, around, give_back, note, take
from .paths import check_path
from .saving import NOTHING, State, replacing, state_of

# Most names that are tried beside a place.
MOST_BESIDE = 1000


class MovedError(OSError):
    """A result couldn't be put where it was asked for; it is whole, and elsewhere.

    Args:
        place: where it was asked for.
        found: where it is.
        reason: why.
    """

    def __init__(self, place: Path, found: Path, reason: str) -> None:
        """Say where it is."""
        super().__init__(f"can't write {place} ({reason}): what was to be saved is in {found}")
        self.found = found


class Destination:
    """A file or folder that results will be written to, which other processes leave alone meanwhile.

    Within a block of a folder its files are destinations as well, and belong to the same process.

    Args:
        path: where to. Folders that aren't there are made, and removed again if nothing is written. Of a symbolic link
            the target is written, and the link stays.
        names: of what is written into the folder `path`; None if `path` is written itself.
        force: whether to replace also what somebody else puts there between the beginning of the block and its end, as
            it does in any case within a block that says so.

    Raises:
        ValueError: if `path` is no path, or a file to be written has no name; when the block is entered, if a file is
            in the way of a folder or a folder in the way of a file, or another process writes there.
        OSError: when the block is entered, if its folder can't be written to.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, Destination(Path(folder) / "a.txt") as place:
        ...     place.save(lambda new: new.write_text("computed"))
        ...     place.path.read_text()
        'computed'
    """

    def __init__(
        self, path: str | os.PathLike[str], names: Sequence[str] | None = None, *, force: bool = False
    ) -> None:
        """Take note of what is asked for; nothing is looked at."""
        check_path("path", path, new=names is None)
        self.path, self._names, self._force = Path(path), names, force

    def __enter__(self) -> Destination:
        place = Path(os.path.realpath(self.path))
        outer = around(place)
        self._owned = outer is None
        self._held = take(place, self._names, self._force) if outer is None else outer
        if outer is not None:
            note(outer, self._names, place)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owned:
            give_back(self._held)

    def save(self, write: Callable[[Path], object], name: str = "") -> None:
        """Write a result, which takes its place in one step when it is on the disk.

        Ctrl-C that comes while it is written waits until it is; pressed twice it doesn't.

        Args:
            write: writes a file or folder to the path that it is given.
            name: which of the folder's files; the destination itself by default.

        Raises:
            MovedError: if that can't be done, or somebody else has put something there meanwhile. The result is then
                beside it under a new name, or else in the folder for temporary files.
            Exception: what `write` raised, if it could be written nowhere.
        """
        place = self.path / name if name else self.path
        written = _Written()
        try:
            self._save(write, place, written)
        except KeyboardInterrupt:
            if written.state == NOTHING or state_of(Path(os.path.realpath(place))) != written.state:
                self._save(write, place, written)
            raise

    def _save(self, write: Callable[[Path], object], place: Path, written: _Written) -> None:
        held: Holding = self._held
        real = Path(os.path.realpath(place))
        note(held, None, real)
        try:
            with replacing(real, None if self._force or held.force else held.noted[real]) as new:
                write(new)
                written.state = state_of(new)
                if real.is_dir() and not new.is_dir():
                    # It was taken for a store to be replaced by another.
                    raise IsADirectoryError(errno.EISDIR, "a folder is there", str(real))
            held.noted[real] = written.state
        # What writes a format has errors of its own beside OSError, and a result mustn't be lost to any.
        except Exception as error:
            found = _elsewhere(write, place)
            if found is None:
                raise
            raise MovedError(place, found, getattr(error, "strerror", None) or str(error)) from error


@dataclass
class _Written:
    """What a save has written, if it has come so far."""

    state: State = NOTHING


def write_whole(path: Path, text: str) -> None:
    """Write a text file, which replaces what is at `path` in one step when it is on the disk.

    Raises:
        ValueError: if a folder is there, another process is writing it, or the text is none that UTF-8 can spell.
        OSError: if it can't be written; `path` is then as it was. If it is a `MovedError`, the text is elsewhere.
    """
    try:
        spelled = text.encode()
    except (AttributeError, UnicodeEncodeError):
        raise ValueError(f"text must be text that UTF-8 can spell, got {reprlib.repr(text)}") from None
    with Destination(path) as place:
        if place.path.is_dir():
            raise ValueError(f"expected a file or nothing at {path}, got a folder: choose another place")
        place.save(lambda new: new.write_bytes(spelled))


def _elsewhere(write: Callable[[Path], object], place: Path) -> Path | None:
    """Write a result beside a place or else where temporary files go, and return where it is; None for nowhere."""
    from tempfile import mkdtemp

    for number in range(2, MOST_BESIDE):
        beside = place.with_name(f"{place.stem}-{number}{place.suffix}")
        if os.path.lexists(beside):
            continue
        with contextlib.suppress(Exception):
            return _written(write, beside)
        break
    with contextlib.suppress(Exception):
        folder = Path(mkdtemp(prefix="tegum-"))
        try:
            return _written(write, folder / place.name)
        except BaseException:
            with contextlib.suppress(OSError):
                folder.rmdir()
            raise
    return None


def _written(write: Callable[[Path], object], path: Path) -> Path:
    """Write a result where nothing is, and return where."""
    with replacing(path, NOTHING) as new:
        write(new)
    return path
