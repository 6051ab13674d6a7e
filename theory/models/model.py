"""The record of what is being asked: sizes, input law and importances of a toy model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..numerics import MOST_SIZE, FloatArray, check_choice, check_count, exactly, numbers, reals, shown, stretched
from .amplitudes import FeatureAmplitudes
from .description import CHOICES, arguments_of, in_html, in_one_line, model_to_plain, parsed_json, parsed_toml
from .laws import FeatureLaw, IndependentFeatures, check_feature_axis, per_feature

# Fields of `ToyModel` that add to its loss.
PENALTIES = ("interference_penalty", "weight_penalty", "activation_penalty")
DEFAULTS = {name: next(iter(words)) for name, words in CHOICES.items()}
# What penalties are unless asked for, made once: along a curve models are made by the ten thousand.
_NONE = numbers("penalty", 0.0)


@dataclass(frozen=True, eq=False)
class ToyModel:
    """x' = ReLU(WᵀW x + b) with loss L = Σ_i I_i E(x_i − x'_i)² (arXiv:2209.10652, section 2).

    The loss is a sum over features unless their mean is asked for. Penalties are added to it; all are 0 unless asked
    for, and are no part of the mean:

        λ_I Σ_{i≠j} (W_i·W_j)²  +  λ_W Σ W²  +  λ_A E‖W x‖₁ .

    Parameters may carry leading batch dimensions, which broadcast: one record can stand for a whole phase diagram.

    Args:
        n_features: number of features n.
        n_hidden: number of hidden dimensions m.
        features: law of the input, such as `IndependentFeatures`.
        importance: I_i > 0. A scalar, or shape (..., 1) or (..., n_features).
        interference_penalty: λ_I ≥ 0 on the squared overlaps of different features, shape (...).
        weight_penalty: λ_W ≥ 0 on the sum of squared weights (without a factor ½), shape (...).
        activation_penalty: λ_A ≥ 0 on the mean absolute hidden activations h = W x, shape (...).
        bias: "free", "common", one number b that all outputs have, or "none", b = 0. Weights and biases are still
            given as W and b; biases that a model doesn't have are refused.
        targets: "all", or "active": L = Σ_i I_i E[(x_i − x'_i)²; x_i ≠ 0], so that what an output does while its
            feature is off costs nothing.
        reduction: "sum" over features, or "mean", which is the sum divided by n.

    Attributes:
        batch_shape: the broadcast leading shape of densities, importances and penalties; () for a single model.

    Raises:
        ValueError: if a size isn't a positive integer, an importance isn't positive and finite, a penalty is negative
            or not finite, a shape doesn't fit, a word is unknown, or `features` isn't an input law.

    Example:
        >>> from tegum.theory import IndependentFeatures
        >>> ToyModel(2, 1, IndependentFeatures(0.1), importance=(1.0, 0.5)).batch_shape
        ()
        >>> print(ToyModel(2, 1, IndependentFeatures(0.1)).describe())
        2 features in 1 dimension, independent, density 0.1, uniform on [0, 1], importance 1, no penalties, free biases
    """

    n_features: int
    n_hidden: int
    features: FeatureLaw
    importance: Any = 1.0
    interference_penalty: Any = 0.0
    weight_penalty: Any = 0.0
    activation_penalty: Any = 0.0
    bias: str = field(default="free", kw_only=True)
    targets: str = field(default="all", kw_only=True)
    reduction: str = field(default="sum", kw_only=True)
    batch_shape: tuple[int, ...] = field(init=False)
    # Parameters as they were given, with rational numbers still rational.
    exact: dict[str, NDArray[Any]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Validate everything at the door, so that the code behind can be pure."""
        check_count("n_features", self.n_features, 1, MOST_SIZE)
        check_count("n_hidden", self.n_hidden, 1, MOST_SIZE)
        if not isinstance(self.features, FeatureLaw):
            raise ValueError(f"features must be an input law such as IndependentFeatures, got {shown(self.features)}")
        self.features.check_model(self.n_features)
        if self.features.has_amplitude:
            # A list of equal amplitudes is one amplitude.
            amplitude = self.features.amplitude.of(self.n_features)
            if amplitude != self.features.amplitude:
                object.__setattr__(self, "features", self.features.with_amplitude(amplitude))
        for name, words in CHOICES.items():
            check_choice(name, getattr(self, name), words)
        exact = {"importance": per_feature("importance", self.importance)}
        check_feature_axis("importance", exact["importance"], self.n_features)
        for name in PENALTIES:
            given = getattr(self, name)
            exact[name] = _NONE if given is _NONE or (type(given) is float and given == 0) else numbers(name, given)
        for name, given in exact.items():
            if given is _NONE:
                object.__setattr__(self, name, _NONE)
                continue
            try:
                values = np.asarray(given, dtype=np.float64)
            except OverflowError:
                raise ValueError(f"{name} must be finite, got a number above those of float64") from None
            zero = name in PENALTIES
            bad = ~((values >= 0 if zero else values > 0) & np.isfinite(values))
            if bad.any():
                allowed = "finite and not negative" if zero else "positive and finite"
                raise ValueError(f"{name} must be {allowed}, got {values[bad].flat[0]}")
            values.flags.writeable = False
            object.__setattr__(self, name, values)
        shapes = [self.features.batch_shape, self.importance.shape[:-1], *(getattr(self, n).shape for n in PENALTIES)]
        try:
            batch_shape = np.broadcast_shapes(*shapes)
        except ValueError:
            raise ValueError(
                f"batch shapes of density {shapes[0]}, importance {shapes[1]} and penalties {shapes[2:]} "
                "don't broadcast"
            ) from None
        object.__setattr__(self, "exact", exact)
        object.__setattr__(self, "batch_shape", batch_shape)

    def __repr__(self) -> str:
        """Return `describe`, in one line."""
        return f"<ToyModel: {self.describe()}>"

    def _repr_html_(self) -> str:
        return in_html(self)

    def describe(self) -> str:
        """Return the model in full, in one line of words.

        No number is cut; of more than eight features the range of a parameter is told, and how many values it has.
        Features in groups are numbered from 1, as in the labels of phases.
        """
        return in_one_line(self)

    def to_plain(self) -> dict[str, Any]:
        """Return the model as plain values, lists and mappings: what `to_json` writes (docs/models.md).

        Raises:
            ValueError: if the class of its input law has no `kind` of its own.
        """
        return model_to_plain(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> ToyModel:
        """Return the model of plain values, the inverse of `to_plain`.

        Raises:
            ValueError: if a key is missing or unknown, a value isn't what it has to be, or the format is a newer one.
        """
        return cls(**arguments_of(plain))

    def to_json(self, indent: int | None = None) -> str:
        """Return the model as JSON; rational numbers are text such as "1/3", all others have all their digits.

        Args:
            indent: spaces by which each level is moved; None writes one line.

        Raises:
            ValueError: if the class of its input law has no `kind` of its own.

        Example:
            >>> from tegum.theory import OneHotFeatures
            >>> text = ToyModel(3, 2, OneHotFeatures(amplitude="constant")).to_json()
            >>> ToyModel.from_json(text)
            <ToyModel: 3 features in 2 dimensions, one-hot, constant 1, importance 1, no penalties, free biases>
        """
        if indent is not None:
            check_count("indent", indent, 0, MOST_SIZE)
        return json.dumps(self.to_plain(), indent=indent)

    @classmethod
    def from_json(cls, text: str) -> ToyModel:
        """Return the model that JSON describes (docs/models.md).

        Raises:
            ValueError: if it isn't JSON, or as `from_plain`.
        """
        return cls.from_plain(parsed_json(text))

    @classmethod
    def from_toml(cls, text: str) -> ToyModel:
        """Return the model that TOML describes (docs/models.md).

        Raises:
            ValueError: if it isn't TOML, or as `from_plain`.

        Example:
            >>> model = ToyModel.from_toml('''
            ...     format = "tegum model 1"
            ...     n_features = 3
            ...     n_hidden = 2
            ...     features = { law = "independent", density = "1/10" }
            ... ''')
            >>> model.densities().tolist()
            [0.1, 0.1, 0.1]
        """
        return cls.from_plain(parsed_toml(text))

    def importances(self) -> FloatArray:
        """Return what each squared error counts in the loss, I_i or for a mean I_i / n, (*batch_shape, n_features)."""
        given = stretched(self.importance, (*self.batch_shape, self.n_features))
        return given / self.n_features if self.reduction == "mean" else given

    def exact_importances(self) -> NDArray[Any]:
        """Return `importances` of a single model as rational numbers (`Fraction`), shape (n_features,)."""
        given = np.broadcast_to(exactly(self.exact["importance"]), (self.n_features,))
        return given / self.n_features if self.reduction == "mean" else given

    @property
    def choices(self) -> dict[str, str]:
        """Those of `bias`, `targets` and `reduction` that aren't what they are unless asked for."""
        return {name: getattr(self, name) for name, default in DEFAULTS.items() if getattr(self, name) != default}

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases that are free, m n + n with a bias for each output."""
        biases = {"free": self.n_features, "common": 1, "none": 0}[self.bias]
        return self.n_hidden * self.n_features + biases

    @property
    def has_penalty(self) -> bool:
        """Whether any penalty isn't zero."""
        return any(bool(getattr(self, name).any()) for name in PENALTIES)

    def densities(self) -> FloatArray:
        """Return P(x_i ≠ 0) with shape (*batch_shape, n_features)."""
        return stretched(self.features.densities(self.n_features), (*self.batch_shape, self.n_features))

    def second_moments(self) -> FloatArray:
        """Return E[x_i²] with shape (*batch_shape, n_features)."""
        return stretched(self.features.second_moments(self.n_features), (*self.batch_shape, self.n_features))

    def take(self, index: Any) -> ToyModel:
        """Return the models at `index` of the batch, as `array[index]` would select from an array of `batch_shape`."""
        chosen = np.arange(int(np.prod(self.batch_shape, dtype=int))).reshape(self.batch_shape)[index]
        importance = self.exact["importance"]
        importance = np.broadcast_to(importance, (*self.batch_shape, importance.shape[-1]))
        penalties = [self.exact[name] for name in PENALTIES]
        penalties = [np.broadcast_to(x, self.batch_shape).ravel()[chosen] if x.shape else x for x in penalties]
        features = self.features.take(self.batch_shape, chosen)
        rows = importance.reshape(-1, importance.shape[-1])[chosen]
        return ToyModel(self.n_features, self.n_hidden, features, rows, *penalties, **self.choices)

    def check_bias(self, bias: Any, look: Callable[[Any], bool] = bool) -> None:
        """Raise `ValueError` for biases that the model doesn't have.

        Args:
            bias: b, shape (..., n_features), an array of any library.
            look: tells whether something is true of values.
        """
        if self.bias != "free" and not look((bias == (0 if self.bias == "none" else bias[..., :1])).all()):
            wanted = "zero" if self.bias == "none" else "the same for all features"
            raise ValueError(f"bias must be {wanted} in a model with bias={self.bias!r}, got others")

    def check_plain(self, what: str, *words: str) -> None:
        """Raise `ValueError` if what is said in a word, or an amplitude for each feature, isn't covered.

        Args:
            what: does not cover it, as the beginning of a sentence, such as "certify".
            words: fields that must be what they are unless asked for, of `bias`, `targets` and `reduction`; and
                "amplitude", which all features must share.
        """
        many = self.features.has_amplitude and isinstance(self.features.amplitude, FeatureAmplitudes)
        if "amplitude" in words and many:
            raise ValueError(
                f"{what} covers models whose features share one amplitude, got {self.features.amplitude.describe()}; "
                "expected_loss, local_minima and train cover the others"
            )
        for name in words:
            if name in self.choices:
                raise ValueError(
                    f"{what} covers models with {name}={DEFAULTS[name]!r}, got {name}={self.choices[name]!r}; "
                    "expected_loss and train cover the others"
                )


def diagram_model(n_features: int, n_hidden: int, density: ArrayLike, relative_importance: ArrayLike) -> ToyModel:
    """Return the model of a published phase diagram: independent features with importances (1, …, 1, r).

    Args:
        n_features: number of features n.
        n_hidden: number of hidden dimensions m.
        density: p = 1 − S in (0, 1], shape (...).
        relative_importance: r > 0, the importance of the last feature against the others, shape (...).

    Returns:
        A model whose batch shape is the broadcast of `density` and `relative_importance`.

    Raises:
        ValueError: as `ToyModel` and `IndependentFeatures`.
    """
    check_count("n_features", n_features, 1, MOST_SIZE)
    density, ratio = reals("density", density), reals("relative_importance", relative_importance, above=0)
    importance = np.ones((*ratio.shape, n_features))
    importance[..., -1] = ratio
    return ToyModel(n_features, n_hidden, IndependentFeatures(density[..., None]), importance)
