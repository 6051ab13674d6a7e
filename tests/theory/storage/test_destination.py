"""Destinations: looked at before work begins, one writer at a time, nothing foreign overwritten, nothing lost."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tegum.theory.storage import Destination, MovedError, write_whole
from tests.support.internals import internals

# Behind the face: systems without locks, and their list.
locks = internals("storage.locks")
# Behind the face: systems without renames of their own kind.
saving = internals("storage.saving")

# Holds a place until it is told to end.
HOLDING = """
import sys
from tegum.theory.storage import Destination
with Destination(sys.argv[1], ["runs"] if sys.argv[2] == "folder" else None):
    print("held", flush=True)
    sys.stdin.readline()
"""

# Holds a place until it is told to end; a process that is forked from it ends its copy of that, and lives on.
FORKED = """
import os, sys, time
from tegum.theory.storage import Destination
place = Destination(sys.argv[1], ["runs"] if sys.argv[2] == "folder" else None)
place.__enter__()
if not os.fork():
    place.__exit__(None, None, None)
    print(os.getpid(), flush=True)
    time.sleep(60)
    os._exit(0)
sys.stdin.readline()
place.__exit__(None, None, None)
print("given back", flush=True)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def text(words: str) -> Callable[[Path], object]:
    return lambda new: new.write_text(words)


def store(words: str) -> Callable[[Path], object]:
    def write(new: Path) -> None:
        new.mkdir()
        (new / "zarr.json").write_text(words)

    return write


def full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fails(count: int, write: Callable[[Path], object], error: type[BaseException] = OSError) -> Any:
    """Return what writes, but fails half-way the first times."""
    left = [count]

    def tried(new: Path) -> None:
        left[0] -= 1
        if left[0] >= 0:
            new.write_text("half")
            raise error(errno.ENOSPC, os.strerror(errno.ENOSPC)) if error is OSError else error
        write(new)

    return tried


# --- Before work begins ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.txt", "a.zarr", "deep/er/a.txt"])
def test_looking_leaves_nothing(tmp_path: Path, name: str) -> None:
    with Destination(tmp_path / name):
        pass
    with Destination(tmp_path / name, ["runs"]):
        pass
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("made", "asked", "inside", "message"),
    [
        pytest.param("a.txt/x", "a.txt", None, "expected a file or nothing at .*a.txt, got a folder", id="folder"),
        pytest.param("a.zarr/x", "a.zarr", None, "expected a zarr store or nothing at .*a.zarr, got a", id="foreign"),
        pytest.param("a.zarr", "a.zarr", None, "expected a zarr store or nothing at .*, got a file", id="file"),
        pytest.param("out", "out", ["a.txt"], "expected a folder or nothing at .*out, got a file", id="no folder"),
        pytest.param("out/a.txt/x", "out", ["a.txt"], "expected a file or nothing at .*a.txt", id="folder inside"),
        pytest.param("out/a.zarr/x", "out", ["a.zarr"], "expected a zarr store or nothing at", id="foreign inside"),
    ],
)
def test_what_is_in_the_way_is_told_and_stays(
    tmp_path: Path, made: str, asked: str, inside: list[str] | None, message: str
) -> None:
    (tmp_path / made).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / made).write_text("mine")
    with pytest.raises(ValueError, match=message), Destination(tmp_path / asked, inside):
        pass
    assert (tmp_path / made).read_text() == "mine"
    assert {name for name in names(tmp_path) if name not in made} == set()


@pytest.mark.parametrize("name", ["a.zarr", "a"])
def test_a_store_is_not_replaced_by_a_file(tmp_path: Path, name: str) -> None:
    store("mine")(tmp_path / name)
    with pytest.raises(ValueError, match=f"expected a file or nothing at .*{name}, got a folder"):
        write_whole(tmp_path / name, "x")
    with Destination(tmp_path / name) as place, pytest.raises(MovedError, match="a folder is there") as moved:
        place.save(text("x"))
    assert (tmp_path / name / "zarr.json").read_text() == "mine"
    assert moved.value.found.read_text() == "x"


def test_a_folder_in_a_file_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(OSError, match=f"can't write to {tmp_path / 'a'}: "), Destination(tmp_path / "a" / "b" / "c"):
        pass


# --- One writer --------------------------------------------------------------------------------------------------


