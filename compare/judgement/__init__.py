"""Where a run is, by its own weights: what training has done, told apart from what polishing does.

`recipes` says how a run was trained and with it how much noise explains, `verdicts` whether a run is in a minimum, on
the way to one, at a saddle or elsewhere, and `saddles` which critical point is beside it. Begin with `verdicts`, and
docs/judgement.md:

    >>> from tegum.compare.judgement import VERDICTS
    >>> VERDICTS
    ('in', 'on the way', 'at a saddle', 'elsewhere')
"""

from .recipes import PAPER_RECIPE, Recipe
from .saddles import Saddles, saddles_at
from .verdicts import AT_A_SADDLE, ELSEWHERE, IN, ON_THE_WAY, VERDICTS, Verdicts, allowances, judge

__all__ = [
    "AT_A_SADDLE",
    "ELSEWHERE",
    "IN",
    "ON_THE_WAY",
    "PAPER_RECIPE",
    "VERDICTS",
    "Recipe",
    "Saddles",
    "Verdicts",
    "allowances",
    "judge",
    "saddles_at",
]
