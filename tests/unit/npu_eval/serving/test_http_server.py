"""Every request gets a well-formed answer: right and wrong ones, slow, huge, malformed and half-closed clients."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npu_eval.errors import AdapterError
from npu_eval.serving.http_app import USAGE, App, Limits, Reply, replying
from npu_eval.serving.http_server import MAX_HEADER_BYTES, Server, bound, listen
from npu_eval.serving.inference_queue import InferenceQueue
from npu_eval.serving.photo_requests import MAX_BYTES, PhotoRequest, RefusedError

PHOTO = b"a photo"
HOST = "127.0.0.1"


class FakeModel:
    """Says how long a photo is; some photos it does not like, and for some it needs to be let go on."""

    facts: ClassVar = {"model": "tiny", "stamps": ["no-npu"]}

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Semaphore(0), threading.Semaphore(0)

    def predict(self, request: PhotoRequest) -> dict[str, Any]:
        photo = request.photo()
        if photo == b"wait":
            self.begun.release()
            assert self.go_on.acquire(timeout=20)
        if photo == b"text":
            raise RefusedError(415, "not a photo")
        if photo == b"trap":
            raise AdapterError("raised KeyError in /home/somebody/adapter.py", where="/home/somebody/adapter.py")
        if photo == b"bug":
            raise ZeroDivisionError("/home/somebody/\x1b[2J")
        score = float("nan") if photo == b"nan" else float(len(photo))
        return {**self.facts, "predictions": [{"label": "length", "score": score}]}


@dataclass
class Running:
    """A server in a thread."""

    port: int
    model: FakeModel
    queue: InferenceQueue[PhotoRequest, Reply]
    server: Server
    app: App
    thread: threading.Thread
    said: list[str]

    def connect(self) -> socket.socket:
        return socket.create_connection((HOST, self.port), timeout=20)


@contextlib.contextmanager
def running(limits: Limits | None = None, *, waiting: int = 4, most: int = 100) -> Iterator[Running]:
    opened, model, said = bound(HOST, 0), FakeModel(), list[str]()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # full soon, where a client does not read
    listen(opened, HOST)
    queue: InferenceQueue[PhotoRequest, Reply] = InferenceQueue(replying(model, said.append), most=waiting)
    app, started = App(model.facts, queue, limits), threading.Event()
    server = Server(app, most=most, opened=started.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
    port = opened.getsockname()[1]
    thread.start()
    try:
        assert started.wait(20)
        yield Running(port, model, queue, server, app, thread, said)
    finally:
        server.should_exit = True
        model.go_on.release(100)
        thread.join(20)
        queue.close()
        assert not thread.is_alive()
        assert queue.ended(20)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def impatient() -> Iterator[Running]:
    """A server whose slow clients are soon given up."""
    limits = Limits(header_s=0.5, body_s=0.5, bytes_per_s=10**6, wait_s=0.5, linger_s=0.5, unread_s=0.5, idle_s=1)
    with running(limits) as found:
        yield found


def ask(
    running: Running, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, dict[str, Any], dict[str, str]]:
    connection = http.client.HTTPConnection(HOST, running.port, timeout=20)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    status, text, found = answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()}
    connection.close()
    assert text.count(b"\n") == (1 if text else 0)
    return status, json.loads(text) if text else {}, found


def all_of(client: socket.socket) -> bytes:
    """What the server sends until it hangs up."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


def answers_in(data: bytes) -> list[tuple[int, dict[str, Any]]]:
    """The answers in what a connection sent, each well formed and nothing between them."""
    found = []
    while data:
        match = re.match(rb"HTTP/1\.1 (\d{3}) [A-Za-z -]+\r\n(?:[A-Za-z-]+: [^\r\n]+\r\n)+\r\n", data)
        assert match, data[:200]
        length = re.search(rb"(?i)content-length: (\d+)", match[0])
        assert length, match[0]
        body = data[match.end() : match.end() + int(length[1])]
        assert len(body) == int(length[1])
        found.append((int(match[1]), json.loads(body)))
        data = data[match.end() + int(length[1]) :]
    return found


def raw(running: Running, data: bytes, *, half_close: bool = False) -> list[tuple[int, dict[str, Any]]]:
    with running.connect() as client:
        client.sendall(data)
        if half_close:
            client.shutdown(socket.SHUT_WR)
        return answers_in(all_of(client))


def post(body: bytes, *more: bytes) -> bytes:
    return b"\r\n".join([b"POST / HTTP/1.1", b"Host: x", b"Content-Length: %d" % len(body), *more, b"", body])


