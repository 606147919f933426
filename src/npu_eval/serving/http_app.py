"""The server's routes as an ASGI application: what is asked, within which bounds, and what is answered.

Every answer is JSON in one line. An error says what is wrong with the request and nothing of this machine; what failed
here is told on stderr. Whatever goes wrong, a request that was received gets an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from npu_eval.errors import DeliverError
from npu_eval.process.visible import visible
from npu_eval.serving.inference_queue import InferenceQueue
from npu_eval.serving.photo_requests import MAX_BYTES, PhotoRequest, RefusedError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

USAGE = "GET /health or /ready, or POST a photo to /predict"
STOPPING = "the server is stopping"

_ROUTES = {"/": ("GET", "HEAD", "POST"), "/health": ("GET", "HEAD"), "/ready": ("GET", "HEAD"), "/predict": ("POST",)}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a client may take of the server, in seconds and bytes.

    A request's header must be there after ``header_s``. Its body may take ``body_s`` and one second more for each
    ``bytes_per_s``, so that a slow line passes and a client that drips does not. All bodies together take
    ``held_bytes`` of memory. A request waits for its turn ``wait_s``; a connection without one is kept ``idle_s``; a
    client that does not read its answer is given up after ``unread_s``. What is sent after a refusal is read and
    dropped for ``linger_s``, because a connection that is closed on unread bytes takes the answer with it. When the
    server stops, requests have ``answer_s`` to be answered, and connections ``stop_s`` to end.
    """

    header_s: float = 10.0
    body_s: float = 10.0
    bytes_per_s: int = 64 * 2**10
    held_bytes: int = 256 * 2**20
    wait_s: float = 60.0
    idle_s: int = 5
    unread_s: float = 30.0
    linger_s: float = 10.0
    answer_s: float = 3.5
    stop_s: float = 4.0


