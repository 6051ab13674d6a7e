"""Saving in one step: killed at every operation on files, beside what isn't ours, by two at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tegum.theory.storage import recover, replacing, write_whole
from tests.support.internals import internals

# Behind the face: systems without an exchange of names.
module = internals("storage.saving")
KILLED = 9
# More operations than a save has.
MOST = 200
# What a save does to files, as Python tells its hooks.
OPERATIONS = ("open", "os.", "shutil.", "ctypes.call_function")


def needs_fork(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that kills processes which begin as this one; from Python 3.12 on that warns of other threads."""
    quiet = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    marked: Callable[..., None] = pytest.mark.skipif(not hasattr(os, "fork"), reason="can't fork here")(quiet(test))
    return marked


def fill(folder: Path, word: str) -> None:
    (folder / "deep").mkdir(parents=True)
    for name in ("a", "deep/b"):
        (folder / name).write_text(word)


def content(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def save(path: Path, word: str, *, folder: bool) -> None:
    with replacing(path) as new:
        if folder:
            fill(new, word)
        else:
            new.write_text(word)


def read(path: Path, *, folder: bool) -> object:
    return content(path) if folder else path.read_text()


def killed_after(count: int, work: Callable[[], None]) -> bool:
    """Do work in a process that is killed at its operation number `count`, and return whether it came to that."""
    child = os.fork()
    if child == 0:
        left = count

        def kill(event: str, _: object) -> None:
            nonlocal left
            if event.startswith(OPERATIONS):
                left -= 1
                if left < 0:
                    os._exit(KILLED)

        sys.addaudithook(kill)
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED


@needs_fork
@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "two renames"])
@pytest.mark.parametrize("folder", [True, False], ids=["folder", "file"])
def test_killed_at_every_operation_the_old_or_the_new_is_there_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: bool, exchange: bool
) -> None:
    if not exchange:
        monkeypatch.setattr(module, "_exchanged", lambda *_: False)
    seen = set()
    for count in range(MOST):
        place = tmp_path / str(count)
        path = place / "runs"
        save(path, "old", folder=folder)
        whole = {word: str({"a": word, "deep/b": word} if folder else word) for word in ("old", "new")}
        killed = killed_after(count, lambda path=path: save(path, "new", folder=folder))  # type: ignore[misc]
        if exchange or not folder:
            # At no moment is there nothing under the name.
            assert path.exists()
        recover(path)
        found = str(read(path, folder=folder))
        assert found in whole.values()
        seen.add(found)
        # The next save leaves nothing but what was saved.
        save(path, "next", folder=folder)
        assert [p.name for p in place.iterdir()] == ["runs"]
        if not killed:
            break
    else:
        pytest.fail("a save has more operations than were looked at")
    assert seen == set(whole.values())
    assert count > 10


@pytest.mark.parametrize("name", ["runs.old", "runs.partial", ".runs.saving", ".runs.x.saving.txt", "runs*"])
def test_what_others_made_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "f").write_text("x")
    for word in ("one", "two"):
        save(tmp_path / "runs", word, folder=True)
    assert (tmp_path / name / "f").read_text() == "x"
    assert content(tmp_path / "runs") == {"a": "two", "deep/b": "two"}


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    write_whole(path, "old")

    def half() -> None:
        with replacing(path) as new:
            new.write_text("half")
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        half()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    save(real, "old", folder=True)
    link.symlink_to(real)
    save(link, "new", folder=True)
    assert link.is_symlink()
    assert content(real) == {"a": "new", "deep/b": "new"}


@needs_fork
def test_a_living_save_keeps_its_place_and_a_dead_ones_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "runs"
    with replacing(path) as first:
        first.write_text("first")
        # Another process saves meanwhile, and looks for what killed ones left.
        assert not killed_after(MOST * 10, lambda: save(path, "second", folder=False))
        assert path.read_text() == "second"
        assert first.read_text() == "first"
    assert path.read_text() == "first"
    # Killed before it is in place: the folder it worked in is left, until the next save.
    assert killed_after(12, lambda: save(path, "third", folder=True))
    assert len(list(tmp_path.iterdir())) == 2
    write_whole(path, "fourth")
    assert [p.name for p in tmp_path.iterdir()] == ["runs"]


def test_a_file_and_a_folder_replace_each_other(tmp_path: Path) -> None:
    path = tmp_path / "runs"
    save(path, "old", folder=True)
    save(path, "new", folder=False)
    assert path.read_text() == "new"
    save(path, "again", folder=True)
    assert content(path) == {"a": "again", "deep/b": "again"}


def test_what_only_looks_like_a_working_folder_stays(tmp_path: Path) -> None:
    """A save of "a.txt" that was killed is none of "a", and other people's folders are nobody's saves."""
    digits = "0123456789abcdef" * 2
    for name in (f".a.txt.{digits}.saving", ".a.mine.saving"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "old").write_text(name)
    before = content(tmp_path)
    recover(tmp_path / "a")
    assert content(tmp_path) == before
    recover(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == f".a.txt.{digits}.saving"
    assert (tmp_path / ".a.mine.saving" / "old").exists()
