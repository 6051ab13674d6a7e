"""Run the tests of numbers as other x86-64 machines would: other kernels of linear algebra, other instructions.

Each setting runs in a process of its own; what the processor can't do is left out of what is switched off. The last
lines are a table, settings by folders, with the numbers of tests that passed and failed.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Folders of tests whose numbers depend on rounding, quick ones first.
FOLDERS = (
    "tests/theory/numerics",
    "tests/theory/models",
    "tests/theory/geometry",
    "tests/theory/polytopes",
    "tests/theory/formulas",
    "tests/theory/derivation",
    "tests/theory/loss",
    "tests/theory/enclosures",
    "tests/theory/spheres",
    "tests/theory/packing",
    "tests/theory/minima",
    "tests/theory/flow",
    "tests/theory/noise",
    "tests/theory/branches",
    "tests/theory/boundaries",
    "tests/theory/proofs",
    "tests/compare/geometry",
    "tests/compare/judgement",
)


def numpy_groups() -> str:
    """Return the groups of instructions beyond its baseline that NumPy would use here, by the names it goes by."""
    code = (
        "from numpy._core._multiarray_umath import __cpu_dispatch__ as d, __cpu_features__ as f;"
        "print(*(name for name in d if f[name]))"
    )
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def settings() -> dict[str, dict[str, str]]:
    """Return the environment of each setting."""
    # SSE2 alone for OpenBLAS, NumPy's loops, torch's kernels, and the C library's exp, sin and pow without FMA.
    plain = {
        "OPENBLAS_CORETYPE": "Prescott",
        "NPY_DISABLE_CPU_FEATURES": numpy_groups(),
        "ATEN_CPU_CAPABILITY": "default",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA,-FMA4",
    }
    # Numba's code, compiled anew: it is kept under the processor that it was made for.
    generic = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    return {
        "default": {},
        "haswell": {"OPENBLAS_CORETYPE": "Haswell"},
        "plain": plain,
        "generic": generic,
        "oldest": {**plain, **generic, "OPENBLAS_NUM_THREADS": "1"},
    }


def run(environment: dict[str, str], path: str, more: list[str]) -> tuple[str, int]:
    """Return what pytest says in its last line about a file or folder, and its exit code."""
    command = [sys.executable, "-m", "pytest", path, "-q", "-p", "no:cacheprovider", *more]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)
    # What failed, and what took long if that was asked for.
    told = ("FAILED", "ERROR"), re.compile(r"\d+\.\d+s (call|setup)")
    failed = [line for line in done.stdout.splitlines() if line.startswith(told[0]) or told[1].match(line.strip())]
    for line in failed:
        print("   ", line, flush=True)
    last = (done.stdout.splitlines() or [done.stderr[-300:]])[-1]
    counts = re.findall(r"\d+ (?:passed|failed|skipped|error|errors)", last)
    # Folders in which all tests are slow have none to run.
    nothing = done.returncode == 5
    return ", ".join(counts) or ("none" if nothing else last), 0 if nothing else done.returncode


def main() -> int:
    """Run what is asked for and print the table."""
    known = settings()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--setting", action="append", choices=known, help="one setting; default all")
    parser.add_argument("--pytest", default="", help='further options of pytest in one word, such as "-n 2 -x"')
    parser.add_argument("paths", nargs="*", help="files or folders of tests; default those of numbers")
    words = parser.parse_args()
    more = shlex.split(words.pytest)
    chosen, paths = words.setting or list(known), words.paths or list(FOLDERS)
    table: dict[str, list[str]] = {path: [] for path in paths}
    worst = 0
    for name in chosen:
        print(f"{name}: {' '.join(f'{key}={value!r}' for key, value in known[name].items())}", flush=True)
        for path in paths:
            counts, code = run(known[name], path, more)
            print(f"  {path}: {counts}", flush=True)
            table[path].append(counts)
            worst = max(worst, code)
    print("\n| |", " | ".join(chosen), "|")
    print("|---" * (len(chosen) + 1) + "|")
    for path, row in table.items():
        print(f"| {path} |", " | ".join(row), "|")
    return worst


if __name__ == "__main__":
    sys.exit(main())
