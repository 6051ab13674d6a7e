"""Compiled functions: kept on disk, and compiled all the same where nothing can be kept."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import pytest

from tegum.theory.numerics import machine_code
from tests.support.damage import cut, deleted, flipped

SIGNATURE = numba.int64(numba.int64)


def _double(x: int) -> int:
    return 2 * x


def test_machine_code_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    assert machine_code(_double, SIGNATURE)(21) == 42
    assert len(list(tmp_path.rglob("*._double_*.nbc"))) == 1


def test_without_a_place_to_keep_machine_code_it_still_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core.caching import CacheImpl

    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    with pytest.raises(RuntimeError, match="cannot cache"):
        numba.njit(SIGNATURE, cache=True)(_double)
    assert machine_code(_double, SIGNATURE)(21) == 42


def test_a_disk_that_is_full_does_not_keep_it_from_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core.caching import IndexDataCacheFile

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(IndexDataCacheFile, "save", full)
    assert machine_code(_double, SIGNATURE)(21) == 42


def test_machine_code_is_kept_for_each_processor(tmp_path: Path) -> None:
    """Code for another processor isn't taken for this one's: settings of `make portable` would measure nothing."""
    (tmp_path / "half.py").write_text(
        "from tegum.theory.numerics import machine_code\ndef half(x):\n    return x / 2\n"
        "half = machine_code(half, 'float64(float64)')\nprint(half(3.0), sum(half.stats.cache_hits.values()))\n"
    )
    generic = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    seen = []
    for setting in ({}, generic, {}, generic):
        environment = {name: value for name, value in os.environ.items() if name not in generic} | setting
        done = subprocess.run(
            [sys.executable, "half.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        seen.append(done.stdout.split())
    assert seen == [["1.5", "0"], ["1.5", "0"], ["1.5", "1"], ["1.5", "1"]]


def test_options_are_numba_s() -> None:
    assert machine_code(_double, SIGNATURE, nogil=True).targetoptions["nogil"]


PART = "import numba\n@numba.njit\ndef part(x):\n    return {} * x\n"
# A file that holds no function at all.
RECORD = "from typing import NamedTuple\nclass Pair(NamedTuple):\n    {}: int\n    {}: int\n"


@pytest.mark.parametrize(
    ("imported", "body", "contents", "expected"),
    [
        pytest.param(
            "from part import part",
            "part(x) + 1",
            [PART.format(2), PART.format(2), PART.format(3)],
            ["3", "3", "4"],
            id="a function that is called",
        ),
        pytest.param(
            "from part import Pair",
            "Pair(x, 2 * x).first",
            [RECORD.format("first", "second"), RECORD.format("first", "second"), RECORD.format("second", "first")],
            ["1", "1", "2"],
            id="a record that is used",
        ),
    ],
)
def test_a_change_of_what_is_used_makes_it_anew(
    imported: str, body: str, contents: list[str], expected: list[str], tmp_path: Path
) -> None:
    """numba alone would go on with what it has kept."""
    (tmp_path / "whole.py").write_text(
        f"{imported}\nfrom tegum.theory.numerics import machine_code\ndef whole(x):\n    return {body}\n"
        "whole = machine_code(whole, 'int64(int64)')\nprint(whole(1))\n"
    )
    seen = []
    # Bytecode is told from that of another source by size and second: a change within a second would be missed.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    for content in contents:
        (tmp_path / "part.py").write_text(content)
        done = subprocess.run(
            [sys.executable, "whole.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        seen.append(done.stdout.split()[0])
    assert seen == expected


def no_text(path: Path, _: np.random.Generator) -> None:
    path.write_bytes(bytes(range(128, 256)))


@pytest.mark.parametrize("way", [flipped, cut, deleted, no_text], ids=["a bit", "cut", "gone", "no text"])
@pytest.mark.parametrize("ending", ["nbi", "nbc", "sha256"])
def test_damaged_machine_code_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Callable[[Path, np.random.Generator], None], ending: str
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def hits() -> int:
        made = machine_code(_double, SIGNATURE)
        assert made(21) == 42
        return sum(made.stats.cache_hits.values())

    assert [hits(), hits()] == [0, 1]
    (file,) = tmp_path.rglob(f"*.{ending}")
    way(file, np.random.default_rng(0))
    assert [hits(), hits()] == [0, 1]
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 3


def test_machine_code_that_was_kept_without_checksums_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    machine_code(_double, SIGNATURE)
    for file in tmp_path.rglob("*.nb[ic]"):
        file.write_bytes(b"not machine code")
    (sums,) = tmp_path.rglob("*.sha256")
    sums.unlink()
    assert machine_code(_double, SIGNATURE)(21) == 42
