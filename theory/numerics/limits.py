"""How much may be asked for at once: beyond it a call would take days, or more memory than there is.

Each stands far above what is useful; who wants more asks several times, or for a part.
"""

from __future__ import annotations

# Random or quasi-random starts of a search.
MOST_STARTS = 2**16
# Steps of an optimiser, of a flow and along a branch.
MOST_STEPS = 10**8
# Inputs of a batch: more can't be told apart as floating-point numbers.
MOST_SAMPLES = 2**53
# Features whose exchanges are listed, n! of them, and pairs of features, 2^n n!.
MOST_EXCHANGED, MOST_PAIRS = 9, 6
# Features and hidden dimensions of a record; of a problem that is solved for all of them at once.
MOST_SIZE, MOST_SHARED = 10**6, 10**4
# Points on a sphere, whose distances are kept, and its dimensions.
MOST_POINTS, MOST_DIMENSIONS = 2000, 200
# Bits of a computation with balls.
LEAST_PRECISION, MOST_PRECISION = 2, 10**6
