"""Results on disk as they come: one JSON line an item, so that a kill costs at most the last second of work.

The first line says what the results belong to; a file of anything else is begun anew. A line that a kill tore is cut
off, and the run goes on behind the last whole one. Standard library only.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from npu_eval.errors import RecordError

SCHEMA = "npu-deliver/results/1"
SYNC_S = 1.0
"""Seconds between two flushes to the disk: what a power cut may cost."""


class ResultStream:
    """A file of results that is being written. ``done`` counts those that were there already.

    Args:
        path: the file; its folder is made.
        key: what the results belong to (spec, code, weights, images …). Results under another key are not taken over.
        resume: False begins anew in any case.
    """

    def __init__(self, path: Path, key: Mapping[str, Any], *, resume: bool = True) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        header = _line({"schema": SCHEMA, **key})
        self.done, kept = _whole(path, header) if resume and path.is_file() else (0, 0)
        self._stream = path.open("r+b" if kept else "wb")
        if kept:
            self._stream.truncate(kept)
            self._stream.seek(kept)
        else:
            self._stream.write(header)
        self._synced = 0.0
        self._sync()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sync()
        self._stream.close()

    @property
    def size(self) -> int:
        """Bytes of the file so far."""
        return self._stream.tell()

    def append(self, result: Mapping[str, Any]) -> None:
        """Add one result; it is on the disk a second later at the latest, if another one comes or the stream ends."""
        self._stream.write(_line(result))
        if time.monotonic() - self._synced >= SYNC_S:
            self._sync()
        else:
            self._stream.flush()  # survives the death of this process, though not that of the machine

    def _sync(self) -> None:
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._synced = time.monotonic()


def read_key(path: Path) -> dict[str, Any]:
    """What a file of results belongs to.

    Raises:
        RecordError: it is no such file.
    """
    try:
        with path.open("rb") as stream:
            key = json.loads(stream.readline())
    except (OSError, ValueError) as error:
        raise RecordError(f"cannot be read ({error})", where=str(path)) from error
    if not isinstance(key, dict) or key.pop("schema", None) != SCHEMA:
        raise RecordError(f"is no file of results of schema '{SCHEMA}'", where=str(path))
    return key


def read_results(path: Path) -> Iterator[dict[str, Any]]:
    """The results one by one, never all in memory.

    Raises:
        RecordError: a line is no JSON object.
    """
    with path.open("rb") as stream:
        stream.readline()
        for number, line in enumerate(stream, start=2):
            try:
                result = json.loads(line)
            except ValueError as error:
                raise RecordError(f"line {number} is not JSON ({error})", where=str(path)) from error
            if not isinstance(result, dict):
                raise RecordError(f"line {number} is no result", where=str(path))
            yield result


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _whole(path: Path, header: bytes) -> tuple[int, int]:
    """(results, bytes) of a file's whole lines; nothing of a file with another header."""
    with path.open("rb") as stream:
        if stream.readline() != header:
            return 0, 0
        count, size = 0, len(header)
        for line in stream:
            try:
                whole = line.endswith(b"\n") and isinstance(json.loads(line), dict)
            except ValueError:
                whole = False
            if not whole:
                break
            count, size = count + 1, size + len(line)
    return count, size
