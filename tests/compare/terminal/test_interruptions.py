"""Ctrl-C, SIGTERM and SIGHUP: exit codes, what is said, who handles them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import INTERRUPTED

# Behind the face: signals in threads.
interruptions: Any = import_module("tegum.compare.terminal.interruptions")
# Behind the face: a run is stopped in the middle.
running: Any = import_module("tegum.empirical.training.running")

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signals here")
CODES: dict[int, int] = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: 128 + 15, signal.SIGHUP: 128 + 1}


@pytest.fixture(params=sorted(CODES), ids=lambda number: signal.Signals(number).name)
def number(request: pytest.FixtureRequest) -> Iterator[int]:
    """A signal, handled as in a process that was started at a terminal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield request.param
    signal.signal(signal.SIGINT, before)


def sent(number: int, count: int = 1, then: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Return what sends this process a signal the first times that it is called."""
    left = [count]

    def send(*words: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            signal.raise_signal(number)
        return then(*words, **named) if then is not None else []

    return send


def name_of(number: int) -> str:
    return "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"


def test_a_command_ends_with_the_signals_code(tegum_: Any, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr("tegum.theory.minima.local_minima", sent(number))
    outcome = tegum_("minima --density 0.5")
    assert (outcome.code, outcome.out, outcome.err) == (CODES[number], "", f"tegum: interrupted{name_of(number)}\n")
    # What was there before is there again.
    assert signal.getsignal(signal.SIGTERM) is signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


def test_what_is_ignored_stays_ignored(tegum_: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under nohup."""
    from tegum.theory.minima import local_minima

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        monkeypatch.setattr("tegum.theory.minima.local_minima", sent(signal.SIGHUP, then=local_minima))
        assert tegum_("minima --density 0.5").code == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_handler_of_somebody_elses_stays() -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with interruptions.stoppable():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_another_thread_handles_none() -> None:
    failed: list[BaseException] = []

    def inside() -> None:
        try:
            with interruptions.stoppable():
                assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert failed == []


@pytest.mark.parametrize("package", ["theory", "empirical", "compare"])
def test_no_function_but_the_command_lines_handles_signals(package: str) -> None:
    from tests.support.places import ROOT

    # Workers are processes of their own.
    allowed = {"compare/terminal/interruptions.py", "empirical/sweeps/workers.py"}
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / package).rglob("*.py")
        if "signal.signal(" in path.read_text()
    }
    assert found <= allowed


def test_training_is_saved_and_goes_on_bit_for_bit(
    tegum_: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int
) -> None:
    words = "train --density 0.1 --seeds 3 --steps 3000 --objective exact --device cpu --out"
    out, whole = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr(running, "wait", sent(number, then=running.wait))
        stopped = tegum_(f"{words} {out}")
    assert stopped.code == CODES[number]
    assert stopped.last.startswith(f"tegum: interrupted{name_of(number)}: stopped after ")
    assert stopped.last.endswith(".checkpoint; the same command goes on from there")
    assert os.listdir(tmp_path) == ["a.safetensors.checkpoint"]
    assert tegum_(f"{words} {out}").code == 0
    assert tegum_(f"{words} {whole}").code == 0
    assert sorted(os.listdir(tmp_path)) == ["a.safetensors", "b.safetensors"]
    assert out.read_bytes() == whole.read_bytes()
