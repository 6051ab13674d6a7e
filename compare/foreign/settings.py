"""What a file says in words and single numbers: its inputs, what would make it another model, and what is only told.

One table, `CHANGES`, has the names and values that change the model; `NEUTRAL` those that can't.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .inputs import DENSITY_NAMES, IMPORTANCE_NAMES, SPARSITY_NAMES

# A name of a setting and its value in the text of a configuration: a list, or one word or number.
SAID = re.compile(r"""(\w+)['"]?\s*[=:]\s*(\[[^\]]*\]|'[^']+'|"[^"]+"|[\w.+*/^-]+)""")
# Names of inputs, and the parameter that they say.
INPUTS = {
    **dict.fromkeys((*DENSITY_NAMES, *SPARSITY_NAMES), "density"),
    **dict.fromkeys(IMPORTANCE_NAMES, "importance"),
}
NONE = ("", "none", "null", "no", "false", "0", "0.0", "[]", "()", "{}")


@dataclass(frozen=True)
class Change:
    """A kind of setting that changes the model.

    Attributes:
        names: a pattern for the last part of its name, in lower case.
        parameters: those of a model's description that say the same; any of them settles it.
        same: values, in lower case, that leave the model as it is, besides none and zero.
        texts: whether numbers under these names are something else, such as a loss that was reached.
    """

    names: re.Pattern[str]
    parameters: tuple[str, ...]
    same: tuple[str, ...] = ()
    texts: bool = False