@dataclass(frozen=True)
class Reply:
    """A status, what the body says, and further headers."""

    status: int
    value: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, error: RefusedError) -> Reply:
        """The reply to a refused request."""
        headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
        return cls(error.status, {"error": str(error)}, headers | ({"Allow": error.allow} if error.allow else {}))

    @property
    def body(self) -> bytes:
        """One line of JSON.

        Raises:
            ValueError: a value is not finite.
        """
        return json.dumps(self.value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n"


class Model(Protocol):
    """What answers photos."""

    facts: dict[str, Any]

    def predict(self, request: PhotoRequest) -> dict[str, Any]:
        """What the model says of a photo.

        Raises:
            RefusedError: the request holds no photo that is taken.
        """
        ...


def replying(model: Model, say: Callable[[str], None]) -> Callable[[PhotoRequest], Reply]:
    """The model as a function that always returns; what fails is told to ``say`` and not to the client."""

    def reply(request: PhotoRequest) -> Reply:
        try:
            made = Reply(200, model.predict(request))
            _ = made.body  # what JSON cannot hold fails here
        except RefusedError as error:
            return Reply.of(error)
        except DeliverError as error:
            say(f"a photo was answered with 500: {visible(str(error))}")
        except Exception as error:  # noqa: BLE001  one request may fail, the server stays
            say(f"a photo was answered with 500: {type(error).__name__}\n{visible(traceback.format_exc())}")
        else:
            return made
        return Reply(500, {"error": "the model failed on this photo; the server's log says why"})

    return reply


class GoneError(Exception):
    """The client is not there any more."""


class App:
    """The application. ``stopping`` is set when nothing new shall be begun."""

    def __init__(
        self, facts: dict[str, Any], queue: InferenceQueue[PhotoRequest, Reply], limits: Limits | None = None
    ) -> None:
        self.limits = limits or Limits()
        self.stopping = False
        self._facts = facts
        self._queue = queue
        self._held = 0
        self._running: set[asyncio.Timeout] = set()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = _Request(scope, receive)
        try:
            async with asyncio.timeout(None) as bound:
                self._running.add(bound)
                try:
                    reply = await self._reply(request)
                finally:
                    self._running.discard(bound)
        except RefusedError as error:
            reply = Reply.of(error)
        except TimeoutError:  # `give_up`
            reply = Reply.of(RefusedError(503, STOPPING, retry_after_s=1))
        except GoneError:
            return
        await self._send(reply, request, send)

    def give_up(self) -> None:
        """Answer whatever is still being read, waits or computes with 503, now."""
        now = asyncio.get_running_loop().time()
        for bound in tuple(self._running):
            with contextlib.suppress(RuntimeError):  # it is expiring already
                bound.reschedule(now)

    async def _reply(self, request: _Request) -> Reply:
        methods = _ROUTES.get(request.path)
        if methods is None:
            raise RefusedError(404, USAGE)
        if request.method not in methods:
            raise RefusedError(405, f"{request.path} takes {' or '.join(methods)}", allow=", ".join(methods))
        if request.method == "POST":
            return await self._predicted(request)
        if request.path == "/ready":
            return self._ready()
        return Reply(200, {"status": "ok", **self._facts})

    def _ready(self) -> Reply:
        if self.stopping:
            raise RefusedError(503, STOPPING, retry_after_s=1)
        if self._queue.full:
            raise self._queue.refusal()
        if self._queue.busy_s > self.limits.wait_s:
            raise RefusedError(503, f"one photo has been in work for {self._queue.busy_s:.0f} s", retry_after_s=60)
        return Reply(200, {"status": "ready", "waiting": self._queue.unanswered})

    async def _predicted(self, request: _Request) -> Reply:
        if not request.has_body:
            raise RefusedError(411, "say the length of the photo (Content-Length)")
        if request.length is not None and request.length > MAX_BYTES:
            raise _too_long()
        if self._queue.full:  # told before the photo is sent
            raise self._queue.refusal()
        body = bytearray()
        try:
            await self._read(request, body)
            if not body:
                raise RefusedError(400, "the body holds no photo")
            return await self._answered(request, PhotoRequest(body, is_json=request.is_json))
        finally:
            self._held -= len(body)

    async def _read(self, request: _Request, body: bytearray) -> None:
        """Append the request's body; what is appended counts as held."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.limits.body_s
        try:
            async with asyncio.timeout_at(deadline) as bound:
                while chunk := await request.chunk():
                    if len(body) + len(chunk) > MAX_BYTES:
                        raise _too_long()
                    if self._held + len(chunk) > self.limits.held_bytes:
                        raise RefusedError(
                            503,
                            "too many photos are being sent at once; try again later",
                            retry_after_s=self._queue.retry_after_s,
                        )
                    body += chunk
                    self._held += len(chunk)
                    bound.reschedule(deadline + len(body) / self.limits.bytes_per_s)
        except TimeoutError as error:
            raise RefusedError(408, f"the body came too slowly; {len(body)} bytes were received") from error

    async def _answered(self, request: _Request, photo: PhotoRequest) -> Reply:
        """What the model answers, unless the client goes away or waits too long."""
        future = self._queue.submit(photo)
        answer = asyncio.wrap_future(future)
        gone = asyncio.ensure_future(request.gone())
        try:
            either: set[asyncio.Future[Any]] = {answer, gone}
            await asyncio.wait(either, timeout=self.limits.wait_s, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            if gone.done():
                raise GoneError
            raise RefusedError(
                503,
                f"no turn within {self.limits.wait_s:.0f} s; try again later",
                retry_after_s=self._queue.retry_after_s,
            )
        finally:
            gone.cancel()
            if not answer.done():
                answer.cancel()
                self._queue.forget(future)

    async def _send(self, reply: Reply, request: _Request, send: Send) -> None:
        """Send the reply at once; where the client has not sent all yet, read that before the connection is closed."""
        whole = not request.has_body or request.read
        headers = {"Content-Type": "application/json; charset=utf-8", "Content-Length": str(len(reply.body))}
        headers |= reply.headers | ({} if whole and not self.stopping else {"Connection": "close"})
        encoded = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": encoded})
        await send({"type": "http.response.body", "body": reply.body, "more_body": not whole})
        if not whole:
            await self._linger(request)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _linger(self, request: _Request) -> None:
        with contextlib.suppress(TimeoutError, GoneError):
            async with asyncio.timeout(self.limits.linger_s) as bound:
                self._running.add(bound)
                try:
                    while await request.chunk():
                        """Nobody wants it."""
                finally:
                    self._running.discard(bound)


class _Request:
    """One request, and how much of it has been read."""

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        self._receive = receive
        self.method: str = scope["method"]
        self.path = _path(scope["path"])
        self.has_body = b"transfer-encoding" in headers or headers.get(b"content-length", b"0").strip() != b"0"
        self.has_body |= self.method == "POST" and b"content-length" in headers
        length = headers.get(b"content-length", b"")
        self.length = int(length) if length.isdigit() else None
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        self.is_json = kind == b"application/json"
        self.read = False

    async def chunk(self) -> bytes:
        """The next bytes of the body; empty at its end.

        Raises:
            GoneError: the client is not there any more.
        """
        while not self.read:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise GoneError
            self.read = not message.get("more_body", False)
            if data := bytes(message.get("body", b"")):
                return data
        return b""

    async def gone(self) -> None:
        """Return when the client is not there any more."""
        while (await self._receive())["type"] != "http.disconnect":
            """It sent more than it had announced; that is the next request."""


def _path(path: str) -> str:
    """The path alone; a proxy may send the whole address."""
    if path.startswith(("http://", "https://")):
        with contextlib.suppress(ValueError):
            return urlsplit(path).path or "/"
    return path


def _too_long() -> RefusedError:
    return RefusedError(413, f"a photo may have at most {MAX_BYTES} bytes")
