"""Commands in poor surroundings: few characters, few columns, no home, caches that can't be written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

COMMANDS = [
    "--help",
    "--version",
    "train --help",
    "minima --density 0.1",
    "minima --density 0.7 --features 3 --hidden 2",
    "derive",
    "derive --latex",
    "packing --density 0.1",
    "thomson 12",
    "certify --density 0.1",
    'boundary "digon(1,2)"',
    "train --density 0.1 --steps 20 --out {}/trained.safetensors",
    "diagram --cells 2 --seeds 2 --steps 20 --no-controls --out {}",
]
NOWHERE = "/proc/nowhere"
SURROUNDINGS = {
    "ASCII": {"PYTHONIOENCODING": "ascii"},
    "a terminal of 40 columns": {"COLUMNS": "40"},
    "no home": {"HOME": None, "USER": None, "LOGNAME": None},
    "a home that isn't there": {"HOME": NOWHERE},
    "caches that can't be written": {
        "MPLCONFIGDIR": NOWHERE,
        "NUMBA_CACHE_DIR": NOWHERE,
        "XDG_CACHE_HOME": NOWHERE,
        "XDG_CONFIG_HOME": NOWHERE,
    },
    "Latin letters": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "latin-1"},
}
# Numbers that are results: with a point and three digits after it, or more. Those that depend on paths and times don't.
RESULT = re.compile(r"-?\d\.\d{3,}(?:e[+-]?\d+)?")


def run(words: str, folder: Path, changes: dict[str, str | None]) -> subprocess.CompletedProcess[bytes]:
    """Run a command in changed surroundings."""
    surroundings = os.environ | {"COLUMNS": "80"} | changes
    kept = {name: value for name, value in surroundings.items() if value is not None}
    code = f"import sys, shlex; sys.argv = ['tegum', *shlex.split({words.format(folder)!r})]\n"
    code += "from tegum.compare.commands.app import main; main()"
    return subprocess.run([sys.executable, "-c", code], env=kept, capture_output=True, timeout=300, check=False)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_prints_the_same_results_everywhere(words: str, tmp_path: Path) -> None:
    usual = run(words, tmp_path / "usual", {})
    assert usual.returncode == 0, usual.stderr
    expected = RESULT.findall(usual.stdout.decode())
    for k, (name, changes) in enumerate(SURROUNDINGS.items()):
        found = run(words, tmp_path / str(k), changes)
        told = found.stderr.decode(errors="replace")
        assert found.returncode == 0, f"{name}: {told}"
        assert "Traceback" not in told, name
        encoding = changes.get("PYTHONIOENCODING") or "utf-8"
        # A narrow screen shows the same numbers in another order.
        assert sorted(RESULT.findall(found.stdout.decode(encoding))) == sorted(expected), name
