"""The model that a file of the project describes, of whatever kind the file is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Characters of a text that is read as a description or an account.
LARGEST = 100_000_000
# What stores of the project say of themselves.
TRAINED, SWEEP = "tegum trained models", "tegum sweep"
STORES = ("tegum phase diagram", "tegum basin shares")
CERTIFICATE = "tegum certificate"
# What a description says of itself. A certificate's record of its model is none, the account of one has one.
MODEL = "tegum model"


def described_in(path: Path) -> Mapping[str, Any]:
    """Return what a file says of a model, whole or in part.

    Args:
        path: a description in JSON or TOML (docs/models.md), trained models, a sweep, a phase diagram, basin shares, a
            certificate, or the account that a command wrote.

    Raises:
        ValueError: if it doesn't exist, can't be read, is something else, or says nothing of a model.
    """
    if not path.exists():
        raise ValueError(f"--model {path} doesn't exist")
    try:
        found = _of_store(path) if path.is_dir() else _of_file(path)
    except ValueError as error:
        text = str(error)
        raise ValueError(text if str(path) in text else f"{path}: {text}") from None
    if not isinstance(found, Mapping):
        raise ValueError(f"{path} doesn't say what its model is: describe it in JSON or TOML (docs/models.md)")
    return found


def _of_store(path: Path) -> Any:
    """Return the description in a zarr store."""
    metadata = path / "zarr.json"
    if not metadata.is_file():
        raise ValueError(f"expected a file, or a zarr store of the project's, got the folder {path}")
    from tegum.theory.storage import json_of

    attributes = json_of(metadata.read_bytes()).get("attributes", {})
    form = str(attributes.get("format")).strip('"')
    if form.startswith(TRAINED):
        return _of_trained(path)
    if form == SWEEP:
        from tegum.empirical.sweeps import read_sweep

        words = read_sweep(path).dataset.attrs.get("model")
        return None if words is None else json.loads(words)
    if form.startswith(STORES):
        from tegum.empirical.files import read_zarr

        from ..diagrams import model_of

        # Earlier ones have no attribute, and say it by their axes.
        return model_of(read_zarr(path, "a phase diagram or basin shares")).to_plain()
    raise ValueError(f"expected a zarr store of the project's, got format {form!r}")


def _of_trained(path: Path) -> Any:
    from tegum.empirical.files import saved_model

    model = saved_model(path)
    return None if model is None else model.to_plain()


def _of_file(path: Path) -> Any:
    """Return the description in a file."""
    if path.suffix == ".safetensors":
        return _of_trained(path)
    if path.stat().st_size > LARGEST:
        raise ValueError(f"a description has at most {LARGEST:,} bytes, got {path.stat().st_size:,}")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError("expected a description in JSON or TOML, or a file of the project's, got no text") from None
    account = _account(text)
    model = account.get("model")
    if isinstance(model, Mapping) and str(model.get("format")).startswith(MODEL):
        return model
    if str(account.get("format")).startswith(CERTIFICATE):
        from tegum.theory.proofs.certificates import Certificate

        return Certificate.from_json(text).model.toy_model().to_plain()
    if isinstance(model, Mapping):
        return model
    from tegum.theory.models import parsed_description

    return parsed_description(text)


def _account(text: str) -> Mapping[str, Any]:
    """Return what a text in JSON holds; nothing if it isn't that, which whoever reads it says in their words."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
