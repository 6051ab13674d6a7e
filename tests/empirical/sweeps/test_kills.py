"""Sweeps whose process is killed, at every moment of writing and at any other, and sweeps that share a store.

Processes are really killed, by SIGKILL. Where one is to die at a given moment it kills itself there.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tegum.empirical.sweeps import read_sweep
from tests.support.forks import Process, Start, forking, python
from tests.support.sweeps import UNITS, contents, marks, output, small_sweep

# Behind the face: claims of processes that are killed.
claims: Any = import_module("tegum.empirical.sweeps.claims")

# Forks a process for every moment of writing the first unit and of laying out the store, which dies there.
# A moment is (number of the file, what has happened to it).
DYING = """
import json, os, signal, sys
from importlib import import_module
from pathlib import Path
from tests.support.sweeps import small_sweep
from tegum.empirical import train
from tegum.theory import diagram_model
# Behind the face: its files are torn at every place where a process may die.
store = import_module("tegum.empirical.sweeps.store")
# What is compiled here needn't be in each of the forks.
train(diagram_model(2, 1, 0.1, 1.0), seeds=2, steps=4, batch_size=64)
put = store.Store._put

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def dying(file, moment):
    count = [-1]
    def dying_put(self, path, content):
        count[0] += 1
        if count[0] != file:
            return put(self, path, content)
        if moment == "before":
            die()
        if moment == "half":
            with store.workplace(self.path / "work" / store.UNFINISHED) as work:
                (work / path.name).write_bytes(content[: len(content) // 2])
                die()
        if moment == "unrenamed":
            store.os.replace = lambda *_: die()
        put(self, path, content)
        die()
    return dying_put

folder, moments = Path(sys.argv[1]), json.loads(sys.argv[2])
for file, moment in moments:
    child = os.fork()
    if child == 0:
        if moment == "laying out":
            store.zarr.consolidate_metadata = lambda *_: die()
        else:
            store.Store._put = dying(file, moment)
        small_sweep(folder / f"{file} {moment}", n_features=2)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, (file, moment, status)
"""
# Trains from one unit to the next as fast as it can, and says how many. With a number of marks and of looks at them
# it says when it has seen so many marks so often, and goes no further before it is told to.
PLAIN = """
import os, signal, sys
from importlib import import_module
from pathlib import Path
from tests.support.sweeps import marks, small_sweep
# A process of a background job ignores it otherwise.
signal.signal(signal.SIGINT, signal.default_int_handler)
path, workers, steps, wanted, left, *words = [Path(sys.argv[1]), *map(int, sys.argv[2:6]), *sys.argv[6:]]

def hold(done, total):
    global left
    if left and len(marks(path)) >= wanted:
        left -= 1
        if not left:
            print("held", flush=True)
            sys.stdin.readline()

if __name__ == "__main__":
    if "without locks" in words:
        # Behind the face: claims of processes that are killed.
        import_module("tegum.empirical.sweeps.claims").locks = None
    if "own group" in words:
        os.setpgrp()
    print(small_sweep(path, steps=steps, chunk=1, workers=workers, on_progress=hold).trained)
"""
# A unit of many steps takes a few tenths of a second: several times what lies between two looks at it.
FEW, MANY = 4, 250_000
# Seconds after which a test gives up waiting.
PATIENCE = 120.0


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    # Dask is what xarray looks for; the kernel of the loss is loaded with what numba needs to load machine code.
    loaded = "tegum.empirical.kernels.cpu", "tegum.theory.loss.kernel", "dask.array"
    with forking("tests.support.sweeps", *loaded) as start:
        yield start


def held(start: Start, path: Path, workers: int, *words: str, marks: int = 1, looks: int = 1) -> Process:
    """Start a sweep in another process, and return once it holds still."""
    process = start(PLAIN, path, *map(str, (workers, MANY, marks, looks)), *words)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n", process.communicate()
    return process


def until(reached: object, *, what: str) -> None:
    """Wait until a condition holds."""
    assert callable(reached)
    end = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < end, what
        time.sleep(0.01)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, bytes]]:
    """What uninterrupted sweeps write: of four units, and of eight with few and with many steps."""
    folder = tmp_path_factory.mktemp("whole")
    small_sweep(folder / "four")
    for steps in (FEW, MANY):
        small_sweep(folder / str(steps), steps=steps, chunk=1)
    return {0: contents(folder / "four")} | {steps: contents(folder / str(steps)) for steps in (FEW, MANY)}


def test_killed_at_every_moment_of_writing_nothing_finished_is_lost(start: Start, tmp_path: Path) -> None:
    # The variables, done, and the mark.
    small_sweep(tmp_path / "reference", n_features=2)
    files = len(read_sweep(tmp_path / "reference").dataset) + 1
    expected = contents(tmp_path / "reference")
    moments = [(0, "laying out"), (0, "before")]
    moments += [(file, moment) for file in range(files) for moment in ("half", "renamed")]
    moments += [(files - 2, "unrenamed"), (files - 1, "unrenamed")]
    # In the second unit too, where there is something to lose.
    moments += [(files + 1, "half"), (2 * files - 1, "unrenamed"), (2 * files - 1, "renamed")]
    output(start(DYING, tmp_path, json.dumps(moments)))
    for file, moment in moments:
        path = tmp_path / f"{file} {moment}"
        saved = (file + (moment == "renamed")) // files
        if moment == "laying out":
            assert not path.exists()
        else:
            assert len(marks(path)) == saved
            # Whatever the dataset calls done is there.
            found = read_sweep(path).dataset.load()
            assert bool(found["loss"].where(found["done"], 0.0).notnull().all())
        rest = small_sweep(path, n_features=2)
        assert (rest.status, rest.trained, rest.damaged) == ("finished", UNITS // 2 - saved, ())
        assert contents(path) == expected
        assert {entry.name for entry in (path / "work").iterdir()} == {"claims", "zarr.json"}
    # Nothing is left of what was never finished.
    assert len(list(tmp_path.iterdir())) == len(moments) + 1


# At the first look the sweep is between two units, at the second it trains.
@pytest.mark.parametrize("looks", [1, 2], ids=["between units", "in the middle of a unit"])
def test_killed_from_outside_at_any_time(
    start: Start, tmp_path: Path, whole: dict[int, dict[str, bytes]], looks: int
) -> None:
    path, units = tmp_path / "a", 3
    process = held(start, path, 1, marks=units, looks=looks)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert len(marks(path)) == units
    rest = small_sweep(path, steps=MANY, chunk=1)
    assert (rest.trained, rest.damaged) == (2 * UNITS - units, ())
    assert contents(path) == whole[MANY]


def children(process: int) -> list[int]:
    """Return the processes that a process has started, and theirs."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # After the name, which is in parentheses, state and parent follow.
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        if parent == process:
            found += [int(folder.name), *children(int(folder.name))]
    return found


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc to find a process's children")
def test_killed_with_workers_it_leaves_none_behind(
    start: Start, tmp_path: Path, whole: dict[int, dict[str, bytes]]
) -> None:
    path = tmp_path / "a"
    process = held(start, path, 2)
    workers = children(process.pid)
    assert len(workers) >= 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not any(map(alive, workers)), what="workers outlived the sweep")
    process.communicate()
    small_sweep(path, steps=MANY, chunk=1)
    assert contents(path) == whole[MANY]


@pytest.mark.parametrize("locks", [True, False], ids=["with locks", "without locks"])
def test_two_processes_share_a_store(
    start: Start,
    tmp_path: Path,
    whole: dict[int, dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
    locks: bool,
) -> None:
    path = tmp_path / "a"
    if not locks:
        monkeypatch.setattr(claims, "locks", None)
    # The other one goes on when each has finished a unit.
    other = held(start, path, 1, *(() if locks else ("without locks",)))

    def release(_done: int, _total: int) -> None:
        if len(marks(path)) == 2:
            assert other.stdin is not None
            print(file=other.stdin, flush=True)

    mine = small_sweep(path, steps=MANY, chunk=1, on_progress=release)
    theirs = int(output(other))
    assert contents(path) == whole[MANY]
    assert mine.status == read_sweep(path).status == "finished"
    assert min(mine.trained, theirs) >= 1
    # With claims nothing is trained twice; without, work may be done twice, to the same effect.
    total = mine.trained + theirs
    assert total == 2 * UNITS if locks else total >= 2 * UNITS


# Loads the module alone, which needs nothing of ours.
CLAIMING = """
import runpy, sys
from pathlib import Path
claims = runpy.run_path(sys.argv[2])["Claims"](Path(sys.argv[1]))
print(claims.locked, claims.take(3), claims.take(4), claims.release(4), flush=True)
sys.stdin.readline()
"""


def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    process = python(CLAIMING, tmp_path / "claims", claims.__file__)
    assert process.stdout is not None
    assert process.stdout.readline() == "True True True None\n"
    with claims.Claims(tmp_path / "claims") as mine:
        assert mine.take(4)
        assert not mine.take(3)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert mine.take(3)


FULL = """
import errno, resource, sys
from pathlib import Path
from tests.support.sweeps import small_sweep

def fill(done, total):
    # A file may not grow past this size from now on: the first chunk that is larger can't be written.
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, resource.RLIM_INFINITY))

try:
    small_sweep(Path(sys.argv[1]), on_progress=fill)
except OSError as error:
    assert error.errno == errno.EFBIG, error
    print(error)
"""


def test_a_file_that_cannot_grow_is_like_a_full_disk(
    start: Start, tmp_path: Path, whole: dict[int, dict[str, bytes]]
) -> None:
    said = output(start(FULL, tmp_path / "a"))
    assert "no space is left" in said
    assert "0 of 4 units are done and saved" in said
    assert small_sweep(tmp_path / "a").trained == UNITS
    assert contents(tmp_path / "a") == whole[0]


def test_ctrl_c_at_a_terminal_reaches_all_processes_and_ends_them(
    start: Start, tmp_path: Path, whole: dict[int, dict[str, bytes]]
) -> None:
    path = tmp_path / "a"
    process = held(start, path, 2, "own group")
    os.killpg(process.pid, signal.SIGINT)
    trained = int(output(process))
    assert 1 <= trained == len(marks(path)) < 2 * UNITS
    assert small_sweep(path, steps=MANY, chunk=1).trained == 2 * UNITS - trained
    assert contents(path) == whole[MANY]
