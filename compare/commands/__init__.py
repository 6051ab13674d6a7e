"""The command line, `tegum`: a module for each command, with its options and what it does.

`app` only registers them; a module is loaded when its command is asked for, and loads what is heavy when it runs.
`drawn` is the part of `diagram` that draws what is there, `loss_batch` the part of `loss` that is about many models.
What they share, options, tables, progress and endings, is in `tegum.compare.terminal`. Begin with `app`:

    >>> from tegum.compare.commands.app import COMMANDS
    >>> COMMANDS["minima"]
    ('minima', 'Search for minima of the exact loss at one point.')
"""

from .app import main

__all__ = ["main"]
