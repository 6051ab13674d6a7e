"""Processes that are forked are what fresh interpreters would be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.forks import Nursery, Process, python
from tests.support.sweeps import output

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere tests start fresh interpreters")

# What a process finds when it starts, but for its own number and the name of the test.
FOUND = """
import json, os, signal, sys, threading
numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD, signal.SIGHUP)
handlers = [repr(signal.getsignal(number)).partition(" at ")[0] for number in numbers]
environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
files = sorted(os.listdir("/proc/self/fd"))
streams = [(s.isatty(), s.line_buffering, s.encoding, s.errors) for s in (sys.stdin, sys.stdout, sys.stderr)]
told = sys.stdin.readline()
print(json.dumps([
    sys.argv, os.getcwd(), sys.path, environment, handlers, sorted(signal.pthread_sigmask(0, ())), files, streams,
    [os.get_blocking(file) for file in range(3)], os.getpgrp(), os.getsid(0), __name__,
    sorted(name for name in globals() if name[0] != '_'),
    len(os.listdir("/proc/self/task")), threading.current_thread() is threading.main_thread(), told,
]))
"""


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery("json") as nursery:
        yield nursery


def answer(process: Process) -> tuple[object, str, str]:
    """Return what a process leaves when it is told something: exit code, output and last line of complaints."""
    assert process.stdin is not None
    # It may have ended by now.
    with suppress(BrokenPipeError):
        print("something", file=process.stdin, flush=True)
    out, err = process.communicate()
    return process.returncode, out, (err.splitlines() or [""])[-1]


def test_it_finds_what_a_fresh_one_does(nursery: Nursery) -> None:
    code, forked, _ = answer(nursery.start(FOUND, "a", "b c"))
    assert code == 0
    assert json.loads(forked) == json.loads(answer(python(FOUND, "a", "b c"))[1])


@pytest.mark.parametrize(
    "code",
    [
        "print(2)",
        "raise SystemExit(3)",
        "raise SystemExit('said')",
        "1 / 0",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import os, signal; signal.signal(2, signal.default_int_handler); os.kill(os.getpid(), signal.SIGINT)",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        "import os; print('lost'); os._exit(4)",
        "import atexit; atexit.register(print, 'at last')",
        "import sys; sys.stdin.readline(); print('x' * 10 ** 6, file=sys.stderr); print('y' * 10 ** 6)",
    ],
)
def test_it_ends_as_a_fresh_one_does(nursery: Nursery, code: str) -> None:
    process = nursery.start(code)
    assert answer(process) == answer(python(code))
    # Nor is a zombie left.
    assert not Path(f"/proc/{process.pid}").exists()


def test_signals_reach_it_and_its_group_only(nursery: Nursery) -> None:
    waiting = "import os, sys; os.setpgrp(); print('here', flush=True); sys.stdin.readline()"
    process, other = nursery.start(waiting), nursery.start(waiting)
    assert process.stdout.readline() == other.stdout.readline() == "here\n"
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.01)
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait() == -signal.SIGTERM
    # To one that has ended nothing is sent.
    process.send_signal(signal.SIGKILL)
    assert process.communicate() == ("", "")
    assert process.returncode == -signal.SIGTERM
    assert output(other) == ""


def test_what_still_runs_is_killed_in_the_end() -> None:
    waiting = "import sys; print('here', flush=True); sys.stdin.readline()"
    with Nursery("json") as nursery:
        process = nursery.start(waiting)
        assert process.stdout.readline() == "here\n"
    assert process.communicate() == ("", "")
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("module", "message"),
    [("absent", "No module named 'absent'"), ("threaded", "2 threads run once threaded are loaded")],
)
def test_what_cannot_be_forked_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, message: str
) -> None:
    (tmp_path / "threaded.py").write_text(
        "import threading, time; threading.Thread(target=time.sleep, args=[9]).start()"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError, match=message):
        Nursery(module)
