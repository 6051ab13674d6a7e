"""The options of a model, the same in every command, and how they go with what a file says.

Options fill in what the file leaves open. Where both say something, they have to say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .descriptions import described_in
from .laws import LAWS, amplitude_of, groups_of
from .sources import OF_LAW, Plain, check_law, flat, joined, takes
from .values import densities_of, importances_of, number_of

if TYPE_CHECKING:
    from tegum.theory.models import ToyModel

    from ..foreign import WeightBatch

SIZES = {"n_features": 2, "n_hidden": 1}
# How parameters of a description are written as options.
WRITTEN = {"n_features": "--features", "n_hidden": "--hidden", "groups": "--group"}


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
        from tegum.theory.models import MODEL_FORMAT, MODEL_KEYS, ToyModel

        said = flat(found.to_plain() if isinstance(found, ToyModel) else found or {})
        if self.source is not None:
            more, file = self._in_file, str(self.source)
            said = joined(said, more, {name: f"{file}: {name}" for name in more}, where)
            where = file if found is None else f"{where} or {file}"
        defaults = {**SIZES, "law": LAWS[0], **flat(otherwise or {})}
        options = self._written({"n_features": defaults["n_features"], **said}, exact=exact)
        plain = joined(said, options, {name: self._spelled(name) for name in options}, where)
        law = plain.setdefault("law", defaults["law"])
        for name, value in defaults.items():
            if name not in ("density", "groups") or (law in LAWS and takes(law, name)):
                plain.setdefault(name, value)
        if law in LAWS:
            check_law(plain, whole=whole)
        features = {name: value for name, value in plain.items() if name in OF_LAW or name not in MODEL_KEYS}
        return {
            "format": MODEL_FORMAT,
            **{name: value for name, value in plain.items() if name not in features},
            "features": features,
        }

    def of_weights(self, batch: WeightBatch, where: str, *, whole: bool = True) -> Plain:
        """Return the description of the models that weights out of a file are of.

        Args:
            batch: the weights, with what their file says.
            where: what to call that file.
            whole: see `described`.

        Raises:
            ValueError: as `over`; or if the file says that it is another model, and nothing else says which.
        """
        from ..foreign import said_of_model

        settled = self._settled(batch.weights.shape[-1])
        return self.described(said_of_model(batch, settled), where=where, whole=whole)

    def sizes(self) -> dict[str, int]:
        """Return "n_features" and "n_hidden" as far as a file or options say them; they may contradict each other.

        Raises:
            ValueError: if the file can't be read.
        """
        own = {"n_features": self.features, "n_hidden": self.hidden}
        found = {name: self._in_file[name] for name in own if name in self._in_file}
        return found | {name: value for name, value in own.items() if value is not None}

    @cached_property
    def _in_file(self) -> Plain:
        """What `--model` says, with the keys of the law beside the others."""
        return {} if self.source is None else flat(described_in(self.source))

    def _settled(self, n_features: int) -> Plain:
        """Return what `--model` and the options say, with the keys of the law beside the others.

        A description settles all there is: None is what it leaves out.

        Args:
            n_features: of the weights that the model is for.

        Raises:
            ValueError: if `--model` or an option can't be read.
        """
        from tegum.theory.models import CHOICES, PENALTIES

        said: Plain = {}
        if self.source is not None:
            said = dict.fromkeys(("law", "amplitude", *PENALTIES, *CHOICES)) | self._in_file
        return said | self._written({"n_features": n_features}, exact=False)

    def _spelled(self, name: str) -> str:
        """Return an option as it is written."""
        option = WRITTEN.get(name, f"--{name.replace('_', '-')}")
        value = getattr(self, option.removeprefix("--").replace("-", "_"))
        return f"{option} {f' {option} '.join(value) if isinstance(value, list) else value}"

    def _written(self, said: Mapping[str, Any], *, exact: bool) -> Plain:
        """Return what the options say, as keys of a description; what files say decides how many features there are."""
        from tegum.theory.models import CHOICES, PENALTIES

        n = self.features if self.features is not None else said["n_features"]
        given: Plain = {"n_features": self.features, "n_hidden": self.hidden, "law": self.law, "active": self.active}
        given |= {name: getattr(self, name) for name in CHOICES}
        if self.law is not None and self.law not in LAWS:
            raise ValueError(
                f"--law must be one of {', '.join(LAWS)}, got {self.law!r}; other laws are described in a file, --model"
            )
        for name in PENALTIES:
            text = getattr(self, name)
            given[name] = None if text is None else number_of(name.replace("_", "-"), text, exact=exact)
        given["density"] = None if self.density is None else densities_of(self.density, n, exact=exact)
        given["importance"] = None if self.importance is None else importances_of(self.importance, n, exact=exact)
        given["groups"] = groups_of(self.group, n) if self.group else None
        given["amplitude"] = None if self.amplitude is None else amplitude_of(self.amplitude)
        return {name: value for name, value in given.items() if value is not None}


def named(models: Sequence[Plain]) -> dict[str, Any]:
    """Return descriptions as an account in JSON has them: one as "model", several as "descriptions"."""
    return {"model": models[0]} if len(models) == 1 else {"descriptions": list(models)}


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
