"""The command line, `tegum`: a module for each command, with its options and what it does.

`app` only registers them; a module is loaded when its command is asked for, and loads what is heavy when it runs.
`options` has what several commands take, `groups` hands options that belong together on as one record, of which
`training` and `laws` are two. `console`, `stages` and `rows` show and keep what comes out, `interruptions` says what is
kept when somebody presses Ctrl-C. Begin with `app`:

    >>> from tegum.compare.commands.app import COMMANDS
    >>> COMMANDS["minima"]
    ('minima', 'List all local minima of the exact loss at one point.')
"""

from .app import main

__all__ = ["main"]
