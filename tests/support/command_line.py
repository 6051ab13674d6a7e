"""Running the command line, in this process and in others."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

FAILED, MISUSE, INTERRUPTED = 1, 2, 130
# Seconds after which a process is taken to hang.
PATIENCE = 120


@dataclass(frozen=True)
class Outcome:
    """What a command left: exit code and what it wrote."""

    code: int | str | None
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line of complaints."""
        return self.err.strip().splitlines()[-1]

    def json(self) -> Any:
        """Return what was printed as JSON, which has no NaN."""
        assert self.code == 0, self.err
        return json.loads(self.out, parse_constant=not_json)

    def is_misuse(self, message: str) -> None:
        """Assert that the command refused its input in one line."""
        assert self.code == MISUSE
        assert self.out == ""
        assert self.err.startswith("tegum: ")
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1, self.err
        assert message in self.err


def changed(words: str, changes: str) -> str:
    """Return words of a command with some options in place of those of the same names."""
    named = {word for word in changes.split() if word.startswith("--")}
    parts = re.split(r"(?:^|\s)(?=--)", words)
    return " ".join([*(part for part in parts if part and part.split()[0] not in named), changes])


def not_json(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


def run_tegum(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str | list[str]
) -> tuple[int | str | None, str, str]:
    """Run the command line, and return its exit code and what it wrote to standard output and standard error."""
    # Behind the face: the root of the command line, with its registry.
    cli: Any = import_module("tegum.compare.commands.app")
    monkeypatch.setattr(sys, "argv", ["tegum", *(words.split() if isinstance(words, str) else words)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return (stop.value.code, *capsys.readouterr())


def started(*words: str, before: str = "", cwd: Path | None = None) -> subprocess.Popen[str]:
    """Start the command line in a process of its own.

    Args:
        words: of the command.
        before: code that is run first.
        cwd: folder that it is run in.
    """
    code = f"{before}\nfrom tegum.compare.commands.app import main\nmain()"
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code, *words], stdout=pipe, stderr=pipe, text=True, cwd=cwd)


def ended(process: subprocess.Popen[str]) -> Outcome:
    """Return what a process left."""
    out, err = process.communicate(timeout=PATIENCE)
    return Outcome(process.returncode, out, err)
