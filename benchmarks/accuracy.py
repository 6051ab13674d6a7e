"""Write docs/accuracy.md: the worst error of every engine against proven intervals.

    .venv/bin/python benchmarks/accuracy.py [--rounds 20]

The cases and the comparison are those of the tests (tests/support/accuracy.py).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from accuracy import (  # noqa: E402
    REFERENCE_WIDTH,
    SMALL_OVERLAP,
    SPECTRAL_NODES,
    as_markdown,
    many_features,
    measure,
)

HEAD = f"""# Accuracy of the engines

The largest error that was found of every way to evaluate the loss, its gradient and its Hessian. Made by
`python benchmarks/accuracy.py`; the tests hold the same comparison below the bars on other cases.

- **Reference**: the middle of an interval that is proven to hold the value (ball arithmetic,
  [enclosure.md](enclosure.md)), at most {REFERENCE_WIDTH:.0e} wide relative to the same scales. Its own rows compare it
  with a sum over patterns evaluated with fifty digits, which shares no code with it.
- **Cases**: every input law × amplitude × penalty, at random points and at degenerate ones: zeros, ties and opposites,
  entries down to 1e-150 and up to 1e4, sizes from 1e-20 to 1e3 in one model, dead outputs, biases on corners of the
  input box or a last bit beside them, polytopes.
- **Enumeration**: up to four features, "NumPy" and "torch" are compiled code, and "arrays" are NumPy's array
  operations, the definition ([loss.md](loss.md)). With more features all are array operations.
- **Errors** are relative to Σ I_i E[x_i²] + L for losses, and for derivatives to 1 (or the largest importance, if more)
  + the largest entry.
- **Left out** are derivatives where rounding in WᵀW decides on which side of a kink the point lies, and, for amplitudes
  of both signs, Hessians where an overlap that isn't 0 is below {SMALL_OVERLAP:.0e}: there positive and negative
  parts of δ cancel, and entries are off by about 1e-15 over the largest overlap of the output.
- **Refused**: the spectral engine estimates its own error and says where it didn't reach its tolerance with the
  {SPECTRAL_NODES} nodes that it is given here; refused are also models in which it overflows with a warning (overlaps
  of extreme sizes). At kinks of the loss its gradient isn't compared: there it isn't the one-sided one. The sum with
  fifty digits has no δ at a corner.

"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="models of each law, amplitude and penalty")
    rounds = parser.parse_args().rounds
    tables = {
        "Up to four features": measure(rounds, start=1000, max_features=4),
        "Five and six features": many_features(2 * rounds, start=1000),
    }
    (ROOT / "docs" / "accuracy.md").write_text(HEAD + as_markdown(tables))


if __name__ == "__main__":
    main()
