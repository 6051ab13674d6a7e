"""`tegum certify`: proofs that are printed, saved and checked, and what it refuses."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import FAILED


def test_a_proof_is_saved_and_checked(tegum_: Any, tmp_path: Path) -> None:
    file = tmp_path / "new" / "certificate.json"
    proved = tegum_(f"certify --density 0.375 --importance 1/4 --penalty 0.1 --out {file}")
    assert proved.code == 0
    assert proved.out.startswith("proved: axis(1) + drop(2)\nglobal minimum 23/1024 exactly\n")
    assert proved.out.endswith(f"Wrote {file}, in a new folder.\n")
    assert tegum_(f"certify --check {file} --json").json()["status"] == "proved"
    # A claim that is too good.
    data = json.loads(file.read_text())
    data["loss"] = [str(Fraction(end) * Fraction(999, 1000)) for end in data["loss"]]
    file.write_text(json.dumps(data))
    refused = tegum_(f"certify --check {file}")
    assert refused.code == FAILED
    assert refused.out.splitlines()[-1].startswith("not proved: ")


def test_without_a_proof_the_command_fails(tegum_: Any) -> None:
    told = tegum_("certify --density 1/10 --max-boxes 50 --json")
    assert told.code == FAILED
    assert json.loads(told.out)["status"].startswith("not proved: ")


def test_an_attempt_at_three_features_is_saved_and_proves_nothing(tegum_: Any, tmp_path: Path) -> None:
    file = tmp_path / "three.json"
    told = tegum_(f"certify --features 3 --hidden 2 --density 0.7 --max-boxes 1000 --out {file}")
    assert told.code == FAILED
    assert told.out.startswith("not proved: box budget spent, 40 cells are left\n")
    assert "1,000 boxes of rows of W^T W: box budget spent\n" in told.out
    checked = tegum_(f"certify --check {file}")
    assert checked.code == FAILED
    assert checked.out.splitlines()[-1].startswith("not proved: the certificate itself says 'not proved: box budget")


def test_files_that_are_no_certificates_are_refused_by_name(tegum_: Any, tmp_path: Path) -> None:
    file = tmp_path / "no.json"
    file.write_bytes(b"\xff\xfe")
    tegum_(f"certify --check {file}").is_misuse("isn't a text file")
    file.write_text('{"format": "tegum certificate 3"}')
    tegum_(f"certify --check {file}").is_misuse("the format must be 'tegum certificate 2'")


@pytest.mark.parametrize(
    "words",
    [
        "certify", "certify --density x", "certify --density 1/0", "certify --density 2",
        "certify --density 0.1 --importance -1", "certify --check there-is-none.json",
        "certify --check a.json --density 0.1", "certify --features 4 --hidden 2 --density 0.1",
        "certify --features 3 --hidden 2 --density 0.5 --penalty 0.1", "certify --density 1e-999999999",
        "certify --check a.json --importance 0.3",
    ],
)  # fmt: skip
def test_bad_input_is_one_line(tegum_: Any, words: str) -> None:
    tegum_(words).is_misuse("")
