"""Build the wheel, install it in an empty environment, and use it there: help, and one piece of theory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = """
from tegum.theory import IndependentFeatures, ToyModel, global_minimum
best = global_minimum(ToyModel(2, 1, IndependentFeatures(0.1)))
assert best.phase == "digon(1,2)", best
assert abs(best.loss - 0.0033194840) < 1e-9, best
import sys, tegum
assert tegum.theory.ToyModel is ToyModel and dir(tegum) == ["compare", "empirical", "theory"]
assert "torch" not in sys.modules and "matplotlib" not in sys.modules
print("wheel:", best.phase, best.loss)
"""


def run(*command: str, cwd: str | Path = ROOT) -> None:
    """Run a command and stop if it fails."""
    subprocess.run(command, check=True, cwd=cwd)


def main() -> None:
    """Build, install, use."""
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    torch = next(pin for pin in pins if pin.startswith("torch=="))
    with tempfile.TemporaryDirectory() as folder:
        run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, str(ROOT))
        (wheel,) = Path(folder).glob("*.whl")
        venv.create(Path(folder) / "empty", with_pip=True)
        python = str(Path(folder) / "empty" / "bin" / "python")
        run(python, "-m", "pip", "install", "--quiet", torch)
        run(python, "-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "constraints.txt"), str(wheel))
        run(str(Path(folder) / "empty" / "bin" / "tegum"), "--help", cwd=folder)
        run(python, "-c", EXAMPLE, cwd=folder)


if __name__ == "__main__":
    main()
