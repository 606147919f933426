"""Two folders change places in one step, so that whoever looks sees the one or the other, whole."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
"""Of <fcntl.h> and <linux/fs.h>; renameat2(2), Linux 3.15 and glibc 2.28."""

_CANNOT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM, errno.EXDEV)
"""What an older kernel, a file system that cannot (some of a network, some layered ones) and a filter of system calls
say."""


def exchange(a: Path, b: Path) -> bool:
    """Let two folders of one file system change places; False where this system cannot, and nothing has changed.

    Raises:
        OSError: one of them is not there, or may not be moved.
    """
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:  # another C library, or another system
        return False
    if renameat2(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), ctypes.c_uint(_RENAME_EXCHANGE)) == 0:
        return True
    code = ctypes.get_errno()
    if code in _CANNOT:
        return False
    raise OSError(code, os.strerror(code), str(a), None, str(b))