# --- what is asked ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/health", "/health?full=1", "http://somewhere:80/health"])
def test_health_tells_what_serves(server: Running, path: str) -> None:
    assert ask(server, "GET", path)[:2] == (200, {"status": "ok", "model": "tiny", "stamps": ["no-npu"]})


def test_ready_says_how_many_wait(server: Running) -> None:
    assert ask(server, "GET", "/ready")[:2] == (200, {"status": "ready", "waiting": 0})


def test_head_has_the_headers_alone(server: Running) -> None:
    status, answer, headers = ask(server, "HEAD", "/health")
    assert (status, answer) == (200, {})
    assert int(headers["content-length"]) > 0


@pytest.mark.parametrize("path", ["/", "/predict", "/predict?a=b"])
def test_a_photo_gets_its_predictions(server: Running, path: str) -> None:
    status, answer, _ = ask(server, "POST", path, PHOTO, Content_Type="image/jpeg")
    assert (status, answer["predictions"]) == (200, [{"label": "length", "score": 7.0}])


def test_a_photo_in_json_or_in_pieces_is_the_same_photo(server: Running) -> None:
    body = json.dumps({"image": base64.b64encode(PHOTO).decode()}).encode()
    plain = ask(server, "POST", "/predict", PHOTO)[:2]
    assert ask(server, "POST", "/predict", body, Content_Type="Application/JSON; charset=utf-8")[:2] == plain
    assert ask(server, "POST", "/predict", iter([PHOTO[:3], PHOTO[3:]]))[:2] == plain


def test_one_connection_carries_many_requests_and_those_sent_ahead(server: Running) -> None:
    last = post(b"abc", b"Connection: close")
    answers = raw(server, post(PHOTO) + b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n" + post(b"text") + last)
    assert [status for status, _ in answers] == [200, 404, 415, 200]
    assert answers[3][1]["predictions"][0]["score"] == 3.0


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "why"),
    [
        ("GET", "/else", None, {}, 404, USAGE),
        ("POST", "/else", PHOTO, {}, 404, USAGE),
        ("GET", "/../../etc/passwd", None, {}, 404, USAGE),
        ("GET", "/predict", None, {}, 405, "/predict takes POST"),
        ("PUT", "/", PHOTO, {}, 405, "/ takes GET or HEAD or POST"),
        ("POST", "/health", PHOTO, {}, 405, "/health takes GET or HEAD"),
        ("BREW", "/ready", None, {}, 405, "/ready takes GET or HEAD"),
        ("POST", "/", b"", {}, 400, "the body holds no photo"),
        ("POST", "/", b"text", {}, 415, "not a photo"),
        ("POST", "/", b"{", {"Content_Type": "application/json"}, 400, "JSON must be"),
        ("POST", "/", b"trap", {}, 500, "the server's log says why"),
        ("POST", "/", b"bug", {}, 500, "the server's log says why"),
        ("POST", "/", b"nan", {}, 500, "the server's log says why"),
        ("POST", "/", PHOTO, {"Content_Length": "-1"}, 400, "no request of HTTP/1.1"),
        ("POST", "/", PHOTO, {"Content_Length": "many"}, 400, "no request of HTTP/1.1"),
        ("POST", "/", PHOTO, {"Content_Length": str(10**12)}, 413, f"at most {MAX_BYTES} bytes"),
        ("POST", "/", iter([bytes(2**20)] * 40), {}, 413, f"at most {MAX_BYTES} bytes"),
    ],
)  # fmt: skip
def test_what_is_refused_gets_a_reason_and_the_server_stays(
    server: Running, method: str, path: str, body: Any, headers: dict[str, str], status: int, why: str
) -> None:
    found, answer, told = ask(server, method, path, body, **headers)
    assert (found, list(answer)) == (status, ["error"])
    assert why in answer["error"]
    assert "/home" not in answer["error"]
    assert ("allow" in told) == (status == 405)
    assert ask(server, "GET", "/health")[0] == 200


def test_why_the_model_failed_is_in_the_log_without_control_characters(server: Running) -> None:
    server.said.clear()
    ask(server, "POST", "/", b"trap")
    ask(server, "POST", "/", b"bug")
    trap, bug = server.said
    assert trap.endswith("500: /home/somebody/adapter.py: raised KeyError in /home/somebody/adapter.py")
    assert "ZeroDivisionError" in bug
    assert "\x1b" not in bug