def _named(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


CHANGES = (
    Change(
        _named(r"law|((feature|input|data)_)?(distribution|law)"),
        ("law",),
        ("independent", "independentfeatures", "iid", "i.i.d.", "bernoulli", "uniform", "sparse"),
    ),
    Change(_named(r"(n_|num_)?(anti)?correlat(ed|ion|ions)(_(features|groups|pairs|sets|inputs))?"), ("law",)),
    Change(
        _named(r"amplitudes?|((amplitude|magnitude|feat_mag|value)_)(distribution|law)|(feature_)?magnitudes?"),
        ("amplitude",),
        ("uniform", "unif", "uniform(0, 1)", "rand"),
    ),
    Change(
        _named(
            r"(.*_)?(penalty|l1|l2|reg|regulari[sz](ation|er))"
            r"(_(coeff?|coefficient|weight|strength|lambda|penalty|reg|regulari[sz]ation|loss_coeff?))*|(lambda|alpha)_l[12]"
        ),
        ("interference_penalty", "weight_penalty", "activation_penalty"),
    ),
    Change(
        _named(r"((loss_)?reduction|loss(_(fn|function|type|kind))?|criterion)"),
        ("reduction",),
        ("sum", "mse", "mseloss", "mse_loss", "squared", "squared_error", "weighted_mse", "importance_weighted_mse"),
        texts=True,
    ),
    Change(_named(r"targets?(_(type|kind))?"), ("targets",), ("all", "input", "inputs", "x", "identity"), texts=True),
)
BIAS_FLAGS = re.compile(r"bias|biases|(use|has|with|output)_bias(es)?|bias_(type|kind|mode)")
YES = ("true", "yes", "free", "1", "1.0")
# Training, sizes and what files say of themselves: they leave the loss of given weights as it is.
NEUTRAL = re.compile(
    r"lr|(base_|max_|min_)?learning_rate|(n_|num_|max_|total_|train(ing)?_)?(steps?|epochs?|iters?|iterations?)"
    r"|(.*_)?batch(_?size|es)?|(random_|rng_)?seeds?|n_seeds|optim(i[sz]er)?(_.*)?|opt|betas?|beta[12]|eps(ilon)?|momentum"
    r"|(lr_)?sched(uler|ule)?|lr_schedule|warmup(_.*)?|(n_|num_)?samples|device|dtype|(print|log|save|eval)_(freq|every|interval)"
    r"|n|m|d|k|([nmd]|num|hidden|feature|input)_(features?|feats?|hidden|hiddens|inst|instances?|model|models|dim|dims|in|inputs?"
    r"|size|sae|layers?)|(hidden|input|feature)_?(dim|dims|size)|width|(batch_)?shape|format(_version)?|version|_?array_dimensions"
)


def entries(words: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield name, last part of it in lower case, and value of all settings, those in mappings and in texts included."""
    for name, value in words.items():
        if isinstance(value, Mapping):
            yield from entries({f"{name}.{key}": inner for key, inner in value.items()})
            continue
        yield name, name.rpartition(".")[-1].lower(), value
        if isinstance(value, str):
            for key, said in SAID.findall(value):
                yield f"{name}: {key}", key.lower(), said.strip("'\"")


def numbers_of(value: Any) -> NDArray[np.float64] | None:
    """Return the numbers that a value is, or its text says; None if it says none."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float, list, tuple)):
        return None
    try:
        array = np.array(value)
    except (ValueError, OverflowError):
        return None
    return array.astype(np.float64) if array.dtype.kind in "fiu" and array.size else None


def said_inputs(words: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Return densities and importances among settings, as arrays by name."""
    found = {}
    for name, key, value in entries(words):
        array = numbers_of(value) if key in INPUTS else None
        if array is not None:
            # Arrays are found by the last part of a name.
            found[name.replace(": ", ".")] = array
    return found


def changes(
    words: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], *, bias_given: bool
) -> dict[str, tuple[str, ...]]:
    """Return what makes it another model, as "name = value", with the parameters of a description that settle it.

    Args:
        words: settings of a file.
        arrays: its arrays that are none of the model's own.
        bias_given: whether there is a bias that isn't 0.
    """
    found = {}
    for name, key, value in (
        *entries(words),
        *((name, name.rpartition(".")[-1].lower(), a) for name, a in arrays.items()),
    ):
        text = _text(value)
        parameters = _changed(key, value, text, bias_given=bias_given)
        if parameters:
            found[f"{name} = {text}"] = parameters
    return found


def denies_bias(words: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Return whether settings say that there is no bias, as "bias = false"; arguments as of `changes`."""
    named = ((name.rpartition(".")[-1].lower(), array) for name, array in arrays.items())
    flags = (*((key, value) for _, key, value in entries(words)), *named)
    return any(
        BIAS_FLAGS.fullmatch(key) is not None and np.size(value) == 1 and _text(value).lower() in NONE
        for key, value in flags
    )


def unused_words(words: Mapping[str, Any], known: frozenset[str], inputs: Collection[str | None]) -> list[str]:
    """Return the names of settings that say nothing here and might have been meant to.

    Args:
        words: settings of a file.
        known: last parts of names that are read elsewhere, such as the activation's.
        inputs: names of the densities and importances that are read; others under such names aren't.
    """
    left = []
    for name, key, value in entries(words):
        is_known = key in known or NEUTRAL.fullmatch(key) is not None
        # One without numbers is refused, or says nothing.
        is_known |= key in INPUTS and (name.replace(": ", ".") in inputs or numbers_of(value) is None)
        changes_model = any(change.names.fullmatch(key) for change in CHANGES) or BIAS_FLAGS.fullmatch(key) is not None
        # A text of settings is told by those.
        is_text = isinstance(value, str) and ": " not in name and SAID.search(value) is not None
        if not (is_known or changes_model or is_text):
            left.append(name)
    return left


def _changed(key: str, value: Any, text: str, *, bias_given: bool) -> tuple[str, ...]:
    """Return the parameters that a setting says another value of, none if it leaves the model as it is."""
    low = text.lower()
    if isinstance(value, str) and numbers_of(value) is None:
        low = low.rpartition(".")[-1].removesuffix("()")
    if key in INPUTS and isinstance(value, str) and low not in NONE and numbers_of(value) is None:
        return (INPUTS[key],)
    if BIAS_FLAGS.fullmatch(key) and (isinstance(value, (str, bool)) or np.size(value) == 1):
        contradicts = bias_given if low in NONE else not bias_given if low in YES else True
        return ("bias",) if contradicts else ()
    for change in CHANGES:
        if not change.names.fullmatch(key) or (change.texts and not _is_text(value)):
            continue
        if value is None or low in (*NONE, *change.same):
            return ()
        numbers = np.asarray(value) if isinstance(value, np.ndarray) else numbers_of(value)
        return () if numbers is not None and numbers.ndim == 0 and not numbers.any() else change.parameters
    return ()


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and numbers_of(value) is None


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        if value.size != 1:
            return f"an array of shape {value.shape}"
        value = value.item()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
