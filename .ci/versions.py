"""Run the tests of theory under other versions of Python that are installed, in environments of their own.

Theory needs no torch, whose builds are large, so it isn't installed there: `tegum.empirical` is tested under the
version that `make` finds. A version counts as installed if its command runs, or pyenv has it. Packages that can't be
had for it are no fault of the project: that is said, and the version left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.11", "3.12", "3.13")
# What needs torch, and what comes with it.
HEAVY = ("torch", "triton", "tegum")
# Models, machine code, and all minima of the smallest models; other tests of theory hold torch against it.
TESTS = ("tests/theory/models", "tests/theory/minima", "tests/theory/numerics/test_compilation.py")
EVERYTHING = """
import importlib, pkgutil
import tegum.theory
for module in pkgutil.walk_packages(tegum.theory.__path__, "tegum.theory."):
    importlib.import_module(module.name)
"""


def interpreter(version: str) -> str | None:
    """Return a Python of a version, if there is one."""
    home = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    places = [shutil.which(f"python{version}"), *sorted(map(str, home.glob(f"versions/{version}.*/bin/python")))]
    for place in filter(None, places):
        asked = "import sys; print('%d.%d' % sys.version_info[:2])"
        told = subprocess.run([place, "-c", asked], capture_output=True, text=True, check=False)
        if told.stdout.strip() == version:
            return place
    return None


def dependencies() -> list[str]:
    """Return what theory and its tests need, without torch."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    return [name for name in names if not name.startswith(HEAVY)]


def tried(python: str, version: str) -> None:
    """Run the tests under one interpreter, and stop if one fails."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        own = str(Path(folder) / "bin" / "python")
        install = [own, "-m", "pip", "install", "--quiet"]
        pinned = [*install, "--constraint", str(ROOT / "constraints.txt"), *dependencies()]
        if subprocess.run(pinned, check=False).returncode:
            print(f"Python {version}: NOT TESTED, its packages can't be installed here", flush=True)
            return
        subprocess.run([*install, "--no-deps", "--editable", str(ROOT)], check=True)
        print(f"Python {version}:", flush=True)
        subprocess.run([own, "-c", EVERYTHING], check=True, cwd=folder)
        subprocess.run([own, "-m", "pytest", "-q", "-n", "auto", "--dist", "loadfile", *TESTS], check=True, cwd=ROOT)


def main() -> None:
    """Try every version that is there but the one that this runs under."""
    here = ".".join(map(str, sys.version_info[:2]))
    for version in VERSIONS:
        python = interpreter(version)
        if version == here:
            print(f"Python {version}: all tests were run under it")
        elif python is None:
            print(f"Python {version} isn't installed here")
        else:
            tried(python, version)


if __name__ == "__main__":
    main()