def test_a_post_must_say_its_length(server: Running) -> None:
    assert raw(server, b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") == [
        (411, {"error": "say the length of the photo (Content-Length)"})
    ]


def test_a_huge_body_is_read_to_its_end_so_that_the_answer_is_not_lost(server: Running) -> None:
    """A client that sends all before it reads; were the connection closed on it, the answer would be lost."""
    size = 2 * MAX_BYTES
    with server.connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 2**20):
            client.sendall(bytes(2**20))
        assert answers_in(all_of(client)) == [(413, {"error": f"a photo may have at most {MAX_BYTES} bytes"})]


def test_who_asks_first_sends_no_huge_body(server: Running) -> None:
    with server.connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 413"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * (4 * MAX_HEADER_BYTES), 431),
    ],
)
def test_what_is_no_http_is_told_so(server: Running, data: bytes, status: int) -> None:
    ((found, answer),) = raw(server, data)
    assert (found, list(answer)) == (status, ["error"])
    assert ask(server, "GET", "/health")[0] == 200


@settings(max_examples=60)
@given(st.one_of(st.binary(min_size=1, max_size=300), st.binary(max_size=40).map(lambda more: post(PHOTO, more)),
                 st.integers(1, len(post(PHOTO)) - 1).map(lambda cut: post(PHOTO)[:cut])))  # fmt: skip
def test_whatever_a_client_sends_before_it_closes_its_half_gets_answers(server: Running, data: bytes) -> None:
    answers = raw(server, data, half_close=True)
    assert answers or not data.strip(b"\r\n")
    assert all(status in (200, 400, 404, 405, 411, 431) for status, _ in answers)


def test_a_client_that_closes_its_half_gets_its_answer(server: Running) -> None:
    assert [status for status, _ in raw(server, post(PHOTO), half_close=True)] == [200]
    assert [status for status, _ in raw(server, post(PHOTO) * 3, half_close=True)] == [200] * 3
    assert [status for status, _ in raw(server, post(PHOTO) + b"GET", half_close=True)] == [200, 400]
    assert raw(server, post(PHOTO)[:-2], half_close=True) == [(400, {"error": "the request ended before it was whole"})]


def test_a_client_that_goes_away_in_the_middle_disturbs_nobody(server: Running) -> None:
    for data in (post(PHOTO)[:20], post(PHOTO)[:-2], post(PHOTO)):
        with server.connect() as client:
            client.sendall(data)
    assert ask(server, "GET", "/health")[0] == 200


# --- what is slow -----------------------------------------------------------------------------------------------------


def drip(client: socket.socket, data: bytes) -> bytes:
    """Send a byte every now and then until the server has enough of it."""
    client.settimeout(0.1)
    for number in range(200):
        with contextlib.suppress(TimeoutError):
            if found := client.recv(65536):
                client.settimeout(20)
                return found + all_of(client)
        client.sendall(data[number : number + 1] or b"a")
    raise AssertionError("it was never told to go")


@pytest.mark.parametrize(
    ("first", "then", "why"),
    [
        (b"", b"GET / HTTP/1.1\r\nA: ", "the request's header was not there after"),
        (post(PHOTO) + b"G", b"ET / HTTP/1.1\r\nA: ", "the request's header was not there after"),
        (post(bytes(7000))[:-7000], b"", "the body came too slowly"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"", "the body came too slowly"),
    ],
)
def test_a_client_that_drips_is_told_so_and_holds_nobody_up(
    impatient: Running, first: bytes, then: bytes, why: str
) -> None:
    with impatient.connect() as client:
        client.sendall(first)
        told = answers_in(drip(client, then + b"1\r\na\r\n" * 100))
        assert told[-1][0] == 408
        assert why in told[-1][1]["error"]
    assert ask(impatient, "POST", "/", PHOTO)[0] == 200


def test_a_client_that_says_nothing_is_let_go_without_a_word(impatient: Running) -> None:
    with impatient.connect() as client:
        assert all_of(client) == b""
    with impatient.connect() as client:
        client.sendall(post(PHOTO))
        assert [status for status, _ in answers_in(all_of(client))] == [200], "nor after its request"


def test_a_turn_that_does_not_come_is_told(impatient: Running) -> None:
    with impatient.connect() as first:
        first.sendall(post(b"wait"))
        assert impatient.model.begun.acquire(timeout=20)
        status, answer, headers = ask(impatient, "POST", "/", PHOTO)
        assert (status, answer) == (503, {"error": "no turn within 0 s; try again later"})
        assert headers["retry-after"] == "1"
        assert ask(impatient, "GET", "/ready")[0] == 503, "the device hangs, maybe"
        impatient.model.go_on.release()
    assert impatient.queue.unanswered <= 1


