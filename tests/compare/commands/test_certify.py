"""`tegum certify`: proofs that are printed, saved and checked, and what it refuses."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tegum.theory.storage import SHA256, sealed
from tests.support.command_line import FAILED
from tests.support.places import DATA


def test_a_proof_is_saved_and_checked(tegum_: Any, tmp_path: Path) -> None:
    file = tmp_path / "certificate.json"
    proved = tegum_(f"certify --density 0.375 --importance 1/4 --interference-penalty 0.1 --out {file}")
    assert proved.code == 0
    model, *lines = proved.out.splitlines()
    assert model.startswith(
        "2 features in 1 dimension, independent, density 0.375, uniform on [0, 1], importances 1, 0.25"
    )
    assert lines[:2] == ["proved: axis(1) + drop(2)", "global minimum 23/1024 exactly"]
    assert proved.out.endswith(f"Wrote {file}.\n")
    assert tegum_(f"certify --check {file} --json").json()["status"] == "proved"
    # A claim that is too good.
    data = json.loads(file.read_text())
    data["loss"] = [str(Fraction(end) * Fraction(999, 1000)) for end in data["loss"]]
    file.write_text(json.dumps(data))
    tegum_(f"certify --check {file}").is_misuse("isn't what was saved, its checksum differs")
    # By somebody who knows of checksums.
    del data[SHA256]
    file.write_text(json.dumps(sealed(data)))
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
    assert told.out.splitlines()[1] == "not proved: box budget spent, 40 cells are left"
    assert "1,000 boxes of rows of W^T W: box budget spent\n" in told.out
    checked = tegum_(f"certify --check {file}")
    assert checked.code == FAILED
    assert checked.out.splitlines()[-1].startswith("not proved: the certificate itself says 'not proved: box budget")


def test_what_a_certificate_says_is_shown_as_plain_text(tegum_: Any, tmp_path: Path) -> None:
    data = json.loads((DATA / "certificate-1.json").read_text())
    odd = "axis(1)[/x][bold]\x1b[31m\u202e"
    file = tmp_path / "odd.json"
    file.write_text(json.dumps(data | {"phase": odd, "status": f"not {odd}"}))
    told = tegum_(f"certify --check {file}")
    assert told.code == FAILED
    shown = r"axis(1)[/x][bold]\x1b[31m\u202e"
    assert f"{shown} claimed" in told.out
    assert "\x1b" not in told.out + told.err
    named = tegum_(["certify", "--check", str(tmp_path / odd.replace("/", ""))])
    assert r"[bold]\x1b[31m\u202e" in named.err
    assert "\x1b" not in named.err


def test_files_that_are_no_certificates_are_refused_by_name(tegum_: Any, tmp_path: Path) -> None:
    file = tmp_path / "no.json"
    file.write_bytes(b"\xff\xfe")
    tegum_(f"certify --check {file}").is_misuse("isn't a text file")
    file.write_text('{"format": "tegum certificate 4"}')
    tegum_(f"certify --check {file}").is_misuse("the format must be 'tegum certificate 3'")


@pytest.mark.parametrize(
    "words",
    [
        "certify", "certify --density x", "certify --density 1/0", "certify --density 2",
        "certify --density 0.1 --importance -1", "certify --check there-is-none.json",
        "certify --check a.json --density 0.1", "certify --features 4 --hidden 2 --density 0.1",
        "certify --features 3 --hidden 2 --density 0.5 --interference-penalty 0.1", "certify --density 1e-999999999",
        "certify --check a.json --importance 0.3",
    ],
)  # fmt: skip
def test_bad_input_is_one_line(tegum_: Any, words: str) -> None:
    tegum_(words).is_misuse("")
