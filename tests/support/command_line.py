"""Running the command line in this process."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import pytest


def run_tegum(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str
) -> tuple[int | str | None, str, str]:
    """Run the command line, and return its exit code and what it wrote to standard output and standard error."""
    cli: Any = import_module("tegum.compare.commands.app")
    monkeypatch.setattr(sys, "argv", ["tegum", *words.split()])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return (stop.value.code, *capsys.readouterr())
