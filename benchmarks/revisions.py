"""The theory of another git revision beside that of these sources: for benchmarks that compare the two in one run."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent


def load(root: Path) -> None:
    """Import `tegum.theory` from the sources under a folder."""
    import tegum

    folder = root / "theory"
    spec = importlib.util.spec_from_file_location(
        "tegum.theory", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["tegum.theory"] = module
    spec.loader.exec_module(module)
    tegum.theory = module


def unpack(revision: str, folder: Path) -> None:
    """Write the theory of a revision to a folder."""
    packed = subprocess.run(["git", "archive", revision, "theory"], cwd=HERE, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def apart(script: str, root: Path, *words: object) -> Any:
    """Return what a benchmark prints of one measurement, in a process of its own that it is given as `--measure`."""
    command = [sys.executable, script, "--measure", str(root), *map(str, words)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
