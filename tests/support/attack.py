"""Calls of public functions with hostile values, each in a process that is limited in time and memory, and judged."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import json
import os
import pickle
import random
import re
import resource
import select
import subprocess
import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.calls import GOOD, folder, of
from tests.support.hostile import ALL, NEVER, TWINS
from tests.support.places import ROOT
from tests.support.uncalled import LARGE, LONG, MAY_BE, SLOW

# Gibibytes above what a process has taken when it has loaded everything.
MEMORY = 4
# What a call of a public function ends in; the first two are as they should be, and so is work that was asked for.
FINE = ("right", "refused", "long")
BAD = ("accepted", "differs", "nameless", "other exception", "not finite", "hang", "memory", "died")
DIED = "died", "the process died"
# Words of annotations that say which of the values that nobody means elsewhere may be meant.
MEANT = {
    "none": r"None",
    "empty text": r"\bstr\b|Path",
    "text": r"\bstr\b|Path",
    "text of a number": r"\bstr\b|Path",
    "list of texts": r"Sequence\[str\]",
    "texts": r"Sequence\[str\]",
    "bytes": r"\bbytes\b",
    "bool": r"bool",
    "bools": r"bool",
    "lambda": r"Callable|Report|Models",
    "class": r"Callable|Report|Models",
    "path": r"Path",
}
Case = tuple[str, tuple[tuple[str, str], ...]]


def annotation(target: Any, name: str) -> str:
    """Return how an argument is annotated."""
    parameter = inspect.signature(target).parameters.get(name.lstrip("*"))
    return "" if parameter is None else str(parameter.annotation)


def cases(seed: int, each: int, pairs: int) -> list[Case]:
    """Return calls: for each argument `each` values that nobody means and as many others, and pairs of arguments."""
    rng = random.Random(seed)
    found: list[Case] = []
    for key, good in GOOD.items():
        names = [name for name, _ in _names(key)]
        del good
        for name in names:
            for kind in (list(NEVER), [value for value in ALL if value not in NEVER]):
                found += [(key, ((name, value),)) for value in rng.sample(kind, min(each, len(kind)))]
        if len(names) > 1:
            for _ in range(pairs):
                two = rng.sample(names, 2)
                found.append((key, tuple((name, rng.choice(list(ALL))) for name in two)))
    return [(key, values) for key, values in found if not any((key, *one) in LONG for one in values)]


def _names(key: str) -> list[tuple[str, Any]]:
    face, name = key.split()
    return [
        (f"*{parameter.name}" if parameter.kind is parameter.VAR_POSITIONAL else parameter.name, parameter)
        for parameter in inspect.signature(of(face, name)).parameters.values()
        if parameter.kind is not parameter.VAR_KEYWORD and not parameter.name.startswith("_")
    ]


def numbers_in(value: Any, depth: int = 0) -> Iterator[Any]:
    """Yield each array of numbers in a result."""
    if depth > 6 or value is None or isinstance(value, (str, bytes, bool)):
        return
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, (int, float, complex, np.number, np.ndarray)):
        array = np.asarray(value)
        if array.dtype.kind in "iufc":
            yield array.astype(np.complex128)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            # Not every law has the field of amplitudes that it inherits.
            with contextlib.suppress(ValueError):
                yield from numbers_in(getattr(value, field.name), depth + 1)
    elif isinstance(value, dict):
        for part in value.values():
            yield from numbers_in(part, depth + 1)
    elif isinstance(value, (list, tuple)):
        for part in value[:50]:
            yield from numbers_in(part, depth + 1)


def called(key: str, arguments: dict[str, Any]) -> Any:
    """Call a public name."""
    given = dict(arguments)
    face, name = key.split()
    rest = given.pop("*factors", ())
    if "*factors" in arguments and not isinstance(rest, (tuple, list)):
        rest = (rest,)
    return of(face, name)(*rest, **given)


def finite(result: Any, *, infinite: bool = False) -> bool:
    """Return whether no number of a result is NaN, nor infinite unless it may be."""
    return all(bool((np.isfinite(array) | (infinite & ~np.isnan(array))).all()) for array in numbers_in(result))


def judged(case: Case) -> tuple[str, str]:
    """Make a call, and return what it ended in and what it said."""
    key, values = case
    target = of(*key.split())
    arguments, plain = GOOD[key](), GOOD[key]()
    hostile = dict(arguments)
    try:
        for name, value in values:
            hostile[name] = ALL[value](arguments.get(name))
            if value in TWINS and np.ndim(arguments[name]) != 0 and value in ("float16", "float32", "longdouble"):
                plain[name] = np.asarray(hostile[name]).astype(np.float64)
            elif value in TWINS and value in ("float16", "float32", "longdouble"):
                plain[name] = float(hostile[name])
    except (LookupError, TypeError, ValueError):
        return "skipped", ""
    try:
        result = called(key, hostile)
    except MemoryError as error:
        return "memory", repr(error)
    except ValueError as error:
        said = str(error)
        words = {name.lstrip("*_") for name, _ in _names(key)} | {"label"}
        # A file that isn't what it should be is named by its path.
        words |= {Path(hostile[name]).name for name, _ in values if isinstance(hostile[name], (str, Path))} - {""}
        named = any(re.search(rf"\b{re.escape(word)}\b", said, re.IGNORECASE) for word in words)
        return ("refused" if type(error) is ValueError and named else "nameless"), f"{type(error).__name__}: {said}"
    except OSError as error:
        paths = any(re.search("Path", annotation(target, name)) for name, _ in values)
        return ("refused" if paths else "other exception"), repr(error)
    except Exception as error:
        return "other exception", repr(error)
    for name, value in values:
        if value in NEVER and not re.search(MEANT.get(value, "(?!)"), annotation(target, name)):
            if (key, name, value) in MAY_BE or (value == "none" and arguments.get(name) is None):
                continue
            return "accepted", f"{name}={value}"
    if all(value in TWINS for _, value in values):
        expected = called(key, plain)
        ours, theirs = list(numbers_in(result)), list(numbers_in(expected))
        same = len(ours) == len(theirs) and all(
            a.shape == b.shape and np.allclose(a, b, rtol=1e-4, atol=1e-7, equal_nan=True)
            for a, b in zip(ours, theirs, strict=True)
        )
        return ("right", "") if same else ("differs", str(values))
    if (key, "result", "not finite") in MAY_BE:
        return "right", ""
    infinite = (key, "result", "infinite") in MAY_BE
    if not finite(result, infinite=infinite) and finite(called(key, GOOD[key]())):
        return "not finite", str(result)[:200]
    return "right", ""


def trace_once() -> None:
    """Keep the boundaries of phase diagrams in a file: tracing them takes half a minute, and is called by itself."""
    # Behind the face: the stages of a phase diagram.
    stages: Any = import_module("tegum.compare.diagrams.diagram")
    seed_diagram, phase_boundaries = stages.seed_diagram, stages.phase_boundaries

    def kept(sizes: tuple[int, ...]) -> Any:
        file = folder() / f"boundaries-{'-'.join(map(str, sizes))}"
        if not file.exists():
            file.write_bytes(pickle.dumps(phase_boundaries(seed_diagram(*sizes))))
        return pickle.loads(file.read_bytes())

    stages.seed_diagram, stages.phase_boundaries = (lambda *sizes: sizes), kept


def serve() -> None:
    """Judge the cases that come in on standard input, one a line, and write one line for each."""
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    trace_once()
    # What good calls need is made here, so that limits are those of the calls.
    for arguments in GOOD.values():
        arguments()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (MEMORY << 30), resource.RLIM_INFINITY))
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        key, values = json.loads(line)
        print(json.dumps(judged((key, tuple(map(tuple, values))))), file=answers, flush=True)


class Attacker:
    """A process that judges calls, started anew after one that hangs or dies."""

    def __init__(self, folder: str, limit: float) -> None:
        """Keep files in a folder, and give each call so many seconds of a processor."""
        self.folder, self.limit = folder, limit
        self.process: subprocess.Popen[str] | None = None

    def judge(self, case: Case) -> tuple[str, str]:
        """Return what a call ended in and what it said.

        A process may die of a machine that is short of memory for all: a call that it dies of is repeated once.
        """
        found = self._judge(case)
        if found == DIED:
            found = self._judge(case)
        asked = any((case[0], *one) in LARGE for one in case[1])
        return ("long", found[1]) if asked and found[0] in ("hang", "memory") else found

    def _judge(self, case: Case) -> tuple[str, str]:
        process = self.process = self.process or self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(case) + "\n")
        process.stdin.flush()
        before, waited = self._seconds(process), 0.0
        limit = self.limit * (10 if case[0] in SLOW else 1)
        # A machine that others use too has processor time to spare at its own pace; one that sleeps never has.
        while not select.select([process.stdout], [], [], 0.5)[0]:
            waited += 0.5
            if self._seconds(process) - before > limit or waited > 20 * limit:
                self.close()
                return "hang", f"more than {limit:g} s"
        answer = process.stdout.readline()
        if answer:
            outcome, said = json.loads(answer)
            return outcome, said
        self.close()
        return DIED

    def _started(self) -> subprocess.Popen[str]:
        # Paths that nobody means are relative to a folder that may be lost.
        here = Path(self.folder) / "here"
        here.mkdir(exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-c", "from tests.support.attack import serve; serve()"],
            cwd=here,
            env={**os.environ, "TEGUM_CALLS": self.folder, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    @staticmethod
    def _seconds(process: subprocess.Popen[str]) -> float:
        """Return the processor time that a process has used."""
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            with self.process:
                # That closes its pipes.
                self.process = None
