"""Processes for tests that start at once: forked from one that has loaded what they need and started no thread.

Loading torch, zarr and xarray takes seconds, and tests of killed processes aren't about that. A process from here has a
pid and standard streams of its own, and ends as `python -c` does: by its last line, an exception or a signal. It shares
with its siblings what an interpreter draws when it starts: the hashes of strings. Tests of how a fresh interpreter
behaves start one themselves.

Each process has a keeper, its parent, which does nothing but tell how it ended.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import ModuleType, TracebackType
from typing import IO, Any, TypeAlias

from tests.support.places import ROOT

LARGEST_REQUEST = 1 << 20

# What runs code, given its words, and what that returns.
Process: TypeAlias = "subprocess.Popen[str] | Forked"
Start: TypeAlias = Callable[..., Process]


def environment() -> dict[str, str]:
    """Return this process's environment, with the modules of the tests at hand."""
    return os.environ | {"PYTHONPATH": str(ROOT)}


def python(code: str, *words: object) -> subprocess.Popen[str]:
    """Start a fresh interpreter that runs code, with pipes for its three standard streams."""
    command, pipe = [sys.executable, "-c", code, *map(str, words)], subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment())


@contextmanager
def forking(*modules: str) -> Iterator[Start]:
    """Give what starts processes that have loaded modules.

    On Linux they are forked, and it is an error if they can't be; elsewhere they are fresh interpreters, always.
    """
    if sys.platform != "linux":
        yield python
        return
    with Nursery(*modules) as nursery:
        yield nursery.start


class Nursery:
    """The process that others are forked from. They find the environment and the folder that it was started in.

    Args:
        modules: names of what it loads.

    Raises:
        RuntimeError: if it can't load them, or they start threads, which a fork would lose.
    """

    def __init__(self, *modules: str) -> None:
        """Start it, and wait until all is loaded."""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        number = theirs.fileno()
        # `exec` at the top, so that what is run ends as a script does.
        code = f"from tests.support.forks import serve\nexec(*serve({number}, {modules}))"
        command, pipe = [sys.executable, "-c", code], subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stderr=pipe, env=environment(), pass_fds=[number])
        theirs.close()
        if not self._control.recv(LARGEST_REQUEST):
            self._control.close()
            raise RuntimeError(f"nothing can be forked: {self._process.communicate()[1].decode()}")
        self._started: list[Forked] = []

    def start(self, code: str, *words: object) -> Forked:
        """Start a process that runs code, with pipes for its three standard streams."""
        ends = [os.pipe() for _ in range(4)]
        theirs = [ends[0][0], *(write for _, write in ends[1:])]
        socket.send_fds(self._control, [json.dumps([code, *map(str, words)]).encode()], theirs)
        for number in theirs:
            os.close(number)
        self._started.append(Forked(ends[0][1], *(read for read, _ in ends[1:])))
        return self._started[-1]

    def __enter__(self) -> Nursery:
        """Do nothing: it was started when it was made."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill what was forked and still runs, and end."""
        for process in self._started:
            process.send_signal(signal.SIGKILL)
        self._control.close()
        self._process.communicate()


class Forked:
    """A process that was forked; what tests use of `subprocess.Popen`, as text.

    Attributes:
        stdin: its standard input, to write to.
        stdout: its standard output, to read from.
        stderr: its standard error, to read from.
        pid: its number.
        returncode: its exit code, or minus the signal that ended it; None while it isn't known.
    """

    def __init__(self, stdin: int, stdout: int, stderr: int, report: int) -> None:
        """Take the ends of its pipes, and learn its number."""
        self.stdin: IO[str] = os.fdopen(stdin, "w")
        self.stdout: IO[str] = os.fdopen(stdout)
        self.stderr: IO[str] = os.fdopen(stderr)
        # Without a buffer: what was told and not read yet is seen by `select`.
        self._report = os.fdopen(report, "rb", buffering=0)
        self.returncode: int | None = None
        self.pid = int(self._report.readline())

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return the exit code.

        Raises:
            subprocess.TimeoutExpired: if that doesn't come in time.
        """
        if self.returncode is None:
            if not select.select([self._report], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            self.returncode = int(self._report.readline())
            self._report.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.returncode is None and not select.select([self._report], [], [], 0)[0]:
            os.kill(self.pid, number)

    def communicate(self) -> tuple[str, str]:
        """Close its input, read what it writes, and wait for its end."""
        said: dict[IO[str], str] = {}

        def read(stream: IO[str]) -> None:
            with stream:
                said[stream] = stream.read()

        # Beside the other: a full pipe would hold up the process that writes to it.
        complaints = threading.Thread(target=read, args=[self.stderr])
        complaints.start()
        # It may end before it has read all.
        with suppress(BrokenPipeError):
            self.stdin.close()
        read(self.stdout)
        complaints.join()
        self.wait()
        return said[self.stdout], said[self.stderr]


def serve(number: int, modules: tuple[str, ...]) -> tuple[Any, dict[str, Any]]:
    """Load modules, and fork a process for every request; this is where the process that is forked comes from.

    Args:
        number: file descriptor of the socket that requests come from. With its end this process ends.
        modules: names of what is loaded first.

    Returns:
        Only in processes that were forked: the code to run, and the names of its `__main__`.
    """
    for name in modules:
        import_module(name)
    # All of it stays: no process that is forked needs to look through it for garbage, and copy it in doing so.
    gc.freeze()
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        print(f"{threads} threads run once {', '.join(modules)} are loaded", file=sys.stderr, flush=True)
        # The threads may go on for long.
        os._exit(1)
    control = socket.socket(fileno=number)
    control.send(b"ready")
    keepers: list[int] = []
    while True:
        request, files, _, _ = socket.recv_fds(control, LARGEST_REQUEST, 4)
        if not request:
            # Waited for, so that whoever measures this process counts them.
            for keeper in keepers:
                os.waitpid(keeper, 0)
            # Nothing that was loaded has anything to put in order.
            os._exit(0)
        keepers.append(os.fork())
        if not keepers[-1]:
            break
        for file in files:
            os.close(file)
    control.close()
    *streams, report = files
    child = os.fork()
    if child:
        _keep(child, streams, report)
    os.close(report)
    for place, file in enumerate(streams):
        os.dup2(file, place)
        os.close(file)
    code, *words = json.loads(request)
    sys.argv = ["-c", *words]
    main = sys.modules["__main__"] = ModuleType("__main__")
    return compile(code, "<string>", "exec"), main.__dict__


def _keep(child: int, streams: list[int], report: int) -> None:
    """Tell a process's number, and how it ended; then end."""
    for file in streams:
        os.close(file)
    # Ctrl-C at a terminal is for the process itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.write(report, f"{child}\n".encode())
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    # It may be that nobody wants to know any more.
    with suppress(BrokenPipeError):
        os.write(report, f"{code}\n".encode())
    os._exit(0)
