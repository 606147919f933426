"""A small web site on this machine that misbehaves on demand, for tests of downloads."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import re
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

CHUNK_BYTES = 16_384


@dataclass
class Site:
    """What the site serves and what it was asked. The dictionaries have paths as keys."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, list[int]] = field(default_factory=dict)  # answered, one per request, before the file
    cuts: dict[str, list[int]] = field(default_factory=dict)  # body bytes, one per request, before the connection drops
    validators: bool = True  # ETag is sent and If-None-Match, Range and If-Range are understood
    pause_s: float = 0.0  # before each chunk
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def etag(self, path: str) -> str:
        return f'"{hashlib.sha256(self.files[path]).hexdigest()[:12]}"'

    def asked(self, path: str) -> list[dict[str, str]]:
        """The headers of the requests for a path."""
        return [headers for asked, headers in self.requests if asked == path]


class _Handler(http.server.BaseHTTPRequestHandler):
    @property
    def site(self) -> Site:
        assert isinstance(self.server, _Server)
        return self.server.site

    def do_GET(self) -> None:
        site, path = self.site, self.path.partition("?")[0]
        site.requests.append((path, {name.lower(): value for name, value in self.headers.items()}))
        if site.statuses.get(path):
            self.send_error(site.statuses[path].pop(0))
        elif path in site.redirects:
            self._answer(302, Location=site.redirects[path])
        elif path not in site.files:
            self.send_error(404)
        else:
            self._send_file(path)

    def _send_file(self, path: str) -> None:
        body, tag = self.site.files[path], {"ETag": self.site.etag(path)} if self.site.validators else {}
        if tag and self.headers.get("If-None-Match") == tag["ETag"]:
            return self._answer(304)
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and tag and self.headers.get("If-Range") == tag["ETag"] else 0
        if start and start >= len(body):
            return self._answer(416, Content_Range=f"bytes */{len(body)}")
        ranged = {"Content_Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if start else {}
        self._answer(206 if start else 200, Content_Length=str(len(body) - start), **tag, **ranged)
        cuts = self.site.cuts.get(path)
        end = min(start + cuts.pop(0), len(body)) if cuts else len(body)
        for place in range(start, end, CHUNK_BYTES):
            time.sleep(self.site.pause_s)
            self.wfile.write(body[place : min(end, place + CHUNK_BYTES)])
        return None

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Tests read `requests` instead."""


class _Server(http.server.ThreadingHTTPServer):
    def __init__(self, site: Site) -> None:
        self.site = site
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that was killed is meant
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serve() -> Iterator[Site]:
    site = Site()
    with _Server(site) as server:
        site.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
