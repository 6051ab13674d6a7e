"""Groups of options: their fields become a command's own options, and it gets the record."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated

import pytest
import typer

# Behind the face: options are read without running a command.
from tegum.compare.terminal import with_groups


@dataclass(frozen=True)
class Size:
    """Two numbers, of which one has to be said."""

    width: Annotated[int, typer.Option(help="How wide.")]
    height: Annotated[int, typer.Option("--tall", help="How tall.")] = 2

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"--width must be positive, got {self.width}")


seen: list[tuple[str, Size, bool]] = []


@with_groups
def command(name: str, size: Size, loud: bool = False) -> None:
    """Do something."""
    seen.append((name, size, loud))


def test_fields_stand_where_the_group_stood() -> None:
    parameters = inspect.signature(command).parameters
    assert list(parameters) == ["name", "width", "height", "loud"]
    assert parameters["width"].default is inspect.Parameter.empty
    assert (parameters["height"].default, parameters["loud"].default) == (2, False)
    assert command.__doc__ == "Do something."


def test_the_command_gets_a_record() -> None:
    seen.clear()
    command(name="a", width=3, height=4, loud=True)
    assert seen == [("a", Size(3, 4), True)]


def test_the_record_refuses_what_is_out_of_range() -> None:
    with pytest.raises(ValueError, match="--width must be positive, got 0"):
        command(name="a", width=0, height=4, loud=True)


def test_typer_knows_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(command)
    assert app(["--help"], standalone_mode=False) == 0
    told = capsys.readouterr().out
    assert "--tall" in told
    assert "--width" in told
    assert "[default: 2]" in told
