"""Where results go: asked before they are worked out."""

from __future__ import annotations

from pathlib import Path


def check_writable(out: Path) -> None:
    """Raise an error unless a file can be written at `out`, whose folders may have to be made.

    Raises:
        OSError: if its folder, or the next above it that there is, can't be written to.
    """
    from tempfile import TemporaryFile

    folder = next(parent for parent in out.absolute().parents if parent.exists())
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"can't write to {folder}: {error.strerror or error}") from None
