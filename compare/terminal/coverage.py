"""What the mathematics of a command covers of all models, and how the rest is refused: by name, with what covers it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .given import written
from .models import single

if TYPE_CHECKING:
    from tegum.theory.models import ToyModel

# What importances may be, in words.
EQUAL, LAST = "of importance 1", "of importances 1, …, 1, r"


@dataclass(frozen=True)
class Coverage:
    """Models that a command covers: without penalties but those that are named, with free biases and a plain loss.

    Attributes:
        what: covers them, as the beginning of a sentence, such as "a formula is".
        beyond: what covers others, such as "expected_loss takes any model".
        sizes: n and m, if there are only these.
        laws: kinds of input laws.
        amplitudes: whether active features may be of any size, or uniform on [0, 1] only.
        importances: `EQUAL` or `LAST`.
        last_density: whether the last feature may have a density of its own.
        penalties: that it covers.
    """

    what: str
    beyond: str
    sizes: tuple[int, int] | None = None
    laws: tuple[str, ...] = ("independent",)
    amplitudes: bool = False
    importances: str = EQUAL
    last_density: bool = False
    penalties: tuple[str, ...] = ()

    def check(self, model: ToyModel) -> ToyModel:
        """Return a model that is covered.

        Raises:
            ValueError: if it is a batch, or isn't covered; what isn't is told.
        """
        single(model, self.what)
        if found := ", ".join(self._beside(model)):
            raise ValueError(f"{self.what} of {self._words()}, got {found} ({self.beyond})")
        return model

    def covers(self, model: ToyModel) -> bool:
        """Return whether a single model is covered."""
        return not any(self._beside(model))

    def _words(self) -> str:
        """Return what is covered."""
        several = " or ".join(self.laws)
        parts = [
            *([] if self.sizes is None else [_sizes(*self.sizes)]),
            f"{several} features",
            *([] if self.amplitudes else ["uniform on [0, 1]"]),
            "of one density" + " but the last one's" * self.last_density,
            self.importances,
            "without penalties" if not self.penalties else f"without penalties but {' or '.join(self.penalties)}",
            "with free biases and the sum of all errors",
        ]
        return ", ".join(part.replace("_", " ") for part in parts)

    def _beside(self, model: ToyModel) -> Iterator[str]:
        """Yield what isn't covered."""
        from tegum.theory.models import AMPLITUDES, PENALTIES, FeatureAmplitudes, values_told

        law, n = model.features, model.n_features
        if self.sizes not in (None, (n, model.n_hidden)):
            yield _sizes(n, model.n_hidden)
        if law.kind not in self.laws:
            yield f"the law {law.kind or type(law).__name__}"
            return
        different = isinstance(law.amplitude, FeatureAmplitudes)
        if different or (not self.amplitudes and law.amplitude != AMPLITUDES["uniform"]):
            yield f"amplitudes {law.amplitude.describe()}"
        densities = model.densities()
        # One number for all features takes no memory for each of them.
        densities = densities if any(densities.strides) else densities[:1]
        if (densities[: n - 1 if self.last_density else n] != densities[0]).any():
            yield f"densities {values_told(densities)}"
        importances = model.importance
        if (importances[: n - 1 if self.importances == LAST and len(importances) == n else n] != 1).any():
            yield f"importances {values_told(importances)}"
        for name in PENALTIES:
            if name not in self.penalties and getattr(model, name).any():
                yield f"{name.replace('_', ' ')} {values_told(model.exact[name])}"
        yield from (f"{name} {value!r}" for name, value in model.choices.items())


def _sizes(n: int, m: int) -> str:
    return f"{n:,} features in {m:,} dimension{'s' * (m != 1)}"


def varies(kind: str, axes: dict[str, str]) -> None:
    """Refuse options of what a command varies itself.

    Args:
        kind: what varies them, as the beginning of a sentence, such as "a phase diagram".
        axes: for the name of each parameter what to do instead, as "--x density=LOW:HIGH says its range".

    Raises:
        ValueError: if an option says one of them.
    """
    for name, axis in axes.items():
        if option := written(name):
            raise ValueError(f"{kind} varies the {name}, so that {option} would have no effect: {axis}")
