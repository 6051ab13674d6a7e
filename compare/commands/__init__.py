"""The command line, `tegum`: a module for each command, with its options and what it does.

`app` registers the commands and turns errors into one line; `options` has the options that commands share, `console`,
`stages` and `rows` how they show things. Nothing heavy is imported before a command runs. Begin with `app`:

    >>> import sys
    >>> from tegum.compare.commands import app
    >>> callable(app.main)
    True
"""

__all__ = []
