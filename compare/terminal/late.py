"""Commands that are loaded when they are asked for, so that help costs no more than its words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from .characters import printable
from .given import reading

# What help leaves out where it may not take long: the choices and defaults of training.
LOOKED_UP = re.compile(r"(:|; default) \{\w+\}")


class LateCommands(TyperGroup):
    """A group of commands in modules beside this one.

    Attributes:
        package: the folder of the commands' modules.
        registered: for each command its module, which has a function of that name, and what it does in a few words.
    """

    package: ClassVar[str] = ""
    registered: ClassVar[Mapping[str, tuple[str, str]]] = {}

    def __init__(self, **settings: Any) -> None:
        """Put something that has a name and a few words of help in place of each command."""
        super().__init__(**settings)
        for name, (_, words) in self.registered.items():
            self.add_command(TyperCommand(name, help=words, rich_markup_mode=None), name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return name, command and what is left of the words, the command loaded."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and self.load(str(command.name)), rest

    def load(self, name: str) -> Any:
        """Return a command."""
        module = import_module(f".{self.registered[name][0]}", self.package)
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(name, cls=Command)(getattr(module, name.replace("-", "_")))
        return typer.main.get_command(alone)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for; Ctrl-C is said as the commands say it, and not as typer does."""
        from ..progress import InterruptedRunError

        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise InterruptedRunError("") from None


class Command(TyperCommand):
    """A command that knows which options were written, and whose help looks up what `train` takes: that loads torch."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Read the words; an option that is given twice is refused, unless it may be given several times.

        Raises:
            ValueError: if one is.
        """
        # Words are used up by reading them.
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        for parameter in self.params:
            if order.count(parameter) > 1 and parameter.param_type_name == "option" and not parameter.multiple:
                raise ValueError(f"{max(parameter.opts, key=len)} is given twice: leave one of the two out")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with reading(ctx):
            return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, choices and defaults filled in."""
        late = [parameter for parameter in self.params if LOOKED_UP.search(_help(parameter))]
        if late:
            from .training import words

            found = words()
            for parameter in late:
                parameter.help = _help(parameter).format(**found)  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)

    def get_help(self, ctx: Any) -> str:
        """Return the help in characters that standard output has."""
        return printable(super().get_help(ctx))

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Return what a word may become, choices and defaults left out of the help: a key is pressed, and waits."""
        for parameter in self.params:
            if text := _help(parameter):
                parameter.help = LOOKED_UP.sub("", text)  # type: ignore[attr-defined]
        return super().shell_complete(ctx, incomplete)


def _help(parameter: Any) -> str:
    return getattr(parameter, "help", None) or ""
