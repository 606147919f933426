"""Whether the server loses an answer under load, what memory it takes, and how it stops.

    python benchmarks/serving.py deliverables/efficientnet_lite0/npu_deliverables [--weights FILE] [--requests 10000]

Starts the deliverable's server on the CPU and asks it from this process: photos and wrong requests, many at once,
beside clients that drip their headers and bodies and others that send 100 MB or a PNG of 30 000 x 30 000 pixels. Every
request must get a well-formed answer of a status that fits it. Then SIGTERM, with as many photos sent at once. Prints
counts, resident memory and the seconds of the stop; ends with 1 where an answer was lost or wrong. Needs no quiet
machine: it measures no speed.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import re
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]+\r\n(?:[A-Za-z-]+: [^\r\n]*\r\n)+\r\n")
PATH = re.compile(r"/(?:home|tmp|root|opt|usr)\b")
HUGE_BYTES = 100_000_000


Kind = tuple[str, bytes, tuple[int, ...]]
"""A name, the request, and the statuses that fit."""


@dataclass
class Tally:
    """What was answered, by kind of request and status; what was lost, with the reason; what did not fit."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def note(self, kind: str, status: int, fitting: tuple[int, ...]) -> None:
        self.answers[kind, status] += 1
        if status not in fitting:
            self.wrong.append(f"{kind}: {status}")


@dataclass
class Client:
    """One connection, opened anew when the server has closed it."""

    port: int
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None

    async def ask(self, data: bytes) -> int:
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(data)
        await self.writer.drain()
        return await self.answer()

    async def answer(self) -> int:
        """The status of a whole and well-formed answer."""
        assert self.reader is not None
        head = await self.reader.readuntil(b"\r\n\r\n")
        match = HEAD.fullmatch(head)
        assert match, head[:200]
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)\r\n", head)
        assert length, head
        body = json.loads(await self.reader.readexactly(int(length[1])))
        status = int(match[1])
        assert ("error" in body) == (status != 200), body
        assert not PATH.search(str(body.get("error", ""))), body
        if re.search(rb"(?i)\r\nconnection: close\r\n", head):
            self.close()
        return status

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


