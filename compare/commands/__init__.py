"""The command line, `tegum`: a module for each command, with its options and what it does.

`app` only registers them; a module is loaded when its command is asked for, and loads what is heavy when it runs.
`options` has what several commands take, `groups` hands options that belong together on as one record, `training` and
`laws` are two such records. `console`, `stages` and `interruptions` say what comes out, how far it is, and what is
kept when somebody presses Ctrl-C.

    >>> from tegum.compare.commands.app import COMMANDS
    >>> "diagram" in COMMANDS
    True
"""

from .app import main

__all__ = ["main"]