def test_who_does_not_read_is_given_up(impatient: Running) -> None:
    with impatient.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        with contextlib.suppress(OSError):
            client.settimeout(20)
            for _ in range(20_000_000):
                client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            pytest.fail("it was never given up")
    assert ask(impatient, "GET", "/health")[0] == 200


# --- what is too much -------------------------------------------------------------------------------------------------


def test_more_than_may_wait_are_told_when_to_come_back_and_those_who_went_leave_their_place() -> None:
    with running(waiting=2) as server, contextlib.ExitStack() as clients:
        sent = []
        for number in range(3):
            client = clients.enter_context(server.connect())
            client.sendall(post(b"wait"))
            sent.append(client)
            if number == 0:
                assert server.model.begun.acquire(timeout=20)
        until(lambda: server.queue.full)
        for method, path, body in (("POST", "/", PHOTO), ("GET", "/ready", None)):
            status, answer, headers = ask(server, method, path, body)
            assert (status, answer) == (503, {"error": "2 requests wait already; try again later"})
            assert headers["retry-after"].isdigit()
        assert ask(server, "GET", "/health")[0] == 200
        sent[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sent[1].close()  # by a reset: a mere close may be half of one
        until(lambda: not server.queue.full)
        server.model.go_on.release(2)
        assert [client.recv(12) for client in (sent[0], sent[2])] == [b"HTTP/1.1 200"] * 2


def test_bodies_share_a_bounded_memory() -> None:
    with running(Limits(held_bytes=1000)) as server:
        with server.connect() as first:
            first.sendall(post(bytes(900))[:-1])
            until(lambda: server.app._held == 899)
            status, answer, headers = ask(server, "POST", "/", bytes(200))
            assert (status, "too many photos" in answer["error"], headers["retry-after"]) == (503, True, "1")
            assert ask(server, "POST", "/", PHOTO)[0] == 200
            first.sendall(bytes(1))
            assert first.recv(12) == b"HTTP/1.1 200"
        until(lambda: server.app._held == 0)


def test_one_client_more_than_may_be_connected_is_told() -> None:
    with running(most=2) as server, contextlib.ExitStack() as clients:
        for _ in range(2):
            clients.enter_context(server.connect())
        assert raw(server, post(PHOTO)) == [(503, {"error": "2 clients are connected already; try again later"})]
    with running(most=2) as server:
        assert ask(server, "GET", "/health")[0] == 200


# --- the stop ---------------------------------------------------------------------------------------------------------


def test_the_stop_answers_what_is_in_work_and_ends_what_is_idle_or_half_sent() -> None:
    with running() as server, contextlib.ExitStack() as clients:
        working, header, body, idle = (clients.enter_context(server.connect()) for _ in range(4))
        working.sendall(post(b"wait"))
        assert server.model.begun.acquire(timeout=20)
        header.sendall(b"GET / HT")
        body.sendall(post(PHOTO)[:-1])
        until(lambda: len(server.server.server_state.tasks) == 2)
        server.server.should_exit = True
        assert answers_in(all_of(header)) == [(503, {"error": "the server is stopping"})]
        assert all_of(idle) == b""
        body.sendall(PHOTO[-1:])
        server.model.go_on.release()
        for client in (working, body):
            ((status, answer),) = answers_in(all_of(client))
            assert (status, answer["model"]) == (200, "tiny")
        server.thread.join(20)
        assert not server.thread.is_alive()


def test_what_cannot_be_answered_in_time_is_told_so_when_the_server_stops() -> None:
    with running(Limits(answer_s=0.3, stop_s=0.6)) as server, contextlib.ExitStack() as clients:
        working, waiting, body = (clients.enter_context(server.connect()) for _ in range(3))
        working.sendall(post(b"wait"))
        assert server.model.begun.acquire(timeout=20)
        waiting.sendall(post(PHOTO))
        body.sendall(post(PHOTO)[:-1])
        until(lambda: len(server.server.server_state.tasks) == 3)
        server.server.should_exit = True
        for client in (working, waiting, body):
            assert answers_in(all_of(client)) == [(503, {"error": "the server is stopping"})]
        server.thread.join(20)
        assert not server.thread.is_alive()


def until(true: Callable[[], bool]) -> None:
    for _ in range(2000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to be so")


def test_the_stop_takes_less_than_five_seconds() -> None:
    assert Limits().answer_s < Limits().stop_s < 5
