"""Processes for tests that start at once: forked from a process that has loaded everything and started no thread.

Loading torch, numba, zarr, xarray and dask takes seconds, and most tests of killed or interrupted processes aren't
about that. A process from here has a pid of its own, its own standard streams, and ends as a script does: by its last
line, an exception or a signal. It shares with others from here what an interpreter draws when it starts: the hashes of
strings. Tests about fresh interpreters start one themselves.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import IO, Any, Protocol

from tests.support.places import ROOT

# Loaded before anything is forked: what a sweep or a command that trains would load, xarray's own use of dask included.
LOADED = (
    "dask",
    "tegum.compare.commands.app",
    "tegum.empirical.kernels.cpu",
    "tegum.empirical.sweeps",
    "tegum.theory.loss.compiled",
    "tests.support.sweeps",
)
# Names the test that runs, and nothing that is loaded looks at it.
CURRENT = "PYTEST_CURRENT_TEST"
LARGEST_REQUEST = 1 << 20


def current_environment() -> dict[str, str]:
    """Return this process's environment, with this folder's modules at hand."""
    return os.environ | {"PYTHONPATH": str(ROOT)}


def lasting(environment: dict[str, str]) -> dict[str, str]:
    """Return an environment without what changes from test to test."""
    return {name: value for name, value in environment.items() if name != CURRENT}


# Taken while tests are collected: libraries look at variables when they are loaded, and tests change them later.
ENVIRONMENT = lasting(current_environment())


class Process(Protocol):
    """What tests use of `subprocess.Popen`, as text."""

    stdin: IO[str] | None
    stdout: IO[str] | None
    stderr: IO[str] | None

    @property
    def pid(self) -> int:
        """Its number."""

    @property
    def returncode(self) -> int | Any:
        """Its exit code, or minus the signal that ended it; None while it isn't known."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""

    def send_signal(self, sig: int) -> None:
        """Send it a signal, unless it has ended."""

    def communicate(self, *, timeout: float | None = None) -> tuple[Any, Any]:
        """Close its input, read what it writes, and wait for its end."""


def start(code: str, *words: str, cwd: str | None = None) -> Process:
    """Start a process that runs code as `python -c` does, with pipes for its three standard streams.

    It is forked where that is safe and gives what a fresh interpreter would; otherwise it is a fresh interpreter.
    """
    environment = current_environment()
    if sys.platform == "linux" and lasting(environment) == ENVIRONMENT:
        nursery = Nursery.get()
        if nursery.single:
            return Forked(nursery, code, words, cwd or os.getcwd(), environment)
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code, *words]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment, cwd=cwd)


# --- Where tests run ---------------------------------------------------------------------------------------------


class Nursery:
    """The process that others are forked from, of which a process that runs tests has at most one.

    Attributes:
        single: whether it has one thread; a fork of several would have lost all but one.
    """

    _only: Nursery | None = None

    def __init__(self, loaded: tuple[str, ...] = LOADED) -> None:
        """Start it and wait until all is loaded.

        Args:
            loaded: names of modules.
        """
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        number = theirs.fileno()
        # `exec` at the top, so that what is run ends as a script does.
        code = f"from tests.support.forks import serve\nexec(*serve({number}, {loaded}))"
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe, env=ENVIRONMENT, pass_fds=[number]
        )
        theirs.close()
        told = self.control.recv(LARGEST_REQUEST)
        if not told:
            raise RuntimeError(f"nothing can be forked: {self.process.communicate()[1].decode()}")
        self.single = told == b"1"

    @classmethod
    def get(cls) -> Nursery:
        """Return the only one."""
        if cls._only is None:
            cls._only = cls()
            atexit.register(cls._only.close)
        return cls._only

    def close(self) -> None:
        """Kill what was forked and still runs, and end."""
        self.control.close()
        self.process.communicate()


