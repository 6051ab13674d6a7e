"""The rules of the house: which folder may import which, through its face only, and never in a circle.

Everything is read from the sources as text, imports under TYPE_CHECKING and inside functions included.
"""

from __future__ import annotations

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import product
from pathlib import Path

import pytest

from tests.support.places import ROOT

OUTER = ("theory", "empirical", "compare")

# Folders from the top floor down. A folder imports lower floors only, and none of its own floor.
FLOORS: dict[str, list[set[str]]] = {
    "theory": [
        {"formulas", "proofs"},
        {"proofs.pairs", "proofs.triples", "proofs.cells"},
        {"proofs.checks"},
        {"proofs.balls", "proofs.floats", "proofs.certificates"},
        {"packing", "flow", "branches", "boundaries", "noise"},
        {"minima"},
        {"loss", "enclosures", "spheres"},
        {"loss.spectral", "derivation", "polytopes"},
        {"geometry"},
        {"models"},
        {"numerics"},
        {"storage"},
    ],
    "empirical": [
        {"sweeps"},
        {"training"},
        {"recording"},
        {"groups", "files"},
        {"inputs", "kernels", "runs"},
    ],
    "compare": [
        {"commands"},
        {"terminal"},
        {"figures"},
        {"foreign", "basins"},
        {"diagrams", "geometry"},
        {"judgement"},
    ],
}
# Beyond the floors: what a folder must not reach, not even by a detour.
INDEPENDENT = [
    # What checks a proof doesn't know what searched for it.
    *product(
        ("theory.proofs.checks", "theory.proofs.balls", "theory.proofs.certificates"),
        (
            "theory.proofs.floats",
            "theory.proofs.pairs",
            "theory.proofs.triples",
            "theory.proofs.cells",
            "theory.minima",
        ),
    ),
    ("theory.loss", "theory.minima"),
]
# What a search for proofs may share with what checks them: records of what is proved, and the proof of a core.
SHARED_WITH_CHECKS = {"as_box", "as_minimum", "as_pair", "proved_core"}
# Packages that a layer doesn't load when it is imported; functions may, when they are called.
HEAVY = {"theory": {"torch", "matplotlib"}, "empirical": {"matplotlib"}}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


ALL = [path for package in OUTER for path in sources(package)]


def name_of(path: Path) -> str:
    """Return a source's dotted name below tegum."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in ALL}
FOLDERS = {name for name, path in MODULES.items() if path.name == "__init__.py"}


def folder_of(module: str) -> str:
    """Return the folder in which a module is, a folder being its own."""
    return module if module in FOLDERS else module.rpartition(".")[0]


@cache
def tree_of(path: Path) -> ast.Module:
    """Return a source as a syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> list[tuple[str, str]]:
    """Return (module below tegum, name) for each name that a source imports from ours, relative imports resolved."""
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    found = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            ours = [alias.name for alias in node.names if alias.name.split(".")[0] == "tegum"]
            assert not ours, f"{path} imports {ours}: write `from … import …`"
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                parts = package.split(".")
                base = parts[: len(parts) - node.level + 1]
                module = ".".join([*base, *([node.module] if node.module else [])])
            elif node.module and node.module.split(".")[0] == "tegum":
                module = node.module.removeprefix("tegum").lstrip(".")
            else:
                continue
            for alias in node.names:
                whole = f"{module}.{alias.name}"
                found.append((whole, "") if whole in MODULES else (module, alias.name))
    return found


def third_parties(path: Path) -> set[str]:
    """Return the packages that a source imports when it is loaded."""
    return {
        name.split(".")[0]
        for node in tree_of(path).body
        if isinstance(node, ast.Import | ast.ImportFrom) and not getattr(node, "level", 0)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }


@cache
def arrows() -> dict[str, set[str]]:
    """Return which folders each folder imports."""
    found: dict[str, set[str]] = {folder: set() for folder in FOLDERS}
    for module, path in MODULES.items():
        for there, _ in imports(path):
            if folder_of(there) != folder_of(module):
                found[folder_of(module)].add(folder_of(there))
    return found


@cache
def reached(folder: str) -> set[str]:
    """Return the folders that one imports, directly or by a detour."""
    found: set[str] = set()
    todo = [folder]
    while todo:
        new = arrows()[todo.pop()] - found
        found |= new
        todo += new
    return found