def holding(place: Path, kind: str) -> subprocess.Popen[str]:
    """Start a process that holds a place."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", HOLDING, place, kind], stdin=pipe, stdout=pipe, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.skipif(locks.fcntl is None, reason="no locks here")
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_second_process_is_told_who_writes_until_that_has_ended(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "new" / "out"
    inside = ["runs"] if kind == "folder" else None
    process = holding(place, kind)
    who = f"process {process.pid}" if locks.LIST.exists() else "another process"
    for path in (place, tmp_path / "new" / ".." / "new" / "out"):
        with (
            pytest.raises(ValueError, match=f"{who} is writing {place}: wait until") as told,
            Destination(path, inside),
        ):
            pass
        assert "\n" not in str(told.value)
    # Others beside it aren't concerned.
    write_whole(tmp_path / "new" / "beside", "x")
    # However it ends, the lock ends, and whoever comes next leaves nothing.
    process.kill()
    process.communicate()
    with Destination(place, inside) as mine:
        mine.save(text("x"), "runs" if inside else "")
    assert names(tmp_path) == ["new", "new/beside", "new/out", *(["new/out/runs"] if inside else [])]


@pytest.mark.skipif(locks.fcntl is None, reason="no locks here")
def test_threads_and_blocks_within_a_block(tmp_path: Path) -> None:
    told: list[str] = []

    def other() -> None:
        try:
            with Destination(tmp_path / "out" / "a.txt"):
                pass
            with Destination(tmp_path / "out", ["a.txt"]):
                pass
        except ValueError as error:
            told.append(str(error))

    with Destination(tmp_path / "out", ["a.txt"]):
        with Destination(tmp_path / "out" / "a.txt") as inner:
            inner.save(text("one"))
        write_whole(tmp_path / "out" / "a.txt", "two")
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert names(tmp_path) == ["out", "out/a.txt"]
    assert len(told) == 1
    assert "is writing" in told[0]


@pytest.mark.parametrize("foreign", ["file", "folder"])
def test_what_others_call_like_the_lock_stays(tmp_path: Path, foreign: str) -> None:
    lock = tmp_path / ".a.txt.writing"
    if foreign == "folder":
        lock.mkdir()
    else:
        lock.write_text("mine")
    write_whole(tmp_path / "a.txt", "x")
    assert names(tmp_path) == [lock.name, "a.txt"]
    assert foreign == "folder" or lock.read_text() == "mine"


@pytest.mark.skipif(locks.fcntl is None, reason="no locks here")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_without_locks_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def none(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(locks.fcntl, "flock", none)
    with Destination(tmp_path / "a.txt") as place:
        place.save(text("x"))
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.skipif(locks.fcntl is None, reason="no locks here")
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_process_that_was_forked_gives_nothing_back_and_holds_nothing_further(tmp_path: Path, kind: str) -> None:
    place, inside = tmp_path / "out", ["runs"] if kind == "folder" else None
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", FORKED, place, kind], stdin=pipe, stdout=pipe, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        with pytest.raises(ValueError, match="is writing"), Destination(place, inside):
            pass
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "given back\n"
        with Destination(place, inside) as mine:
            mine.save(text("x"), "runs" if inside else "")
    finally:
        os.kill(child, signal.SIGKILL)
        process.communicate()


# --- What somebody else does meanwhile ---------------------------------------------------------------------------


@pytest.mark.parametrize("own", [True, False], ids=["system's renames", "plain renames"])
@pytest.mark.parametrize("before", [None, "before"], ids=["appears", "changes"])
@pytest.mark.parametrize("kind", [text, store], ids=["file", "store"])
def test_what_appears_or_changes_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, before: str | None, own: bool
) -> None:
    if not own:
        monkeypatch.setattr(saving, "_renamed", lambda *_: False)
    path = tmp_path / ("a.zarr" if kind is store else "a.txt")
    theirs = path / "zarr.json" if kind is store else path
    if before:
        kind("before")(path)
    with Destination(path) as place:
        place.save(kind("mine"))
        theirs.unlink()
        theirs.write_text("theirs")
        with pytest.raises(MovedError, match="somebody else has written there meanwhile") as moved:
            place.save(kind("mine too"))
    assert theirs.read_text() == "theirs"
    beside = tmp_path / f"a-2{path.suffix}"
    assert moved.value.found == beside
    assert str(beside) in str(moved.value)
    assert (beside / "zarr.json" if kind is store else beside).read_text() == "mine too"
    assert {name.partition("/")[0] for name in names(tmp_path)} == {path.name, beside.name}
    with Destination(path, force=True) as place:
        theirs.write_text("theirs again")
        place.save(kind("mine"))
    assert theirs.read_text() == "mine"


@pytest.mark.parametrize(("outer", "inner"), [(True, False), (False, True)])
def test_either_of_two_blocks_may_say_that_it_replaces(tmp_path: Path, outer: bool, inner: bool) -> None:
    path = tmp_path / "a.txt"
    with Destination(path, force=outer), Destination(path, force=inner) as place:
        path.write_text("theirs")
        place.save(text("mine"))
    assert path.read_text() == "mine"


def test_what_goes_away_meanwhile_is_no_reason(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.txt", "before")
    with Destination(tmp_path / "a.txt") as place:
        (tmp_path / "a.txt").unlink()
        place.save(text("after"))
    assert (tmp_path / "a.txt").read_text() == "after"


def test_between_two_looks_it_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, exchanged = tmp_path / "a.txt", saving._exchanged
    write_whole(path, "before")

    def late(new: Path, there: Path) -> bool:
        if (new.read_text(), there.read_text()) == ("mine", "before"):
            there.write_text("theirs")
        return bool(exchanged(new, there))

    monkeypatch.setattr(saving, "_exchanged", late)
    with Destination(path) as place, pytest.raises(MovedError):
        place.save(text("mine"))
    assert path.read_text() == "theirs"
    assert (tmp_path / "a-2.txt").read_text() == "mine"


# --- What can't be written ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failures", "found"), [(0, "a.txt"), (1, "a-2.txt"), (2, "tmp"), (3, None)], ids=["none", "one", "two", "three"]
)
def test_a_result_that_cannot_be_written_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int, found: str | None
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    write = fails(failures, text("result"))
    path = tmp_path / "a.txt"
    with Destination(path) as place:
        if not failures:
            place.save(write)
        elif found is None:
            with pytest.raises(OSError, match="No space left") as lost:
                place.save(write)
            assert not isinstance(lost.value, MovedError)
        else:
            with pytest.raises(MovedError, match="No space left on device") as moved:
                place.save(write)
            assert moved.value.found.read_text() == "result"
            assert moved.value.found.relative_to(tmp_path).parts[0] == found
    files = [name for name in names(tmp_path) if (tmp_path / name).is_file()]
    assert len(files) == (found is not None)


def test_a_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    with Destination(tmp_path / "out", ["a.txt"]) as place:
        (tmp_path / "out").rmdir()
        (tmp_path / "out").write_text("in the way")
        with pytest.raises(MovedError, match="what was to be saved is in") as moved:
            place.save(text("result"), "a.txt")
    assert moved.value.found.read_text() == "result"
    assert (tmp_path / "out").read_text() == "in the way"


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_while_a_result_is_written_waits_until_it_is(tmp_path: Path, presses: int) -> None:
    with Destination(tmp_path / "a.txt") as place, pytest.raises(KeyboardInterrupt):
        place.save(fails(presses, text("result"), KeyboardInterrupt))
    assert names(tmp_path) == (["a.txt"] if presses == 1 else [])


def test_ctrl_c_when_it_is_written_does_not_write_it_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(_: Path) -> None:
        raise KeyboardInterrupt

    # What comes after the place is taken.
    monkeypatch.setattr(saving, "_flush", lambda _: None)
    monkeypatch.setattr(saving, "_flush_folder", pressed)
    written: list[Path] = []

    def write(new: Path) -> None:
        written.append(new)
        new.write_text("result")

    with Destination(tmp_path / "a.txt") as place, pytest.raises(KeyboardInterrupt):
        place.save(write)
    assert len(written) == 1
    assert names(tmp_path) == ["a.txt"]


def test_a_link_stays_a_link_and_one_that_leads_nowhere_too(tmp_path: Path) -> None:
    real, link = tmp_path / "deep" / "real.txt", tmp_path / "link.txt"
    link.symlink_to(real)
    for words in ("new", "newer"):
        write_whole(link, words)
        assert link.is_symlink()
        assert real.read_text() == words
    assert names(tmp_path) == ["deep", "deep/real.txt", "link.txt"]
