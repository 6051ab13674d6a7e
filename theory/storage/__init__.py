"""Files and folders that are whole at every moment, whatever happens to the process that writes them.

`checksums` notices that what is read isn't what was written, `limits` that a file declares more than it can hold, and
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

from .checksums import (
    SHA256,
    UnverifiedWarning,
    check_digest,
    check_unverified,
    digest_of,
    row_digest,
    sealed,
    unsealed,
    warn_unverified,
)
from .limits import OBJECTS, check_archive, check_declared, read_npz
from .saving import recover, replacing, write_whole

__all__ = [
    "OBJECTS",
    "SHA256",
    "UnverifiedWarning",
    "check_archive",
    "check_declared",
    "check_digest",
    "check_unverified",
    "digest_of",
    "read_npz",
    "recover",
    "replacing",
    "row_digest",
    "sealed",
    "unsealed",
    "warn_unverified",
    "write_whole",
]