def post(body: bytes, *more: str) -> bytes:
    head = ["POST /predict HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(head).encode() + body


def bomb() -> bytes:
    """A PNG of 30 000 x 30 000 pixels, with few of them there."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)),
              (b"IDAT", zlib.compress(bytes(10**6))), (b"IEND", b"")]  # fmt: skip
    parts = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def mixture(photo: bytes) -> list[Kind]:
    """Kinds of requests with the statuses that fit; 503 fits any photo. Mostly photos."""
    as_json = json.dumps({"image": base64.b64encode(photo).decode()}).encode()
    good = [("photo", post(photo), (200, 503))] * 12
    return [
        *good,
        ("photo in JSON", post(as_json, "Content-Type: application/json"), (200, 503)),
        ("health", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", (200,)),
        ("cut short", post(photo[: len(photo) // 2]), (400, 503)),
        ("no photo", post(b"hello"), (415, 503)),
        ("bad JSON", post(b"{", "Content-Type: application/json"), (400, 503)),
        ("too many pixels", post(bomb()), (413, 503)),
        ("no such path", b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n", (404,)),
        ("wrong method", b"DELETE /health HTTP/1.1\r\nHost: x\r\n\r\n", (405,)),
        ("no HTTP", b"GARBAGE\r\n\r\n", (400,)),
        ("no length", b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", (411,)),
    ]


async def one_after_the_other(port: int, left: list[int], kinds: list[Kind], tally: Tally) -> None:
    """A client that asks until all has been asked; now and then on a new connection."""
    client = Client(port)
    while left[0] > 0:
        left[0] -= 1
        kind, data, fitting = random.choice(kinds)  # noqa: S311
        await noted(client, data, kind, fitting, tally)
        if random.random() < 0.1:  # noqa: S311
            client.close()
    client.close()


async def noted(client: Client, data: bytes, kind: str, fitting: tuple[int, ...], tally: Tally) -> None:
    try:
        tally.note(kind, await asyncio.wait_for(client.ask(data), 120), fitting)
    except (OSError, EOFError, AssertionError, TimeoutError, ValueError) as error:
        tally.lost.append(f"{kind}: {type(error).__name__} {error}"[:300])
        client.close()


async def dripping(port: int, first: bytes, kind: str, tally: Tally, over: asyncio.Event) -> None:
    """A client that sends a byte a second until it is told to go."""
    while not over.is_set():
        client = Client(port)
        try:
            client.reader, client.writer = await asyncio.open_connection("127.0.0.1", port)
            client.writer.write(first)
            answer = asyncio.ensure_future(client.answer())
            while not answer.done():
                client.writer.write(b"a")
                await asyncio.wait([answer], timeout=1)
            tally.note(kind, answer.result(), (408, 503))
        except (OSError, EOFError, AssertionError, ValueError) as error:
            tally.lost.append(f"{kind}: {type(error).__name__} {error}"[:300])
        client.close()


async def huge(port: int, tally: Tally, over: asyncio.Event) -> None:
    """Clients that send 100 MB, said beforehand or in chunks, and read only then."""
    part = bytes(10**6)
    chunk = b"%x\r\n" % len(part) + part + b"\r\n"
    for kind, head, piece, end in (
        ("100 MB", f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {HUGE_BYTES}\r\n\r\n".encode(), part, b""),
        ("100 MB in chunks", b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", chunk, b"0\r\n\r\n"),
    ) * 10:  # fmt: skip
        if over.is_set():
            return
        client = Client(port)
        try:
            client.reader, client.writer = await asyncio.open_connection("127.0.0.1", port)
            client.writer.write(head)
            for _ in range(HUGE_BYTES // len(part)):
                client.writer.write(piece)
                await client.writer.drain()
            client.writer.write(end)
            tally.note(kind, await asyncio.wait_for(client.answer(), 120), (413, 503))
        except (OSError, EOFError, AssertionError, TimeoutError, ValueError) as error:
            tally.lost.append(f"{kind}: {type(error).__name__} {error}"[:300])
        client.close()


def resident_mb(pid: int) -> float:
    (line,) = [x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


async def watch(pid: int, peak: list[float], over: asyncio.Event) -> None:
    while not over.is_set():
        peak.append(resident_mb(pid))
        await asyncio.sleep(0.2)


async def load(port: int, pid: int, photo: bytes, requests: int, at_once: int, slow: int) -> tuple[Tally, list[float]]:
    tally, over, memory = Tally(), asyncio.Event(), [0.0]
    kinds = mixture(photo)
    await asyncio.gather(*(one_after_the_other(port, [20], kinds, Tally()) for _ in range(10)))  # warm
    memory[0] = resident_mb(pid)
    body = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    beside = [watch(pid, memory, over), huge(port, tally, over)]
    beside += [dripping(port, b"GET / HTTP/1.1\r\nA: ", "dripped header", tally, over) for _ in range(slow)]
    beside += [dripping(port, body, "dripped body", tally, over) for _ in range(slow)]
    others = [asyncio.ensure_future(one) for one in beside]
    left = [requests]
    await asyncio.gather(*(one_after_the_other(port, left, kinds, tally) for _ in range(at_once)))
    over.set()
    await asyncio.gather(*others)
    await asyncio.sleep(1)
    return tally, [memory[0], max(memory), resident_mb(pid)]


async def stop(port: int, server: subprocess.Popen[str], photo: bytes, at_once: int) -> tuple[Tally, float]:
    """SIGTERM when all photos are sent; the seconds until the process has ended."""
    tally = Tally()
    clients = [Client(port) for _ in range(at_once)]
    for client in clients:
        client.reader, client.writer = await asyncio.open_connection("127.0.0.1", port)
    for client in clients:
        assert client.writer is not None
        client.writer.write(post(photo))
        await client.writer.drain()
    started = time.monotonic()
    server.send_signal(signal.SIGTERM)
    ended = asyncio.ensure_future(asyncio.to_thread(server.wait, 30))
    for client in clients:
        try:
            tally.note("photo at the stop", await asyncio.wait_for(client.answer(), 30), (200, 503))
        except (OSError, EOFError, AssertionError, TimeoutError, ValueError) as error:
            tally.lost.append(f"at the stop: {type(error).__name__} {error}"[:300])
        client.close()
    await ended
    return tally, time.monotonic() - started


def told(tally: Tally) -> None:
    for (kind, status), count in sorted(tally.answers.items()):
        print(f"  {kind:<18} {status}  {count}")
    print(f"  lost {len(tally.lost)}, of a status that does not fit {len(tally.wrong)}")
    for line in [*tally.lost, *tally.wrong][:10]:
        print(f"    {line}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", default="")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=200)
    parser.add_argument("--slow", type=int, default=50, help="clients that drip headers, and as many that drip bodies")
    asked = parser.parse_args()
    photo = min((asked.folder / "inputs").iterdir()).read_bytes()
    command = [sys.executable, "-B", "-m", "npu_eval.serving", "--port", "0", "--device", "cpu"]
    command += ["--weights", asked.weights] if asked.weights else []
    with subprocess.Popen(command, cwd=asked.folder, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            line = next(line for line in server.stderr if line.startswith(("serving on", "npu-deliver-error")))
            port = int(line.rpartition(":")[2])
            tally, (before, peak, after) = asyncio.run(
                load(port, server.pid, photo, asked.requests, asked.at_once, asked.slow)
            )
            total = tally.answers.total() + len(tally.lost)
            print(f"{total} requests, {asked.at_once} at once beside {2 * asked.slow} slow clients")
            told(tally)
            print(f"  resident memory: {before:.0f} MiB before, {peak:.0f} at most, {after:.0f} after")
            stopped, seconds = asyncio.run(stop(port, server, photo, asked.at_once))
            print(f"SIGTERM with {asked.at_once} photos sent: ended with {server.returncode} after {seconds:.1f} s")
            told(stopped)
        finally:
            server.kill()
    return int(bool(tally.lost or tally.wrong or stopped.lost or stopped.wrong or server.returncode or seconds > 5))


if __name__ == "__main__":
    sys.exit(main())
