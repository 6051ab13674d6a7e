"""The options of a model, the same in every command, and how they go with what a file says.

Options fill in what the file leaves open. Where both say something, they have to say the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .descriptions import described_in
from .laws import COUNTED, GROUPED, LAWS, amplitude_of, groups_of

if TYPE_CHECKING:
    from tegum.theory.models import ToyModel

# Decimals, with small powers of ten, or fractions.
NUMBER, LONGEST = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,3})?|\d+/\d+", re.IGNORECASE), 100
# What stands in a description under `features`.
OF_LAW = ("law", "density", "groups", "active", "amplitude")
PENALTIES = ("interference_penalty", "weight_penalty", "activation_penalty")
CHOICES = ("bias", "targets", "reduction")
SIZES = {"n_features": 2, "n_hidden": 1}
# How parameters of a description are written as options.
WRITTEN = {"n_features": "--features", "n_hidden": "--hidden", "groups": "--group"}

Plain = dict[str, Any]


@dataclass(frozen=True)
class ModelOptions:
    """What model is meant: one that a file describes, or one of these numbers, or both together.

    Attributes:
        source: the file.
        features: n.
        hidden: m.
        density: a number, one for each feature, or "zipf:EXPONENT[:LARGEST]".
        importance: a number for the last feature, one for each, or "geometric:RATIO".
        law: one of `LAWS`.
        group: features of each group, numbered from 1, as "1,2".
        active: how many are on.
        amplitude: a name that a law knows, or LOW:HIGH; or these for each feature, with commas between them.
        interference_penalty: a number.
        weight_penalty: a number.
        activation_penalty: a number.
        bias: "free", "common" or "none".
        targets: "all" or "active".
        reduction: "sum" or "mean".
    """

    source: Annotated[
        Path | None,
        typer.Option("--model", help="File that describes the model: JSON or TOML, or any file of tegum's that does."),
    ] = None
    features: Annotated[int | None, typer.Option("--features", help="Number of features n; default 2.")] = None
    hidden: Annotated[int | None, typer.Option("--hidden", help="Number of hidden dimensions m; default 1.")] = None
    density: Annotated[
        str | None,
        typer.Option(
            "--density", help="Feature density 1-S in (0, 1]: a number, 0.1,0.2,0.3 for each feature, or zipf:EXPONENT."
        ),
    ] = None
    importance: Annotated[
        str | None,
        typer.Option(
            "--importance",
            help="A number for the last feature against the others, 1,0.7,0.5 for each, or geometric:RATIO; default 1.",
        ),
    ] = None
    law: Annotated[
        str | None,
        typer.Option("--law", help=f"Which features are active together: {', '.join(LAWS)}; default {LAWS[0]}."),
    ] = None
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group", help="Features of a correlated or anticorrelated group, from 1, as 1,2; once for each group."
        ),
    ] = None
    active: Annotated[int | None, typer.Option("--active", help="How many features are active, for --law k-hot.")] = (
        None
    )
    amplitude: Annotated[
        str | None,
        typer.Option(
            "--amplitude",
            help="Size of an active feature: uniform, symmetric, constant or LOW:HIGH, or uniform,0:2 for each; "
            "default uniform.",
        ),
    ] = None
    interference_penalty: Annotated[
        str | None, typer.Option("--interference-penalty", help="Penalty on squared overlaps, part of the loss.")
    ] = None
    weight_penalty: Annotated[
        str | None, typer.Option("--weight-penalty", help="Penalty on squared weights, part of the loss.")
    ] = None
    activation_penalty: Annotated[
        str | None, typer.Option("--activation-penalty", help="Penalty on hidden activations, part of the loss.")
    ] = None

    bias: Annotated[
        str | None, typer.Option("--bias", help="Biases of the outputs: free (the default), common, or none.")
    ] = None
    targets: Annotated[
        str | None,
        typer.Option("--targets", help="Whose errors count: those of all features (the default) or active."),
    ] = None
    reduction: Annotated[
        str | None, typer.Option("--reduction", help="The loss as a sum over features (the default), or their mean.")
    ] = None

    def over(
        self,
        found: ToyModel | Mapping[str, Any] | None = None,
        *,
        where: str = "the file",
        exact: bool = False,
        otherwise: Mapping[str, Any] | None = None,
    ) -> ToyModel:
        """Return the model that is meant.

        Args:
            found: what a file besides `--model` says of its model: all, or some of the keys of a description.
            where: what to call that file.
            exact: whether options are exact rational numbers, 0.1 being a tenth.
            otherwise: what holds where neither files nor options say, as keys of a description.

        Raises:
            ValueError: if an option can't be read, is out of range, or doesn't go with the law or with another one; if
                it contradicts a file, or two files contradict each other; or if something is missing.
        """
        from tegum.theory.models import ToyModel

        return ToyModel.from_plain(self.described(found, where=where, exact=exact, otherwise=otherwise))

    def described(
        self,
        found: ToyModel | Mapping[str, Any] | None = None,
        *,
        where: str = "the file",
        exact: bool = False,
        otherwise: Mapping[str, Any] | None = None,
        whole: bool = True,
    ) -> Plain:
        """Return the description of the model that is meant; arguments and errors as of `over`.

        Args:
            found: see `over`.
            where: see `over`.
            exact: see `over`.
            otherwise: see `over`.
            whole: whether a density has to be said if the law has one.
        """
        from tegum.theory.models import MODEL_FORMAT, ToyModel

        said = _flat(found.to_plain() if isinstance(found, ToyModel) else found or {})
        if self.source is not None:
            more, file = _flat(described_in(self.source)), str(self.source)
            said = _joined(said, more, {name: f"{file}: {name}" for name in more}, where)
            where = file if found is None else f"{where} or {file}"
        options = self._written(said, exact=exact)
        plain = _joined(said, options, {name: self._spelled(name) for name in options}, where)
        for name, value in {**SIZES, "law": LAWS[0], **_flat(otherwise or {})}.items():
            if name != "density" or (plain["law"] in LAWS and _takes(plain["law"], name)):
                plain.setdefault(name, value)
        if plain["law"] in LAWS:
            _check_law(plain, whole=whole)
        features = {name: value for name, value in plain.items() if name in OF_LAW or name not in _known()}
        return {
            "format": MODEL_FORMAT,
            **{name: value for name, value in plain.items() if name not in features},
            "features": features,
        }

    def settled(self, n_features: int) -> Plain:
        """Return what `--model` and the options say, with the keys of the law beside the others.

        A description settles all there is: None is what it leaves out.

        Args:
            n_features: of the weights that the model is for.

        Raises:
            ValueError: if `--model` or an option can't be read.
        """
        said: Plain = {}
        if self.source is not None:
            said = dict.fromkeys(("law", "amplitude", *PENALTIES, *CHOICES)) | _flat(described_in(self.source))
        return said | self._written({"n_features": n_features}, exact=False)

    def _spelled(self, name: str) -> str:
        """Return an option as it is written."""
        option = WRITTEN.get(name, f"--{name.replace('_', '-')}")
        value = getattr(self, option.removeprefix("--").replace("-", "_"))
        return f"{option} {f' {option} '.join(value) if isinstance(value, list) else value}"

    def _written(self, said: Mapping[str, Any], *, exact: bool) -> Plain:
        """Return what the options say, as keys of a description; what files say decides how many features there are."""
        n = self.features if self.features is not None else said.get("n_features", SIZES["n_features"])
        given: Plain = {"n_features": self.features, "n_hidden": self.hidden, "law": self.law, "active": self.active}
        given |= {name: getattr(self, name) for name in CHOICES}
        if self.law is not None and self.law not in LAWS:
            raise ValueError(
                f"--law must be one of {', '.join(LAWS)}, got {self.law!r}; other laws are described in a file, --model"
            )
        for name in PENALTIES:
            text = getattr(self, name)
            given[name] = None if text is None else _number(name.replace("_", "-"), text, exact=exact)
        given["density"] = None if self.density is None else _densities(self.density, n, exact=exact)
        given["importance"] = None if self.importance is None else _importances(self.importance, n, exact=exact)
        given["groups"] = groups_of(self.group, n) if self.group else None
        given["amplitude"] = None if self.amplitude is None else amplitude_of(self.amplitude)
        return {name: value for name, value in given.items() if value is not None}


def single(model: ToyModel, what: str) -> ToyModel:
    """Return a model that isn't a batch.

    Args:
        model: to look at.
        what: is done, as the beginning of a sentence, such as "minima are searched for".

    Raises:
        ValueError: if it is a batch.
    """
    if model.batch_shape != ():
        size = " × ".join(map(str, model.batch_shape))
        raise ValueError(f"{what} of one model at a time, got {size} models: ToyModel.take gives one, to_json its file")
    return model


def _known() -> tuple[str, ...]:
    """Return all keys of a description but those of a law."""
    from tegum.theory.models import MODEL_KEYS

    return MODEL_KEYS


def _flat(plain: Mapping[str, Any]) -> Plain:
    """Return a description with the keys of its law beside the others."""
    flat = {name: value for name, value in plain.items() if name not in ("format", "features")}
    law = plain.get("features", {})
    if not isinstance(law, Mapping):
        raise ValueError(f"features of a description must be a mapping, got {law!r}")
    return flat | dict(law)


def _joined(said: Mapping[str, Any], more: Mapping[str, Any], names: Mapping[str, str], where: str) -> Plain:
    """Return what two sources say together.

    Args:
        said: what the first says.
        more: what the second says.
        names: what to call each entry of the second.
        where: what to call the first.

    Raises:
        ValueError: if they say different things of one parameter.
    """
    for name, value in more.items():
        if name in said and not _same(name, said[name], value):
            raise ValueError(
                f"{names[name]} contradicts {where}, where {name} is {_short(name, said[name])}: leave one of the two "
                "out"
            )
        other = "law" in said and "law" not in more and name in OF_LAW and name not in (*said, "amplitude")
        if other and not (said["law"] in LAWS and _takes(said["law"], name)):
            raise ValueError(f"{names[name]} doesn't go with {where}, where the law is {said['law']}: leave it out")
    return {**more, **said}


def _same(name: str, one: Any, other: Any) -> bool:
    """Return whether two values of a parameter mean the same."""
    import numpy as np

    from tegum.theory.models import FeatureAmplitudes, amplitude_from_plain

    if name == "amplitude":
        both = (amplitude_from_plain(value) for value in (one, other))
        # A list of equal amplitudes is one amplitude.
        mine, theirs = (size.of(len(size.each)) if isinstance(size, FeatureAmplitudes) else size for size in both)
        return mine == theirs
    if name == "groups":
        return sorted(map(sorted, one)) == sorted(map(sorted, other))
    if name in ("density", "importance", *PENALTIES):
        a, b = (np.asarray(_floats(value), dtype=np.float64) for value in (one, other))
        return np.broadcast_shapes(a.shape, b.shape) in (a.shape, b.shape) and bool((a == b).all())
    return bool(one == other)


def _floats(value: Any) -> Any:
    from fractions import Fraction

    return [_floats(part) for part in value] if isinstance(value, list) else float(Fraction(value))


def _short(name: str, value: Any) -> str:
    """Return a value in words; no number is cut."""
    from tegum.theory.models import values_told

    if name in ("density", "importance", *PENALTIES):
        return values_told(value)
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rpartition(',')[0]}, …"


def _takes(law: str, name: str) -> bool:
    """Return whether a law has a parameter."""
    return {
        "density": law not in COUNTED,
        "groups": law in GROUPED,
        "active": law == "k-hot",
    }.get(name, True)


def _check_law(plain: Mapping[str, Any], *, whole: bool) -> None:
    """Raise `ValueError` unless there is all that a law takes, and nothing else."""
    law = plain["law"]
    if ("groups" in plain) != _takes(law, "groups"):
        got = f"--law {law} and {len(plain.get('groups', ()))} groups"
        raise ValueError(f"--group 1,2 goes with --law {' or '.join(GROUPED)}, and they with it: got {got}")
    if ("active" in plain) != _takes(law, "active"):
        raise ValueError(
            f"--active goes with --law k-hot, and it with --active: got --law {law}, --active {plain.get('active')}"
        )
    if "density" in plain and not _takes(law, "density"):
        raise ValueError(f"--law {law} sets how many features are on, and takes no --density: leave it out")
    if whole and "density" not in plain and _takes(law, "density"):
        raise ValueError(f"--law {law} needs a --density, got none; a file that has it is given as --model")


def _number(name: str, text: str, *, exact: bool) -> float | str:
    """Return a number as a description has it.

    Raises:
        ValueError: if it is none.
    """
    try:
        if len(text) > LONGEST or not NUMBER.fullmatch(text.strip()):
            raise ValueError
        if exact or "/" in text:
            from fractions import Fraction

            return str(Fraction(text.strip()))
        return float(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"--{name} must be a number such as 0.1 or 1/3, got {text[:40]!r}") from None


def _several(name: str, text: str, n: int, *, exact: bool) -> list[float | str]:
    """Return one number, or one for each feature.

    Raises:
        ValueError: if there are others than these.
    """
    parts = text.split(",")
    if len(parts) not in (1, n):
        raise ValueError(f"--{name} must be a number, or {n} of them, one for each feature, got {text[:80]!r}")
    return [_number(name, part, exact=exact) for part in parts]


def _of_rule(name: str, text: str, most: int) -> list[float] | None:
    """Return the numbers behind "geometric:" or "zipf:"; None if a text is no such rule.

    Raises:
        ValueError: if they are no numbers, or too many.
    """
    rule, colon, rest = text.partition(":")
    if not colon:
        return None
    try:
        if rule.strip() != {"density": "zipf", "importance": "geometric"}[name]:
            raise ValueError
        numbers = [float(_number(name, part, exact=False)) for part in rest.split(":")]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= most:
        wanted = {"density": "zipf:EXPONENT or zipf:EXPONENT:LARGEST", "importance": "geometric:RATIO"}[name]
        raise ValueError(f"--{name} must be a number, one for each feature as 0.3,0.2, or {wanted}, got {text[:80]!r}")
    return numbers


def _densities(text: str, n: int, *, exact: bool) -> Any:
    rule = _of_rule("density", text, 2)
    if rule is not None:
        from tegum.theory.models import zipf_densities

        return zipf_densities(n, *rule).tolist()
    values = _several("density", text, n, exact=exact)
    return values[0] if len(values) == 1 else values


def _importances(text: str, n: int, *, exact: bool) -> list[Any]:
    rule = _of_rule("importance", text, 1)
    if rule is not None:
        if not 0 < rule[0] <= 1e6:
            raise ValueError(f"--importance geometric:RATIO needs a positive ratio, got {text!r}")
        # As text such as 1,0.7,0.49 says it, to the last digit.
        ratio = Fraction(text.partition(":")[2].strip())
        return [float(ratio**i) for i in range(n)]
    values = _several("importance", text, n, exact=exact)
    one = "1" if exact else 1.0
    return values if len(values) == n else [one] * (n - 1) + values
