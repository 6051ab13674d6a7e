"""What every folder's face offers: names that exist and are explained, and a docstring that shows where to begin."""

from __future__ import annotations

import ast
import doctest
import inspect
from contextlib import suppress
from importlib import import_module
from typing import Any, Literal, get_origin

import pytest

from tests.house.test_layers import FOLDERS, MODULES, OUTER, exported, imports, offered_modules

MOST_NAMES = 40


def face(folder: str) -> Any:
    return import_module(f"tegum.{folder}")


FACES = [pytest.param(folder, id=folder) for folder in sorted(FOLDERS)]
PUBLIC = [(folder, name) for folder in sorted(FOLDERS) for name in sorted(exported(folder))]


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


@pytest.mark.parametrize(("folder", "name"), PUBLIC, ids=lambda value: str(value))
def test_public_names_exist_and_are_documented(folder: str, name: str) -> None:
    value = getattr(face(folder), name)
    if inspect.isclass(value) or inspect.isroutine(value):
        written = (value.__doc__ or "").strip()
        # A dataclass without a docstring is given its signature.
        assert written, f"{name} has no docstring"
        assert not written.startswith(f"{name}("), f"{name} has no docstring of its own"
    else:
        # A constant, or the name of a type.
        assert name.isupper() or name[0].isupper(), f"{name} is neither a class, a function, a type nor a constant"


FUNCTIONS = [
    (layer, name)
    for layer in OUTER
    for name in sorted(exported(layer))
    # A sweep starts processes before it looks at anything else.
    if inspect.isfunction(getattr(face(layer), name)) and name != "sweep"
]


@pytest.mark.parametrize(("layer", "name"), FUNCTIONS, ids=lambda value: str(value))
@pytest.mark.parametrize("wrong", [3, "a", [], object()], ids=["a number", "text", "nothing", "an object"])
def test_functions_of_outer_faces_refuse_what_they_cannot_take(layer: str, name: str, wrong: object) -> None:
    """With `ValueError`, or the `TypeError` of a path that is none; what makes sense may be accepted."""
    function = getattr(face(layer), name)
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


CONSTANTS = [
    (folder, name)
    for folder, name in PUBLIC
    # Outer faces offer what inner ones explain.
    if folder not in OUTER and (name.isupper() or not inspect.isroutine(getattr(face(folder), name)))
    if not inspect.isclass(getattr(face(folder), name))
    # A choice of words says by itself what it is.
    and get_origin(getattr(face(folder), name)) is not Literal
]


@pytest.mark.parametrize(("folder", "name"), CONSTANTS, ids=lambda value: str(value))
def test_what_a_public_constant_is_stands_above_it(folder: str, name: str) -> None:
    home = folder
    while home in FOLDERS:
        home = next(module for module, offered in imports(MODULES[home]) if offered == name)
    assert comment_above(MODULES[home].read_text(encoding="utf-8"), name).startswith("# ")


def test_a_constant_without_a_comment_is_found() -> None:
    assert comment_above("# Both.\nA = 1\nB = (\n    2,\n)\n\nC = 3\n", "B") == "# Both."
    assert comment_above("# Both.\nA = 1\nB = (\n    2,\n)\n\nC = 3\n", "C") == ""
