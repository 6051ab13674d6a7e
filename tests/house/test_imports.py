"""Layers and public names: what imports what, and what importing costs."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

PACKAGES = ("tegum.theory", "tegum.empirical", "tegum.compare")
PUBLIC = [(package, name) for package in PACKAGES for name in import_module(package).__all__]
# What the layers may not import, directly or by a detour.
FORBIDDEN = {
    "tegum.theory": {"torch", "matplotlib", "tegum.empirical", "tegum.compare"},
    "tegum.empirical": {"matplotlib", "tegum.compare"},
}


def sources(package: str) -> list[Path]:
    return sorted(Path(str(import_module(package).__file__)).parent.glob("*.py"))


def fresh(code: str) -> str:
    """Run code in a fresh interpreter and return what it prints on standard error."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def loaded(code: str) -> set[str]:
    """Return the top-level modules that are loaded after running code in a fresh interpreter."""
    report = "import sys\nprint(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    return set(fresh(f"{code}\n{report}").split())


def imports(path: Path) -> set[str]:
    """Return the absolute names that a source file imports anywhere, with all their parents."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= 1, f"{path.name} reaches out of its folder by a relative import"
            if node.level == 0 and node.module:
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    parts = [name.split(".") for name in names]
    return {".".join(part[:size]) for part in parts for size in range(1, len(part) + 1)}


def test_theory_loads_neither_torch_nor_matplotlib_nor_numba() -> None:
    modules = loaded("import tegum.theory")
    assert "numpy" in modules
    assert not modules & {"torch", "matplotlib", "numba"}


def test_an_engine_loads_numba_when_it_evaluates() -> None:
    prepared = (
        "from tegum.theory import ExactLoss, IndependentFeatures, ToyModel\n"
        "engine = ExactLoss(ToyModel(2, 1, IndependentFeatures(0.1)))\n"
    )
    assert "numba" not in loaded(prepared)
    assert "numba" in loaded(f"import numpy as np\n{prepared}engine.loss(np.ones((1, 2)), np.zeros(2))")


def test_help_loads_neither_torch_nor_matplotlib_nor_numpy() -> None:
    modules = loaded(
        "import sys\n"
        "from tegum.compare import cli\n"
        "sys.argv = ['tegum', '--help']\n"
        "try:\n"
        "    cli.main()\n"
        "except SystemExit as stop:\n"
        "    assert stop.code == 0, stop.code\n"
    )
    assert "typer" in modules
    assert not modules & {"torch", "matplotlib", "numpy"}


def test_training_loads_no_matplotlib() -> None:
    modules = loaded("import tegum.empirical")
    assert "torch" in modules
    assert "matplotlib" not in modules


@pytest.mark.parametrize(
    ("package", "path"),
    [pytest.param(package, path, id=f"{package}.{path.stem}") for package in FORBIDDEN for path in sources(package)],
)
def test_a_layer_imports_only_what_lies_below_it(package: str, path: Path) -> None:
    assert not imports(path) & FORBIDDEN[package]


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=f"{package}.{path.stem}") for package in PACKAGES for path in sources(package)]
)
def test_folders_import_public_names_of_each_other(path: Path) -> None:
    ours = {name for name in imports(path) if name.startswith("tegum.") and name not in PACKAGES}
    public = {f"{package}.{name}" for package, name in PUBLIC}
    assert ours <= public


@pytest.mark.parametrize(("package", "name"), PUBLIC, ids=lambda value: value)
def test_public_names_exist_and_are_documented(package: str, name: str) -> None:
    value = getattr(import_module(package), name)
    if inspect.isclass(value) or inspect.isfunction(value):
        written = (value.__doc__ or "").strip()
        # A dataclass without a docstring is given its signature.
        assert written, f"{name} has no docstring"
        assert not written.startswith(f"{name}("), f"{name} has no docstring of its own"
    else:
        assert name.isupper(), f"{name} is neither a class, a function nor a constant"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_binds_nothing_but_its_public_names(package: str) -> None:
    module = import_module(package)
    assert len(set(module.__all__)) == len(module.__all__)
    assert (module.__doc__ or "").strip()
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    bound = {
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert bound - {"annotations", "Any", "TYPE_CHECKING"} <= set(module.__all__)
