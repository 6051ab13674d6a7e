"""Files and folders that are whole at every moment, whatever happens to the process that writes them.

`saving` writes beside the place and puts what is finished there in one step, so that a killed process leaves the old or
the new. Nothing here imports anything else of ours. Begin with `write_whole`:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from tegum.theory.storage import write_whole
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(Path(folder) / "account.json", "{}")
    ...     [path.name for path in Path(folder).iterdir()]
    ['account.json']
"""

from .saving import recover, replacing, write_whole

__all__ = ["recover", "replacing", "write_whole"]
