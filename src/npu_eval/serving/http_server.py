"""uvicorn with what it leaves open: time limits for headers and unread answers, a bound on connections, errors as JSON,
and a stop that answers all that was received.

uvicorn has no limit for the time that a request's header takes (a client that drips holds its connection for ever),
answers what is no HTTP in plain text, ends by the signal that stopped it, and takes a client that has sent all and
closed its half of the connection for one that is gone. The rest (HTTP itself, keep-alive, flow control) is its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from http import HTTPStatus
from types import FrameType
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from npu_eval.errors import EXIT_INTERRUPTED, ConfigError
from npu_eval.serving.http_app import STOPPING, App, Limits, Reply
from npu_eval.serving.photo_requests import RefusedError

MAX_HEADER_BYTES = 16 * 2**10
"""Of one request's line and headers."""

MAX_CONNECTIONS = 1024
"""At once; fewer where the process may open few files."""

_BACKLOG = 1024
_HANG_UP_S = 2.0
"""For which what a client still sends is read and dropped after a refusal that no request of its own was needed for."""


class Connection(H11Protocol):
    """One connection of uvicorn's, with time limits."""

    limits = Limits()
    most = MAX_CONNECTIONS

    _timer: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _over = False
    _half_closed = False
    _received = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """A client has connected."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self._refuse(
                RefusedError(503, f"{self.most} clients are connected already; try again later", retry_after_s=1)
            )
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Bytes of a client; after a refusal nobody wants them."""
        if self._over:
            return
        self._received = True
        try:
            super().data_received(data)
        except Exception:  # noqa: BLE001  whatever a stranger's bytes do to the parser, the client gets an answer
            self.send_400_response("")
        self._watch()

    def eof_received(self) -> bool | None:  # type: ignore[override]  # asyncio's protocol allows it
        """The client sends nothing more. It may still read: a request that is whole gets its answer."""
        if self._over or self.transport.is_closing():
            return None
        if self._pending() and not self.cycle.more_body:
            self._half_closed = True
            return True
        if self._pending() or self.conn.trailing_data[0]:
            self._refuse(_cut_short())
        return None

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        if len(self.conn.trailing_data[0]) > MAX_HEADER_BYTES:
            self._refuse(RefusedError(431, f"a request's header may have at most {MAX_HEADER_BYTES} bytes"))
        else:
            self._refuse(RefusedError(400, "this is no request of HTTP/1.1"))

    def on_response_complete(self) -> None:
        """An answer is written."""
        super().on_response_complete()  # which begins with a request that was sent ahead
        if self._half_closed and not self._pending() and not self.transport.is_closing():
            if self.conn.trailing_data[0]:
                self._refuse(_cut_short())
            else:
                self.transport.close()
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._give_up_unread()
        self._watch()

    def shutdown(self) -> None:
        """The server stops: end what is idle, and let what is asked be answered."""
        if self._over:
            self.transport.close()
        elif not self._pending() and self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._refuse(RefusedError(503, STOPPING, retry_after_s=1))
        else:
            super().shutdown()

    def pause_writing(self) -> None:
        """The client does not read what it asked for."""
        super().pause_writing()
        self._give_up_unread()

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        for timer in (self._timer, self._unread):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def _pending(self) -> bool:
        """Whether a request has been handed to the application and its answer is not complete."""
        return self.cycle is not None and not self.cycle.response_complete

    def _watch(self) -> None:
        """Time the header of the next request, from its first byte or the beginning of the connection on."""
        idle = self.conn.their_state is h11.IDLE and not self._over and not self.transport.is_closing()
        if self._timer is not None and not idle:
            self._timer.cancel()
            self._timer = None
        elif self._timer is None and idle and (self.conn.trailing_data[0] or self.timeout_keep_alive_task is None):
            self._timer = self.loop.call_later(self.limits.header_s, self._late)

    def _late(self) -> None:
        self._timer = None
        if self._received:
            self._refuse(RefusedError(408, f"the request's header was not there after {self.limits.header_s:.0f} s"))
        else:
            self.transport.close()

    def _refuse(self, error: RefusedError) -> None:
        """Answer what never became a request, or ceased to be one, and hang up.

        The answer is written by hand: h11 is in an error of its own by then.
        """
        started = self._pending() and self.cycle.response_started
        if self._pending():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not started and not self.transport.is_closing():
            self.transport.write(_raw(Reply.of(error)))
        self._over = True
        self.flow.resume_reading()
        with contextlib.suppress(OSError):
            self.transport.write_eof()
        self._watch()
        self.loop.call_later(_HANG_UP_S, self.transport.abort)

    def _give_up_unread(self) -> None:
        if self._unread is None:
            self._unread = self.loop.call_later(self.limits.unread_s, self.transport.abort)


