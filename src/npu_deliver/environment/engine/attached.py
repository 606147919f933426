"""What a container says while this side is attached to it: whole lines of both channels, until a deadline."""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from collections.abc import Iterator
from typing import Any

from npu_deliver.environment.step import Step
from npu_deliver.errors import StepError


def close(stream: Any) -> None:
    """Close an attached stream: the file that docker-py hands out, its socket, and the response that holds both."""
    connection = getattr(stream, "_sock", None)
    if not stream.closed:
        stream.close()
    if connection is not None:
        connection.close()
    with contextlib.suppress(ValueError):  # the response closes the stream once more
        stream._response.close()  # noqa: SLF001  docker-py keeps it there and nowhere else


def lines(stream: Any, deadline: float, step: Step) -> Iterator[str]:
    """The lines of an attached container's output as they end, each whole whatever the other channel says meanwhile.

    Raises:
        StepError: the container did not end before the deadline.
    """
    rests: dict[int, bytes] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        frames = _Frames(stream)
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(timeout=left):
                raise StepError(
                    f"ran longer than {step.timeout_s:g} s and was stopped",
                    where=step.experiment,
                    fix="raise evaluation.step_timeout_s in the spec",
                )
            read = frames.read()
            if read is None:
                break
            for channel, payload in read:
                *complete, rests[channel] = (rests.get(channel, b"") + payload).split(b"\n")
                for line in complete:
                    yield line.decode("utf-8", "replace").rstrip("\r")
    for rest in filter(None, rests.values()):
        yield rest.decode("utf-8", "replace")


class _Frames:
    """Takes the engine's stream apart: frames of eight bytes of header (channel, three zeros, length) and the payload.

    Docker Engine API, "Attach to a container", stream format.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._buffer = b""

    def read(self) -> list[tuple[int, bytes]] | None:
        """What one read completes, as (channel, payload), possibly nothing yet; None at the end."""
        data = os.read(self._stream.fileno(), 65536)
        if not data:
            return None
        self._buffer += data
        complete = []
        while len(self._buffer) >= 8:
            length = int.from_bytes(self._buffer[4:8], "big")
            if len(self._buffer) < 8 + length:
                break
            complete.append((self._buffer[0], self._buffer[8 : 8 + length]))
            self._buffer = self._buffer[8 + length :]
        return complete
