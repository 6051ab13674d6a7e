"""Compiled functions: kept on disk, and compiled all the same where nothing can be kept."""

from __future__ import annotations

from pathlib import Path

import numba
import pytest

from tegum.theory import machine_code

SIGNATURE = numba.int64(numba.int64)


def _double(x: int) -> int:
    return 2 * x


def test_machine_code_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    assert machine_code(_double, SIGNATURE)(21) == 42
    assert len(list(tmp_path.rglob("*._double-*.nbc"))) == 1


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


def test_options_are_numba_s() -> None:
    assert machine_code(_double, SIGNATURE, nogil=True).targetoptions["nogil"]