def _cut_short() -> RefusedError:
    return RefusedError(400, "the request ended before it was whole")


def _raw(reply: Reply) -> bytes:
    headers = {"Content-Type": "application/json; charset=utf-8", "Content-Length": str(len(reply.body))}
    headers |= reply.headers | {"Connection": "close"}
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + reply.body


class Server(uvicorn.Server):
    """The server of one application.

    ``opened`` is called when the port answers; ``at_once`` before the process is ended by a second signal.
    """

    def __init__(
        self,
        app: App,
        *,
        most: int = MAX_CONNECTIONS,
        opened: Callable[[], None] = lambda: None,
        at_once: Callable[[], None] = lambda: None,
    ) -> None:
        self._app = app
        self._opened = opened
        self._at_once = at_once
        own = type("Connection", (Connection,), {"limits": app.limits, "most": most})
        super().__init__(
            uvicorn.Config(
                app,
                http=own,
                loop="asyncio",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                headers=[("server", "npu-eval")],
                backlog=_BACKLOG,
                timeout_keep_alive=app.limits.idle_s,
                h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            )
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins the stop, the second ends the process.

        uvicorn would raise the signal again after its stop, and so die of it.
        """
        del sig, frame
        if self.should_exit:
            self._at_once()
            os._exit(EXIT_INTERRUPTED)
        self._app.stopping = self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port."""
        await super().startup(sockets=sockets)
        self._opened()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer all that was received, and end within ``stop_s``."""
        loop = asyncio.get_running_loop()
        self._app.stopping = True
        loop.call_later(self._app.limits.answer_s, self._app.give_up)
        loop.call_later(self._app.limits.stop_s, self._abort)
        await asyncio.sleep(0.1)  # what had arrived before the signal is accepted and read
        await super().shutdown(sockets=sockets)

    def _abort(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def bound(host: str, port: int) -> socket.socket:
    """A socket with an address, that does not listen yet.

    Raises:
        ConfigError: the port is taken or may not be used, or the host is none of this machine.
    """
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        opened = socket.socket(family, kind, number)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
        except OSError:
            opened.close()
            raise
    except (OSError, UnicodeError) as error:
        raise _closed(host, port, error) from error
    return opened


def listen(opened: socket.socket, host: str) -> None:
    """Let clients connect.

    Raises:
        ConfigError: another process listens there since.
    """
    try:
        opened.listen(_BACKLOG)
    except OSError as error:
        raise _closed(host, opened.getsockname()[1], error) from error


def _closed(host: str, port: int, error: Exception) -> ConfigError:
    why = getattr(error, "strerror", None) or str(error)
    return ConfigError(
        f"the port cannot be opened ({why})",
        where=f"{host}:{port}",
        fix="free it, or name another with --port and --host",
    )


def address_of(opened: socket.socket) -> str:
    """``host:port`` as an address on the web writes it."""
    found: tuple[Any, ...] = opened.getsockname()
    return f"[{found[0]}]:{found[1]}" if opened.family == socket.AF_INET6 else f"{found[0]}:{found[1]}"
