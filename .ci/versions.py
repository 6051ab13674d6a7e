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
import threading
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.11", "3.12", "3.13")
# Of what the project needs, what theory and these tests of it don't.
LEFT_OUT = ("torch", "triton", "tegum", "dask", "matplotlib", "rich", "safetensors", "typer", "xarray", "zarr")
# Models, machine code, and all minima of the smallest models; other tests of theory hold torch against it.
TESTS = ("tests/theory/models", "tests/theory/minima", "tests/theory/numerics/test_compilation.py")
ONE_AT_A_TIME = threading.Lock()
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
    """Return what theory and its tests need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    return [name for name in names if not name.startswith(LEFT_OUT)]


def tried(python: str, version: str) -> str:
    """Run the tests under one interpreter, and return what was said; raise an error if one fails."""
    with tempfile.TemporaryDirectory() as folder:
        run([python, "-m", "venv", folder])
        own = str(Path(folder) / "bin" / "python")
        install = [own, "-m", "pip", "install", "--quiet"]
        pinned = [*install, "--constraint", str(ROOT / "constraints.txt"), *dependencies()]
        if subprocess.run(pinned, capture_output=True, check=False).returncode:
            return f"Python {version}: NOT TESTED, its packages can't be installed here"
        # What it writes lies in the project's own folder.
        with ONE_AT_A_TIME:
            run([*install, "--no-deps", "--editable", str(ROOT)])
        run([own, "-c", EVERYTHING], folder)
        return f"Python {version}: {run([own, '-m', 'pytest', '-q', *TESTS]).strip().splitlines()[-1]}"


def run(command: list[str], folder: str | Path = ROOT) -> str:
    """Run a command, and return what it wrote; if it fails that is shown."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def main() -> None:
    """Try every version that is there but the one that this runs under, side by side."""
    here = ".".join(map(str, sys.version_info[:2]))
    found = {version: interpreter(version) for version in VERSIONS if version != here}
    print(f"Python {here}: all tests are run under it")
    for version in [version for version, python in found.items() if python is None]:
        print(f"Python {version} isn't installed here")
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(tried, python, version) for version, python in found.items() if python is not None]
        for one in runs:
            print(one.result(), flush=True)


if __name__ == "__main__":
    main()
