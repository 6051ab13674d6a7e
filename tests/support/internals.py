"""Modules behind the faces, for tests of what no face offers."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def internals(module: str) -> ModuleType:
    """Return a module of `tegum.theory`, for tests of what it doesn't export."""
    return import_module(f"tegum.theory.{module}")
