"""What every folder's face offers: names that exist and are explained, and a docstring that shows where to begin."""

from __future__ import annotations

import ast
import doctest
import inspect
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, get_origin

import pytest

from tests.house.test_layers import FOLDERS, MODULES, OUTER, exported, imports, offered_modules

MOST_NAMES = 40


def face(folder: str) -> Any:
    return import_module(f"tegum.{folder}")


FACES = sorted(FOLDERS)


@pytest.mark.parametrize("folder", FACES)
def test_a_face_offers_what_it_lists(folder: str) -> None:
    names = face(folder).__all__
    assert len(set(names)) == len(names)
    assert set(names) == exported(folder) | offered_modules(folder)


@pytest.mark.parametrize("folder", FACES)
def test_a_face_says_what_the_folder_is_for_with_an_example_that_runs(folder: str) -> None:
    tree = ast.parse(MODULES[folder].read_text(encoding="utf-8"))
    written = ast.get_docstring(tree) or ""
    assert len(written.splitlines()) >= 5
    examples = doctest.DocTestParser().get_examples(written)
    assert examples, "no example"
    assert any(example.want for example in examples), "an example that shows nothing"


@pytest.mark.parametrize("layer", OUTER)
def test_the_outer_faces_stay_small(layer: str) -> None:
    assert len(exported(layer)) <= MOST_NAMES


def undocumented(name: str, value: object) -> str:
    """Return what a public name lacks, or nothing."""
    if inspect.isclass(value) or inspect.isroutine(value):
        written = (value.__doc__ or "").strip()
        # A dataclass without a docstring is given its signature.
        return "a docstring of its own" if not written or written.startswith(f"{name}(") else ""
    # A constant, or the name of a type.
    return "" if name.isupper() or name[0].isupper() else "a class, a function, a type or a constant behind it"


@pytest.mark.parametrize("folder", FACES)
def test_public_names_exist_and_are_documented(folder: str) -> None:
    lacking = {name: undocumented(name, getattr(face(folder), name)) for name in sorted(exported(folder))}
    assert {name: what for name, what in lacking.items() if what} == {}


def test_a_name_without_a_docstring_is_found() -> None:
    def silent() -> None: ...

    record: Any = dataclass(type("Record", (), {}))
    assert undocumented("silent", silent) == undocumented("Record", record) == "a docstring of its own"
    assert undocumented("lower", 3) == "a class, a function, a type or a constant behind it"
    assert undocumented("UPPER", 3) == undocumented("undocumented", undocumented) == ""


@pytest.mark.parametrize("layer", OUTER)
@pytest.mark.parametrize("wrong", [3, "a", [], object()], ids=["a number", "text", "nothing", "an object"])
def test_functions_of_outer_faces_refuse_what_they_cannot_take(layer: str, wrong: object) -> None:
    """With `ValueError`, or the `TypeError` of a path that is none; what makes sense may be accepted."""
    for name in sorted(exported(layer)):
        function = getattr(face(layer), name)
        # A sweep starts processes before it looks at anything else.
        if inspect.isfunction(function) and name != "sweep":
            refuses(function, wrong)


def refuses(function: Callable[..., Any], wrong: object) -> None:
    wanted = [one for one in inspect.signature(function).parameters.values() if one.kind is not one.VAR_KEYWORD]
    needed = [one for one in wanted if one.default is one.empty] or wanted[:1]
    by_place = [wrong for one in needed if one.kind is not one.KEYWORD_ONLY]
    by_name = {one.name: wrong for one in needed if one.kind is one.KEYWORD_ONLY}
    # What makes sense is accepted.
    with suppress(ValueError, OSError):
        try:
            function(*by_place, **by_name)
        except TypeError as error:
            if "os.PathLike" not in str(error):
                raise


def assigned(node: ast.stmt) -> set[str]:
    """Return the names that a statement gives a value."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}


def comment_above(source: str, name: str) -> str:
    """Return the line above the assignments without a gap of which one gives a name its value."""
    lines, body = source.splitlines(), [node for node in ast.parse(source).body if assigned(node)]
    starts = {node.end_lineno: node.lineno for node in body}
    (first,) = (node.lineno for node in body if name in assigned(node))
    while first - 1 in starts:
        first = starts[first - 1]
    return lines[first - 2]


def is_constant(name: str, value: object) -> bool:
    # A choice of words says by itself what it is.
    named = name.isupper() or not inspect.isroutine(value)
    return named and not inspect.isclass(value) and get_origin(value) is not Literal


# Outer faces offer what inner ones explain.
@pytest.mark.parametrize("folder", [folder for folder in FACES if folder not in OUTER])
def test_what_a_public_constant_is_stands_above_it(folder: str) -> None:
    silent = []
    for name in sorted(exported(folder)):
        if not is_constant(name, getattr(face(folder), name)):
            continue
        home = folder
        while home in FOLDERS:
            home = next(module for module, offered in imports(MODULES[home]) if offered == name)
        if not comment_above(MODULES[home].read_text(encoding="utf-8"), name).startswith("# "):
            silent.append((home, name))
    assert silent == []


def test_a_constant_without_a_comment_is_found() -> None:
    assert comment_above("# Both.\nA = 1\nB = (\n    2,\n)\n\nC = 3\n", "B") == "# Both."
    assert comment_above("# Both.\nA = 1\nB = (\n    2,\n)\n\nC = 3\n", "C") == ""