class Forked:
    """A process that was forked.

    Attributes:
        stdin: its standard input, to write to.
        stdout: its standard output, to read from.
        stderr: its standard error, to read from.
        pid: its number.
        returncode: its exit code, or minus the signal that ended it; None while it isn't known.
    """

    def __init__(
        self, nursery: Nursery, code: str, words: tuple[str, ...], cwd: str, environment: dict[str, str]
    ) -> None:
        """Start it."""
        (their_in, my_in), (my_out, their_out), (my_err, their_err), (report, told) = (os.pipe() for _ in range(4))
        request = json.dumps([code, words, cwd, environment]).encode()
        socket.send_fds(nursery.control, [request], [their_in, their_out, their_err, told])
        for number in (their_in, their_out, their_err, told):
            os.close(number)
        # Without a buffer: what was told and not read yet is seen by `select`.
        self._report = os.fdopen(report, "rb", buffering=0)
        self.stdin: IO[str] | None = os.fdopen(my_in, "w")
        self.stdout: IO[str] | None = os.fdopen(my_out)
        self.stderr: IO[str] | None = os.fdopen(my_err)
        self.returncode: int | None = None
        self.pid = int(self._report.readline())

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: if that doesn't come in time.
        """
        if self.returncode is None:
            if not select.select([self._report], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            self.returncode = int(self._report.readline())
            self._report.close()
        return self.returncode

    def send_signal(self, sig: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.returncode is None and not select.select([self._report], [], [], 0)[0]:
            os.kill(self.pid, sig)

    def communicate(self, *, timeout: float | None = None) -> tuple[str, str]:
        """Close its input, read what it writes, and wait for its end.

        Raises:
            subprocess.TimeoutExpired: if that doesn't come in time.
        """
        assert self.stdin is not None
        # It may end before it has read all.
        with suppress(BrokenPipeError):
            self.stdin.close()
        end = None if timeout is None else time.monotonic() + timeout
        found: dict[int, str] = {}

        def read(number: int, file: IO[str] | None) -> None:
            assert file is not None
            found[number] = file.read()
            file.close()

        # Side by side: a full pipe would hold up the process that writes to it.
        readers = [
            threading.Thread(target=read, args=item, daemon=True) for item in enumerate((self.stdout, self.stderr))
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(None if end is None else max(0.0, end - time.monotonic()))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        self.wait(None if end is None else max(0.0, end - time.monotonic()))
        return found[0], found[1]


# --- In the process that is forked -------------------------------------------------------------------------------


def serve(number: int, loaded: tuple[str, ...]) -> tuple[Any, dict[str, Any]]:
    """Fork a process for every request, and tell how it ended.

    Args:
        number: file descriptor of the socket that requests come from. Its end is the end of all processes.
        loaded: names of modules that are loaded first.

    Returns:
        Only in processes that were forked: the code to run, and the names of its `__main__`.
    """
    # Ctrl-C at a terminal is for those who run tests, and for what is forked, as it was before.
    interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in loaded:
        import_module(name)
    control = socket.socket(fileno=number)
    control.send(str(len(os.listdir("/proc/self/task"))).encode())
    look = selectors.DefaultSelector()
    look.register(control, selectors.EVENT_READ)
    # By descriptor of a process: its number, and where its end is told.
    running: dict[int, tuple[int, int]] = {}
    while True:
        for key, _ in look.select():
            if key.fileobj is not control:
                child, told = running.pop(key.fd)
                look.unregister(key.fd)
                os.close(key.fd)
                _tell(told, _ended(child))
                os.close(told)
                continue
            request, files, _, _ = socket.recv_fds(control, LARGEST_REQUEST, 4)
            if not request:
                for child, told in running.values():
                    os.kill(child, signal.SIGKILL)
                    _tell(told, _ended(child))
                # Nothing that was loaded has anything to put in order.
                os._exit(0)
            child = os.fork()
            if child == 0:
                look.close()
                control.close()
                for descriptor, (_, told) in running.items():
                    os.close(descriptor)
                    os.close(told)
                signal.signal(signal.SIGINT, interrupted)
                return _begin(request, files)
            for file in files[:3]:
                os.close(file)
            descriptor = os.pidfd_open(child)
            running[descriptor] = (child, files[3])
            look.register(descriptor, selectors.EVENT_READ)


def _ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _tell(file: int, number: int) -> None:
    # It may be that nobody wants to know any more.
    with suppress(BrokenPipeError):
        os.write(file, f"{number}\n".encode())


def _begin(request: bytes, files: list[int]) -> tuple[Any, dict[str, Any]]:
    """Make a forked process what a fresh interpreter would be, and return what it is to run."""
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
    # From here on it can fail as what it runs can.
    _tell(files[3], os.getpid())
    for file in files:
        os.close(file)
    code, words, cwd, environment = json.loads(request)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["-c", *words]
    main = sys.modules["__main__"] = ModuleType("__main__")
    return compile(code, "<string>", "exec"), main.__dict__
