"""Characters that a terminal or file can't show: written with those that it can, instead of ending a command."""

from __future__ import annotations

import codecs
import re
import sys
import unicodedata
from io import TextIOWrapper

SPELLED = "tegum.spelled"
# What Unicode's own decompositions and names don't turn into what a mathematician would type.
WORDS = {
    "−": "-", "–": "-", "—": "-", "×": "x", "·": "*", "±": "+-", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "≫": ">>",
    "≪": "<<", "→": "->", "←": "<-", "↦": "|->", "∈": " in ", "∉": " not in ", "∞": "inf", "√": "sqrt", "∫": "int",
    "∂": "d", "∇": "grad", "‖": "||", "∘": "o", "∖": "\\", "∪": "u", "∩": "n", "°": " deg", "⁄": "/", "λ": "lambda",
    "Λ": "Lambda", "⌈": "ceil(", "⌉": ")", "⌊": "floor(", "⌋": ")", "′": "'", "’": "'", "‘": "'", "“": '"', "”": '"',
}  # fmt: skip
MARKS = {"<super>": "^", "<sub>": "_"}
AGAIN = re.compile(r"(?<=\^.)\^|(?<=_.)_")


def spell_what_cannot_be_encoded() -> None:
    """Let standard output and error spell characters that their encoding lacks: "²" as "^2", "β" as "beta"."""
    codecs.register_error(SPELLED, _spelled)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and not _has_all(stream.encoding):
            stream.reconfigure(errors=SPELLED)


def printable(text: str) -> str:
    """Return a text as standard output can show it, for writers that choose an encoding of their own."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text if _has_all(encoding) else text.encode(encoding, SPELLED).decode(encoding)


def spelled(text: str) -> str:
    """Return a text in ASCII."""
    ascii_ = "".join(letter if letter.isascii() else _in_ascii(letter) for letter in text)
    # Of several exponents or indices in a row one mark is enough.
    return AGAIN.sub("", ascii_)


def _has_all(encoding: str) -> bool:
    return encoding.lower().startswith("utf")


def _spelled(error: UnicodeError) -> tuple[str, int]:
    """Return what stands in the place of characters, and where encoding goes on: a handler of `codecs`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return spelled(error.object[error.start : error.end]), error.end


def _in_ascii(letter: str) -> str:
    """Return what one character is written as."""
    if letter in WORDS:
        return WORDS[letter]
    mark, *codes = unicodedata.decomposition(letter).split(" ") if letter.isprintable() else [""]
    if mark in MARKS:
        return MARKS[mark] + spelled("".join(chr(int(code, 16)) for code in codes))
    parts = unicodedata.normalize("NFKD", letter)
    if parts != letter:
        return "".join(part if part.isascii() else WORDS.get(part, "") for part in parts) or _escaped(letter)
    # "GREEK SMALL LETTER BETA", and "GREEK CAPITAL LETTER SIGMA".
    script, _, name = unicodedata.name(letter, "").partition(" LETTER ")
    if script in ("GREEK SMALL", "GREEK CAPITAL") and " " not in name:
        return name.lower() if script.endswith("SMALL") else name.title()
    return _escaped(letter)


def _escaped(letter: str) -> str:
    return letter.encode("ascii", "backslashreplace").decode()
