"""The file itself: opened by one check at a time, read from the beginning, appended to record by record.

Every record is given to the operating system at once, which keeps it whatever becomes of this process. In case the
machine loses power a thread has what was written put on the disk, once a second.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading

from fastcheck.checkpoints.records import FIRST_WORDS, HEADER
from fastcheck.errors import InvalidProblemError
from fastcheck.undoing import interruptible_lock

SYNC_SECONDS = 1.0
"""What was written is put on the disk so often."""

THREAD_NAME = "fastcheck checkpoint"

NOT_OURS = {errno.EACCES, errno.EPERM, errno.EROFS}
"""Errors of opening a file for writing after which it may still be read."""

_FLAGS = os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)

_open_files: set[tuple[int, int]] = set()
_opening = interruptible_lock()

LONGEST_BEGINNING = len(HEADER)
"""Bytes that tell whether a file is a checkpoint."""


class UnusableError(Exception):
    """A file cannot be used, for the reason that this says; the check goes on without."""


class CheckpointFile:
    """An open checkpoint, locked for this process: ``size`` bytes of which were there when it was opened.

    ``refused`` says why nothing can be written to it, None if something can. Raises `UnusableError` if it cannot be
    read either, or another check uses it, and `InvalidProblemError` if it is something else than a checkpoint.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.refused: str | None = None
        self.descriptor = -1
        self.identity: tuple[int, int] | None = None
        self.unsynced = False
        self.sync_failed: OSError | None = None
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        try:
            self._open()
            self.size = os.fstat(self.descriptor).st_size
            self._expect_checkpoint()
        except OSError as error:
            self.close()
            raise UnusableError(said(error)) from None
        except BaseException:
            self.close()
            raise

    def read(self, offset: int, count: int) -> bytes:
        """Return bytes of the file, fewer at its end."""
        os.lseek(self.descriptor, offset, os.SEEK_SET)
        pieces, missing = [], count
        while missing > 0 and (piece := os.read(self.descriptor, missing)):
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def cut(self, size: int) -> None:
        """Cut off what is behind so many bytes."""
        os.ftruncate(self.descriptor, size)
        self.size = size

    def append(self, data: bytes) -> None:
        """Append a record, whole or not at all; `OSError` where that cannot be."""
        written = os.write(self.descriptor, data)
        if written < len(data):
            self._append_rest(data, written)
        self.size += len(data)
        self.unsynced = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep_synced, name=THREAD_NAME, daemon=True)
            with contextlib.suppress(RuntimeError):  # there can be no more threads
                self._thread.start()

    def close(self) -> None:
        """Put everything on the disk, and let others use the file."""
        self._closing.set()
        if self._thread is not None and self._thread.ident is not None:
            self._thread.join()
        self._thread = None
        if self.descriptor >= 0:
            self._sync()
            descriptor, self.descriptor = self.descriptor, -1
            os.close(descriptor)
        if self.identity is not None:
            _open_files.discard(self.identity)
            self.identity = None

    def _open(self) -> None:
        with _opening:
            # A second descriptor, once closed, would end the lock of the first one.
            with contextlib.suppress(FileNotFoundError):
                there = os.stat(self.path)
                if stat.S_ISDIR(there.st_mode):
                    raise UnusableError("it is a folder")
                if not stat.S_ISREG(there.st_mode):
                    raise UnusableError("it is no file that can be kept")
                if (there.st_dev, there.st_ino) in _open_files:
                    raise UnusableError("another check is using it")
            try:
                self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o666)
            except OSError as error:
                if error.errno not in NOT_OURS or not os.path.exists(self.path):
                    raise
                self.descriptor = os.open(self.path, os.O_RDONLY | _FLAGS)
                self.refused = said(error)
            if self.refused is None and not locked(self.descriptor):
                raise UnusableError("another process is using it")
            opened = os.fstat(self.descriptor)
            self.identity = opened.st_dev, opened.st_ino
            _open_files.add(self.identity)

    def _expect_checkpoint(self) -> None:
        """Begin a file that is empty, or whose beginning was cut off; raise an error for any other beginning."""
        beginning = self.read(0, len(HEADER))
        if beginning == HEADER:
            return
        if HEADER.startswith(beginning) and self.refused is None:
            self.cut(0)
            self.append(HEADER)
            return
        raise _not_ours(self.path, beginning)

    def _append_rest(self, data: bytes, written: int) -> None:
        """Write what is left of a record, or cut off its beginning."""
        try:
            while written < len(data):
                written += os.write(self.descriptor, data[written:])
        except OSError:
            os.ftruncate(self.descriptor, self.size)
            raise

    def _keep_synced(self) -> None:
        while not self._closing.wait(SYNC_SECONDS):
            self._sync()

    def _sync(self) -> None:
        if self.unsynced:
            self.unsynced = False
            try:
                os.fsync(self.descriptor)
            except OSError as error:
                self.sync_failed = error


def expect_beginning(path: str, beginning: bytes) -> None:
    """Raise `InvalidProblemError` if a file that begins so is something else than a checkpoint."""
    if not HEADER.startswith(beginning[: len(HEADER)]):
        raise _not_ours(path, beginning)


def _not_ours(path: str, beginning: bytes) -> InvalidProblemError:
    if beginning.startswith(FIRST_WORDS):
        number = beginning[len(FIRST_WORDS) :].split(b"\n")[0].decode("ascii", "replace")
        return InvalidProblemError(
            f"checkpoint: {path} is of format {number}, which this version of fastcheck cannot read. Name another file."
        )
    return InvalidProblemError(
        f"checkpoint: expected a new file, or a checkpoint of fastcheck, got {path}, which is something else and is "
        "left as it is. Name another file."
    )


def locked(descriptor: int) -> bool:
    """Lock a file for this process, and tell whether it is; where files cannot be locked, they are not.

    The lock belongs to the process: it ends with it, however it ends, and processes that were forked have no part in
    it.
    """
    try:
        if os.name == "nt":
            import msvcrt

            os.lseek(descriptor, BEYOND_EVERY_FILE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
    return True


BEYOND_EVERY_FILE = 2**62
"""Where a byte is locked on Windows: what is locked there cannot be read by others."""


def said(error: OSError) -> str:
    """Return what the operating system says of an error."""
    return error.strerror or str(error)
