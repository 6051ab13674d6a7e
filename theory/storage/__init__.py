"""Files and folders that are whole at every moment, whatever happens to the process that writes them.

`destination` is where to begin: a place that is looked at and locked before the work whose result goes there, and whose
result isn't lost if it can't be written. `saving` writes beside a place and puts there in one step what is finished, so
that a killed process leaves the old or the new; `locks` tell its files from a living one's. `checksums` notices that
what is read isn't what was written, and `limits` that a file declares more than it can hold; `texts` says why JSON
can't be read. Nothing here imports anything else of ours.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from tegum.theory.storage import Destination
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Destination(folder, ["account.json"]) as place:
    ...         place.save(lambda new: new.write_text("{}"), "account.json")
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
from .destination import Destination, MovedError, write_whole
from .limits import OBJECTS, check_archive, check_declared, read_npy, read_npz
from .locks import claimed
from .paths import check_path
from .saving import NOTHING, ChangedError, recover, replacing, workplace
from .texts import json_of

__all__ = [
    "NOTHING",
    "OBJECTS",
    "SHA256",
    "ChangedError",
    "Destination",
    "MovedError",
    "UnverifiedWarning",
    "check_archive",
    "check_declared",
    "check_digest",
    "check_path",
    "check_unverified",
    "claimed",
    "digest_of",
    "json_of",
    "read_npy",
    "read_npz",
    "recover",
    "replacing",
    "row_digest",
    "sealed",
    "unsealed",
    "warn_unverified",
    "workplace",
    "write_whole",
]
