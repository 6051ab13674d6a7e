"""Rows split over threads: in order, in place if there is nothing to split, and stopped by what goes wrong."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from tegum.theory.numerics import cores, even_size, over_slices, slices
from tests.support.internals import internals

# Behind the face: sizes of slices.
threads = internals("numerics.threads")


@pytest.mark.parametrize(("count", "size"), [(0, 5), (1, 5), (5, 5), (6, 5), (17, 4), (3, 1)])
def test_slices_cover_all_rows_once(count: int, size: int) -> None:
    pieces = slices(count, size)
    assert [row for piece in pieces for row in range(count)[piece]] == list(range(count))
    assert max(piece.stop - piece.start for piece in pieces) <= size
    assert len(pieces) == max(-(-count // size), 1)


def test_even_slices_are_one_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "cores", lambda: 3)
    assert [even_size(count, 10) for count in (0, 1, 3, 4, 30, 31, 100)] == [1, 1, 1, 2, 10, 10, 10]


def test_results_keep_the_order_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "cores", lambda: 2)
    second_is_done = threading.Event()

    def work(piece: slice) -> int:
        if piece.start == 0:
            assert second_is_done.wait(60)
        elif piece.start == 1:
            second_is_done.set()
        start: int = piece.start
        return start

    assert over_slices(work, 4, 1) == [0, 1, 2, 3]


@pytest.mark.parametrize("count", [0, 7])
def test_a_single_slice_runs_in_place(count: int) -> None:
    assert over_slices(lambda piece: (threading.get_ident(), piece.stop), count, 7) == [(threading.get_ident(), count)]


def test_several_slices_run_on_other_threads() -> None:
    assert threading.get_ident() not in over_slices(lambda _: threading.get_ident(), 3, 1)


def test_threads_may_split_their_rows_again() -> None:
    # As descents do, whose losses are split as well: more of them than a shared pool had threads.
    nested = over_slices(lambda outer: sum(over_slices(lambda inner: inner.start, 5, 1)) + outer.start, 4 * cores(), 1)
    assert nested == [10 + k for k in range(4 * cores())]


def test_an_exception_reaches_the_caller_and_stops_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "cores", lambda: 2)
    begun, failed = [], threading.Event()

    def work(piece: slice) -> None:
        begun.append(piece.start)
        if piece.start == 0:
            raise ArithmeticError("the first")
        # Runs until it is told to give up.
        assert failed.wait(60)

    with pytest.raises(ArithmeticError, match="the first"):
        over_slices(work, 1000, 1, interrupt=failed.set)
    assert failed.is_set()
    assert len(begun) < 1000


# Whether a worker of the tests hears the keyboard depends on who started it, so a process of its own is interrupted.
PRESSED = """
import os, signal, threading
from tegum.theory.numerics import threads

# A process that a shell starts in the background ignores the keyboard unless it says otherwise.
signal.signal(signal.SIGINT, signal.default_int_handler)
threads.cores = lambda: 2
begun, stopped, main = [], threading.Event(), threading.get_ident()

def work(piece):
    begun.append(piece.start)
    if piece.start == 0:
        signal.pthread_kill(main, signal.SIGINT)
    assert stopped.wait(60)

try:
    threads.over_slices(work, 1000, 1, interrupt=stopped.set)
except KeyboardInterrupt:
    print(stopped.is_set(), len(begun) < 1000)
"""


def test_an_interrupt_by_the_keyboard_stops_the_rest() -> None:
    done = subprocess.run([sys.executable, "-c", PRESSED], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.split() == ["True", "True"], done.stderr
