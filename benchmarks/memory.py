"""The memory that the exact part of a phase diagram takes at most, by its cells along each axis.

Each row is a new process that computes minima and boundaries of a diagram of two features, and makes its dataset;
its baseline is a process that only imports what that needs, and loads machine code. What counts is the peak of resident
memory that the system reports of the child. The last column is what each cell adds beyond the smallest diagram: what is
kept of a cell are its minima, and working memory that grew with the diagram would show there.

    .venv/bin/python benchmarks/memory.py [--cells 16 32 64 96]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

# Everything is imported, and compiled code evaluated once.
BEGIN = """
import sys
import numpy as np
from tegum.compare.diagrams.diagram import exact_part
from tegum.theory import diagram_model, expected_loss
from tegum.theory.models import DENSITY_RANGE, IMPORTANCE_RANGE
expected_loss(diagram_model(2, 1, 0.1, 1.0), [[1.0, -1.0]], [0.0, 0.0])
"""
DIAGRAM = """
axes = [np.geomspace(*ends, int(sys.argv[1])) for ends in (DENSITY_RANGE, IMPORTANCE_RANGE)]
exact_part(*axes, 2, 1)
"""
# Of ru_maxrss in a mebibyte; macOS counts bytes.
UNITS = 1 << (20 if sys.platform == "darwin" else 10)


def peak(code: str, *words: str) -> float:
    """Return the peak of resident memory of a new interpreter that runs code, in MiB."""
    process = subprocess.Popen([sys.executable, "-c", code, *words])
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the diagram with {words} cells failed")
    return used.ru_maxrss / UNITS


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs="+", default=[16, 32, 64, 96], help="along each axis")
    cells = parser.parse_args().cells
    imports, first = peak(BEGIN), None
    print(f"imports and machine code: {imports:.0f} MiB\n")
    print("| cells along each axis | peak, MiB | imports being 1 | KiB for each further cell |")
    print("|---|---|---|---|")
    for count in cells:
        found = peak(BEGIN + DIAGRAM, str(count))
        more = "" if first is None else f"{1024 * (found - first[1]) / (count**2 - first[0] ** 2):.1f}"
        first = first or (count, found)
        print(f"| {count} | {found:.0f} | {found / imports:.2f} | {more} |", flush=True)


if __name__ == "__main__":
    main()
