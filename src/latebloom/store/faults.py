"""What goes wrong on disk, said so that a user can act on it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latebloom.errors import LatebloomError

ADVICE = {
    errno.ENOSPC: "Free some space on that disk, or choose another folder, and start the run again",
    errno.EDQUOT: "Your quota there is used up: delete something, or choose another folder, and start the run again",
    errno.EFBIG: "The file system or a limit (`ulimit -f`) forbids files of this size: choose another folder",
    errno.EACCES: "Choose a folder that you may write to, or change its permissions, and start the run again",
    errno.EPERM: "Choose a folder that you may write to, or change its permissions, and start the run again",
    errno.EROFS: "That file system is mounted read-only: choose another folder",
    errno.ENOTDIR: "A part of that path is a file: remove it or choose another folder",
    errno.EEXIST: "A file is in the way: remove it or choose another folder",
    errno.ENAMETOOLONG: "Choose a folder with a shorter path",
}


class StoreError(LatebloomError):
    """A run's folder cannot be written, read or trusted."""


class BusyError(StoreError):
    """Another process is writing there."""


class CheckpointError(StoreError):
    """A checkpoint is missing, damaged, or no checkpoint."""


NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What stops every writer to a disk, and not only the one that meets it first."""


def no_space(error: BaseException | None) -> bool:
    """Whether an error, or what it came from, is a disk that takes no more."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def writing(what: str, path: Path, safe: str = "") -> Iterator[None]:
    """Turn a failure of the system to write `path` into one message.

    Args:
        what: what is being written, to begin a sentence with.
        path: where to.
        safe: a sentence on what is not lost.

    Raises:
        StoreError: in place of every `OSError`.
    """
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        reason = os.strerror(number) if number else str(error)
        advice = ADVICE.get(number, "Check that disk, and start the run again")
        parts = [f"{what} could not be written to {path}: {reason}", advice, safe.rstrip(".")]
        raise StoreError(". ".join(part for part in parts if part) + ".") from error
