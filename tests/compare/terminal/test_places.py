"""Places of results: a folder that isn't there is a mistyped path, and found before work begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

MISUSE = 2


@pytest.mark.parametrize(
    "words",
    [
        "train --density 0.1 --steps 1 --seeds 1 --out FOLDER/a.safetensors",
        "train --density 0.1 --steps 1 --seeds 1 --out FOLDER/a.zarr",
        "certify --density 1/10 --out FOLDER/a.json",
        "boundary --figure FOLDER/a.png",
        "thomson 4 --figure FOLDER/a.png",
    ],
)
def test_a_mistyped_folder_is_refused_and_not_made(tegum_: Any, tmp_path: Path, words: str) -> None:
    folder = tmp_path / "mistyped"
    told = tegum_(words.replace("FOLDER", str(folder)))
    assert (told.code, told.out, told.err.count("\n")) == (MISUSE, "", 1)
    assert f"got {folder}: make it first, or mend the path" in told.err
    assert not folder.exists()
