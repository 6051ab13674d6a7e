"""Where things are in the checkout."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS, DATA = ROOT / "docs", ROOT / "tests" / "data"
