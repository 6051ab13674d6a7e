"""Damage as disks, copies and killed writers do it to files, and an account of what readers make of it."""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

# Seconds after which a reader is taken to hang.
PATIENCE = 60
# What may come of reading a damaged file.
REFUSED, EQUAL, BELIEVED, ERROR, HANG = "refused", "equal", "believed", "other error", "hang"


def files_of(path: Path) -> list[Path]:
    """Return a file itself, or all files of a folder, in an order that doesn't depend on the system."""
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


def flipped(path: Path, rng: np.random.Generator) -> None:
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)


def zeroed(path: Path, rng: np.random.Generator) -> None:
    content = bytearray(path.read_bytes())
    # A byte that is 0 can't be damaged so.
    there = [k for k, byte in enumerate(content) if byte]
    content[there[rng.integers(len(there))]] = 0
    path.write_bytes(content)


def cut(path: Path, rng: np.random.Generator) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: rng.integers(len(content))])


def deleted(path: Path, _: np.random.Generator) -> None:
    path.unlink()


def exchanged(folder: Path, rng: np.random.Generator) -> None:
    files = files_of(folder)
    contents = (b"", b"")
    while contents[0] == contents[1]:
        one, other = (files[k] for k in rng.choice(len(files), 2, replace=False))
        contents = one.read_bytes(), other.read_bytes()
    other.write_bytes(contents[0])
    one.write_bytes(contents[1])


def doubled_line(path: Path, rng: np.random.Generator) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    k = int(rng.integers(len(lines)))
    path.write_bytes(b"".join([*lines[: k + 1], *lines[k:]]))


def lost_line(path: Path, rng: np.random.Generator) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    del lines[rng.integers(len(lines))]
    path.write_bytes(b"".join(lines))


def damage(path: Path, rng: np.random.Generator) -> str:
    """Damage a file or a folder once, and return how: what damages lines is done to tables only."""
    ways: list[Callable[[Path, np.random.Generator], None]] = [flipped, zeroed, cut]
    ways += [doubled_line, lost_line] if path.suffix == ".csv" else []
    ways += [deleted, exchanged] if path.is_dir() else []
    way = ways[rng.integers(len(ways))]
    sizes = np.array([file.stat().st_size for file in files_of(path)])
    target = path if way is exchanged else files_of(path)[rng.choice(len(sizes), p=(sizes > 0) / (sizes > 0).sum())]
    # A file of zeros can't lose another byte to zero.
    way = flipped if way is zeroed and not target.read_bytes().strip(b"\0") else way
    way(target, rng)
    return f"{way.__name__} {target.name}"


@contextmanager
def in_time() -> Iterator[None]:
    """Raise `TimeoutError` if the block takes too long."""

    def late(_: int, __: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def attacked(
    original: Path, read: Callable[[Path], Any], is_right: Callable[[Any], bool], times: int, *, seed: int = 0
) -> tuple[Counter[str], list[str]]:
    """Damage copies of a file or folder, read each, and count what comes of it.

    Args:
        original: what is copied; copies bear its name, in a folder beside it.
        read: the reader, given a copy.
        is_right: whether what was read is what the undamaged file holds, or a part of it that is made whole later.
        times: how many copies are damaged.
        seed: of the damages.

    Returns:
        Counts of "refused" (`ValueError` with words), "equal", "believed", "other error" and "hang", and what was done
        in each case of the last three.
    """
    counts: Counter[str] = Counter()
    bad: list[str] = []
    copy = original.parent / "damaged" / original.name
    for k in range(times):
        shutil.rmtree(copy.parent, ignore_errors=True)
        copy.parent.mkdir()
        shutil.copytree(original, copy) if original.is_dir() else shutil.copy(original, copy)
        how = damage(copy, np.random.default_rng([seed, k]))
        try:
            with in_time():
                outcome = EQUAL if is_right(read(copy)) else BELIEVED
        except ValueError as error:
            outcome = REFUSED if str(error).strip() else ERROR
        except TimeoutError:
            outcome = HANG
        # Whatever else comes out is what is looked for.
        except Exception as error:
            outcome, how = ERROR, f"{how}: {type(error).__name__}: {error}"
        counts[outcome] += 1
        if outcome in (BELIEVED, ERROR, HANG):
            bad.append(f"{k}: {outcome}: {how}")
    return counts, bad
