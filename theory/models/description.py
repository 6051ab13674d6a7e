"""A model in words, and as plain values that JSON and TOML hold: what each of its parameters is called there.

docs/models.md lists the keys. A new parameter of `ToyModel` is one line of `PARAMETERS`. Models are arguments here, and
their class is no import: it stands above.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from ..numerics import check_choice, check_text, shown
from ..storage import json_of
from .laws import law_from_plain, law_to_plain
from .plain import array_of, check_keys, plain_array, plain_features, told, whole_of

# What a description is, and which one of them this tegum writes.
KIND, VERSION = "tegum model", 1
# The entry `format` of a description.
MODEL_FORMAT = f"{KIND} {VERSION}"
# Where Python's reader of TOML gives up, and what it says of keys that are given twice.
PLACE, TWICE = re.compile(r"at line (\d+), column (\d+)"), re.compile(r"Cannot (overwrite|declare|mutate)|Duplicate")
REQUIRED = ("format", "n_features", "n_hidden", "features")


@dataclass(frozen=True)
class Parameter:
    """A parameter of `ToyModel` that a description may leave out.

    Attributes:
        title: what it is called in words.
        default: what it is where a description doesn't say.
        read: from its name and what a description says to what `ToyModel` takes.
        write: from the model's own value to what a description says.
        tell: from the model's own value to words; empty for what needn't be said.
    """

    title: str
    default: Any
    read: Callable[[str, Any], Any]
    write: Callable[[Any], Any]
    tell: Callable[[Any], str]


def _importance() -> Parameter:
    return Parameter(
        "importance", 1.0, array_of, plain_features, lambda value: told("importance", "importances", value)
    )


def _penalty(title: str) -> Parameter:
    def tell(value: Any) -> str:
        return told(title, f"{title.removesuffix('y')}ies", value.ravel()) if np.any(value != 0) else ""

    return Parameter(title, 0.0, array_of, plain_array, tell)


def _choice(title: str, words: Mapping[str, str], default: str) -> Parameter:
    """Return a parameter that is one of some words.

    Args:
        title: see `Parameter`.
        words: for each of them how it is told.
        default: one of them.
    """

    def read(name: str, value: Any) -> str:
        check_choice(name, value, words)
        return str(value)

    return Parameter(title, default, read, str, lambda value: words[value])


# What is said in a word, and how that is told: which biases a model has, whose errors count, and how they are put
# together. The first word of each is meant unless another is asked for.
CHOICES = {
    "bias": {"free": "free biases", "common": "one bias for all outputs", "none": "no bias"},
    "targets": {"all": "", "active": "errors of active features only"},
    "reduction": {"sum": "", "mean": "mean over features"},
}
PARAMETERS = {
    "importance": _importance(),
    "interference_penalty": _penalty("interference penalty"),
    "weight_penalty": _penalty("weight penalty"),
    "activation_penalty": _penalty("activation penalty"),
    **{name: _choice(name, words, next(iter(words))) for name, words in CHOICES.items()},
}


# All keys of a description but the format and the law's.
MODEL_KEYS = ("n_features", "n_hidden", *PARAMETERS)


def _value(model: Any, name: str) -> Any:
    """Return a parameter as it was given, rational numbers still rational."""
    return model.exact[name] if name in model.exact else getattr(model, name)


def model_to_plain(model: Any) -> dict[str, Any]:
    """Return all of a model as JSON has it.

    Raises:
        ValueError: if its law has no kind of its own.
    """
    sizes = {"format": MODEL_FORMAT, "n_features": int(model.n_features), "n_hidden": int(model.n_hidden)}
    return {
        **sizes,
        "features": law_to_plain(model.features),
        **{name: parameter.write(_value(model, name)) for name, parameter in PARAMETERS.items()},
    }


def arguments_of(plain: Any) -> dict[str, Any]:
    """Return the arguments of `ToyModel` that a description stands for.

    Raises:
        ValueError: if a key is missing, unknown or of another type, or the format is another or newer one.
    """
    if isinstance(plain, Mapping) and "format" in plain:
        _check_format(plain["format"])
    found = check_keys("a model's description", plain, REQUIRED, PARAMETERS)
    arguments: dict[str, Any] = {name: whole_of(name, found[name]) for name in ("n_features", "n_hidden")}
    arguments["features"] = law_from_plain(found["features"])
    return arguments | {
        name: parameter.read(name, found.get(name, parameter.default)) for name, parameter in PARAMETERS.items()
    }


def _check_format(found: Any) -> None:
    if found == MODEL_FORMAT:
        return
    kind, _, number = str(found).rpartition(" ")
    if kind == KIND and number.isdecimal() and int(number) > VERSION:
        raise ValueError(f"format {found!r} is newer than {MODEL_FORMAT!r}, the newest that this tegum reads")
    raise ValueError(f"format of a model's description must be {MODEL_FORMAT!r}, got {shown(found)}")


def parsed_json(text: str) -> Any:
    """Return what JSON says; keys that are given twice, NaN and ∞ are refused.

    Raises:
        ValueError: if it isn't JSON.
    """
    check_text("text", text)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"the key {key!r} stands there twice")
        return dict(pairs)

    def none(word: str) -> Any:
        raise ValueError(f"{word} is no number of JSON's")

    try:
        return json_of(text, object_pairs_hook=once, parse_constant=none)
    except ValueError as error:
        raise ValueError(f"a model's description must be JSON: {error}") from None


def parsed_toml(text: str) -> Any:
    """Return what TOML says.

    Raises:
        ValueError: if it isn't TOML.
    """
    check_text("text", text)
    try:
        return tomllib.loads(text)
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError as error:
        # Python's reader says where in brackets, and what in words of its own.
        place = PLACE.search(str(error))
        where = f"in line {place[1]}, column {place[2]}" if place else "at the end"
        reason = f"{'a key stands there twice' if TWICE.search(str(error)) else 'it is none'} {where}"
    raise ValueError(f"a model's description must be TOML: {reason}")


def parsed_description(text: str) -> Mapping[str, Any]:
    """Return what JSON or TOML says of a model, keys that are left out included.

    Args:
        text: JSON if it begins with a brace, else TOML.

    Raises:
        ValueError: if it is neither, of another or newer format, or has unknown keys.
    """
    check_text("text", text)
    plain = parsed_json(text) if text.lstrip().startswith("{") else parsed_toml(text)
    if isinstance(plain, Mapping) and "format" in plain:
        _check_format(plain["format"])
    return check_keys("a model's description", plain, ("format",), (*REQUIRED, *PARAMETERS))


def model_parts(model: Any) -> dict[str, str]:
    """Return a model in words, part by part: sizes, law, amplitude and so on, in the order of `describe`.

    Args:
        model: a `ToyModel`.

    Raises:
        ValueError: if it is something else.
    """
    if not hasattr(model, "n_features") or not hasattr(model, "exact"):
        raise ValueError(f"model must be a ToyModel, got {shown(model)}")
    n, m, batch = model.n_features, model.n_hidden, model.batch_shape
    parts = {"models": " × ".join(map(str, batch))} if batch else {}
    parts["sizes"] = f"{n:,} feature{'s' * (n != 1)} in {m:,} dimension{'s' * (m != 1)}"
    parts["law"] = model.features.describe()
    if model.features.has_amplitude:
        parts["amplitude"] = model.features.amplitude.describe()
    told_of = {name: parameter.tell(_value(model, name)) for name, parameter in PARAMETERS.items()}
    if not any(text for name, text in told_of.items() if name.endswith("_penalty")):
        # In the place of the first of them.
        told_of["interference_penalty"] = "no penalties"
    return parts | {name: text for name, text in told_of.items() if text}


def in_one_line(model: Any) -> str:
    """Return a model in full, in one line: no number is cut, more than a few are told by their range and how many."""
    parts = model_parts(model)
    batch = parts.pop("models", None)
    line = ", ".join(parts.values())
    return line if batch is None else f"{batch} models of {line}"


def in_html(model: Any) -> str:
    """Return a model as a small table of HTML."""
    rows = (
        f"<tr><th style='text-align:left'>{escape(name.replace('_', ' '))}</th>"
        f"<td style='text-align:left'>{escape(text)}</td></tr>"
        for name, text in model_parts(model).items()
    )
    return f"<table><caption>ToyModel</caption>{''.join(rows)}</table>"
