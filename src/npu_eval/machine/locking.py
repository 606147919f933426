"""A lock that one process at a time holds on an empty file. It dies with its process; the file stays.

What is found in the file's place belongs to somebody: it is neither followed nor shortened nor waited for.
Standard library only.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from npu_eval.errors import ConfigError


@contextlib.contextmanager
def holding(path: Path, busy: Callable[[], object]) -> Iterator[None]:
    """Hold the lock on a file, which is made where it is absent.

    Args:
        busy: called when another process holds it; the wait begins when this returns, and there is none when it raises.

    Raises:
        ConfigError: there is a link, a folder, a pipe or a device in the file's place.
        OSError: the file cannot be made, or its disk knows no locks.
    """
    handle = _opened(path)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            busy()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _opened(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        _refuse(path, path.lstat().st_mode)  # a device may do something when it is opened
    # Without O_TRUNC, and without waiting for a pipe's other end; a link that came since the look fails.
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError:
        _refuse(path, path.lstat().st_mode if os.path.lexists(path) else stat.S_IFREG)
        raise
    try:
        _refuse(path, os.fstat(handle).st_mode)
    except ConfigError:
        os.close(handle)
        raise
    return handle


def _refuse(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    kinds = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    what = kinds.get(stat.S_IFMT(mode), "a device")
    raise ConfigError(f"is {what} where an empty file for a lock belongs", where=str(path), fix="move it away")
