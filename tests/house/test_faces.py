"""What every folder's face offers: names that exist and are explained, and a docstring that shows where to begin."""

from __future__ import annotations

import ast
import doctest
import inspect
from importlib import import_module
from typing import Any

import pytest

from tests.house.test_layers import FOLDERS, MODULES, OUTER, exported, offered_modules

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
        # A constant, or the name of a type: what it is stands in a comment above it.
        assert name.isupper() or name[0].isupper(), f"{name} is neither a class, a function, a type nor a constant"
