"""The wheel's contents against the tree: a list that forgets a folder gives a wheel that silently lacks it."""

from __future__ import annotations

import doctest
import subprocess
import sys
import tomllib
from importlib.metadata import version

import tegum.theory
from tests.support.places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OUTER = ("theory", "empirical", "compare")
SETUP = PROJECT["tool"]["setuptools"]


def test_every_folder_is_a_package_of_the_wheel() -> None:
    folders = {path.parent for layer in OUTER for path in (ROOT / layer).rglob("*.py")}
    assert all((folder / "__init__.py").exists() for folder in folders)
    names = {"tegum", *(".".join(("tegum", *folder.relative_to(ROOT).parts)) for folder in folders)}
    assert sorted(SETUP["packages"]) == sorted(names)


def test_files_that_are_not_code_are_listed() -> None:
    found = {
        name: {path.name for path in folder.iterdir() if path.is_file() and data(path.name)}
        for name, folder in ({"tegum": ROOT / "tegum"} | {f"tegum.{layer}": ROOT / layer for layer in OUTER}).items()
    }
    assert {name: set(files) for name, files in SETUP["package-data"].items()} == found
    folders = [path.parent for layer in OUTER for path in (ROOT / layer).rglob("*/__init__.py")]
    deeper = [path for folder in folders for path in folder.iterdir() if path.is_file() and data(path.name)]
    assert [path for path in deeper if path.parent.parent != ROOT] == []


def data(name: str) -> bool:
    return not name.endswith((".py", ".pyc"))


def test_types_are_checked_where_the_code_is() -> None:
    for layer in OUTER:
        link = ROOT / "typings" / "tegum" / layer
        assert link.is_symlink()
        assert link.resolve() == ROOT / layer
    assert (ROOT / "typings" / "tegum" / "__init__.pyi").resolve() == ROOT / "tegum" / "__init__.pyi"


def test_dependencies_are_pinned() -> None:
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in constraints() if not line.startswith("#")}
    extras = PROJECT["project"]["optional-dependencies"].values()
    wanted = [*PROJECT["project"]["dependencies"], *(name for extra in extras for name in extra)]
    names = {name.partition(";")[0].split(">")[0].split("[")[0].strip().lower().replace("_", "-") for name in wanted}
    assert names - {"tegum", "pre-commit"} <= pinned


def constraints() -> list[str]:
    return (ROOT / "constraints.txt").read_text(encoding="utf-8").split("\n")[:-1]


def test_the_installed_package_is_this_one() -> None:
    assert version("tegum") == PROJECT["project"]["version"]
    assert ROOT / str(tegum.theory.__file__) == ROOT / "theory" / "__init__.py"
    assert ROOT / str(tegum.__file__) == ROOT / "tegum" / "__init__.py"


def test_the_whole_offers_its_three_parts() -> None:
    script = "import sys, tegum; assert 'numpy' not in sys.modules; print(dir(tegum), tegum.theory.ToyModel.__name__)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "['compare', 'empirical', 'theory'] ToyModel\n"
    found = doctest.testmod(tegum)
    assert (found.failed, found.attempted) == (0, 2)