@cache
def exported(folder: str) -> set[str]:
    """Return the names in the face of a folder."""
    stub = MODULES[folder].with_suffix(".pyi")
    tree = ast.parse((stub if stub.exists() else MODULES[folder]).read_text(encoding="utf-8"))
    return {
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }


def offered_modules(folder: str) -> set[str]:
    """Return the modules that a face offers whole: it lists them without loading them."""
    lists = [node.value for node in tree_of(MODULES[folder]).body if isinstance(node, ast.Assign)]
    listed = {name for value in lists if isinstance(value, ast.List) for name in ast.literal_eval(value)}
    return listed - exported(folder)


def test_every_folder_has_a_floor() -> None:
    planned = {f"{layer}.{room}" for layer, floors in FLOORS.items() for floor in floors for room in floor}
    assert planned | set(OUTER) == FOLDERS


@pytest.mark.parametrize("layer", OUTER)
def test_a_folder_imports_lower_floors_only(layer: str) -> None:
    floor = {f"{layer}.{room}": height for height, rooms in enumerate(FLOORS[layer]) for room in rooms}
    wrong = [
        (room, there)
        for room in floor
        for there in arrows()[room]
        # The outer face and progress are below everything.
        if there in floor and floor[there] <= floor[room]
    ]
    assert wrong == []


def test_no_layer_imports_one_above() -> None:
    order = {layer: height for height, layer in enumerate(OUTER)}
    wrong = [
        (name_of(path), there)
        for path in ALL
        for there, _ in imports(path)
        if order[there.split(".")[0]] > order[name_of(path).split(".")[0]]
    ]
    assert wrong == []


def test_folders_import_in_no_circle() -> None:
    inner = {room: there - set(OUTER) for room, there in arrows().items()}
    try:
        TopologicalSorter(inner).prepare()
    except CycleError as circle:
        pytest.fail(f"folders import each other: {circle.args[1]}")


@pytest.mark.parametrize("layer", OUTER)
def test_modules_import_in_no_circle(layer: str) -> None:
    graph = {
        module: {there for there, _ in imports(path) if there not in FOLDERS and there != module}
        for module, path in MODULES.items()
        if module.split(".")[0] == layer and module not in FOLDERS
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        pytest.fail(f"modules import each other: {circle.args[1]}")


@pytest.mark.parametrize(("room", "other"), INDEPENDENT)
def test_a_folder_never_reaches_what_it_must_not_know(room: str, other: str) -> None:
    assert other not in reached(room)


def test_a_search_shares_nothing_with_its_check_but_cores() -> None:
    searches = ("theory.proofs.point", "theory.proofs.pairs", "theory.proofs.triples", "theory.proofs.cells")
    shared = {
        (folder_of(module), name)
        for search, path in MODULES.items()
        if search.startswith(searches)
        for module, name in imports(path)
        if folder_of(module) == "theory.proofs.checks"
    }
    assert shared == {("theory.proofs.checks", name) for name in SHARED_WITH_CHECKS}


def test_names_of_other_folders_come_through_their_faces() -> None:
    wrong = []
    for path in ALL:
        home = folder_of(name_of(path))
        for module, name in imports(path):
            if folder_of(module) == home or module == "compare.progress":
                continue
            if name:
                through = module in FOLDERS and name in exported(module) and not name.startswith("_")
            else:
                face, _, wanted = module.rpartition(".")
                through = wanted in offered_modules(face)
            if not through:
                wrong.append((name_of(path), module, name))
    assert wrong == []


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_no_module_is_named_like_something_public_of_its_folder(folder: str) -> None:
    place = MODULES[folder].parent
    inside = {path.stem for path in place.glob("*.py")} | {path.name for path in place.iterdir() if path.is_dir()}
    assert not inside & exported(folder)


@pytest.mark.parametrize("layer", sorted(HEAVY))
def test_a_layer_loads_no_heavy_package(layer: str) -> None:
    loaded = {name_of(path): third_parties(path) & HEAVY[layer] for path in sources(layer)}
    assert {name: packages for name, packages in loaded.items() if packages} == {}
