"""Write docs/formulas.md anew from the records: run `python docs/make_formulas.py` after changing one."""

from __future__ import annotations

from pathlib import Path

from tegum.theory.formulas import formulas_markdown

if __name__ == "__main__":
    page = Path(__file__).resolve().parent / "formulas.md"
    page.write_text(formulas_markdown(), encoding="utf-8")
