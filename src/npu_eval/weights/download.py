"""One URL into one file, over a network that breaks: resumed, retried, bounded, spoken about.

It knows HTTP and nothing of weights. The bytes grow in a `.part` file; beside it lies the validator (ETag or
Last-Modified) of the version they belong to, so a later attempt continues that version (`If-Range`, RFC 9110 section
13.1.5) or starts over, and never glues two versions together. Only the standard library, because it travels.
"""

from __future__ import annotations

import contextlib
import email.message
import errno
import http.client
import os
import re
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from npu_eval.errors import WeightsError

Say = Callable[[str], None]

TIMEOUT_S = 30.0  # silence on a socket, not the length of a download
BACKOFF_S = (0.5, 1.0, 2.0, 4.0)  # pauses between attempts that brought no new byte; then the host counts as silent
PROGRESS_S = 5.0  # a line at least this often
PROGRESS_SHARE = 0.1  # or after this share of the file, but
PROGRESS_MINIMUM_S = 1.0  # not more often than this
CHUNK_BYTES = 1 << 18

_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_NETWORK_ERRORS = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError)
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class NoAnswerError(WeightsError):
    """Nobody answers: no network, no such host, a host that keeps failing. An older copy may stand in."""


class HttpStatusError(WeightsError):
    """The host answers, and the answer is no."""

    def __init__(self, what: str, *, status: int) -> None:
        super().__init__(what)
        self.status = status


class _Transient(Exception):  # noqa: N818 - never leaves this module
    """Worth another attempt."""


@dataclass(frozen=True)
class Downloaded:
    """A finished download; ``etag`` is empty where the host gives none."""

    etag: str


def download(
    url: str, part: Path, *, say: Say, allow_http: bool = False, bearer: str = "", known_etag: str = ""
) -> Downloaded | None:
    """Bring the whole content of ``url`` into ``part``, continuing what an earlier attempt left there.

    Args:
        part: the growing file; its folder exists. The caller renames it and then calls :func:`discard`.
        allow_http: whether an unencrypted address is acceptable (also as the target of a redirect).
        bearer: a token for the host of ``url``; it is never sent on to another host.
        known_etag: the ETag of a copy the caller has.

    Returns:
        None when the host says that the copy with ``known_etag`` is still the current one.

    Raises:
        NoAnswerError: no connection, or attempts that keep breaking.
        HttpStatusError: any other HTTP status than success.
        WeightsError: an unencrypted address, or a full or unwritable disk.
    """
    opener = urllib.request.build_opener(_Redirects(allow_http=allow_http))
    _require_encryption(url, allow_http=allow_http)
    best = _size(part)
    failures = 0
    while True:
        try:
            return _attempt(opener, url, part, say=say, bearer=bearer, known_etag=known_etag)
        except _Transient as error:
            size = _size(part)
            failures = 1 if size > best else failures + 1
            best = max(best, size)
            if failures > len(BACKOFF_S):
                raise NoAnswerError(f"no answer from {_host(url)} after {failures} attempts ({error})") from error
            say(f"{_host(url)}: {error}; trying again")
            time.sleep(BACKOFF_S[failures - 1])


def discard(part: Path) -> None:
    """Remove what is left of a download: the part, if it still lies there, and the note of its version."""
    part.unlink(missing_ok=True)
    _validator_file(part).unlink(missing_ok=True)


def disk_trouble(error: OSError, path: Path) -> WeightsError:
    """The one-line form of a file system's refusal."""
    if error.errno in _DISK_FULL:
        return WeightsError(f"the disk is full at {path.parent}", fix="free some space, or set NPU_DELIVER_CACHE")
    return WeightsError(f"{path} cannot be written ({error.strerror or error})", fix="set NPU_DELIVER_CACHE")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but keeps the token on its host and does not leave encryption."""

    def __init__(self, *, allow_http: bool) -> None:
        self._allow_http = allow_http

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        _require_encryption(newurl, allow_http=self._allow_http)
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        old, new = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        token = req.unredirected_hdrs.get("Authorization")
        if request is not None and token and (old.scheme, old.netloc) == (new.scheme, new.netloc):
            request.add_unredirected_header("Authorization", token)
        return request


def _attempt(
    opener: urllib.request.OpenerDirector, url: str, part: Path, *, say: Say, bearer: str, known_etag: str
) -> Downloaded | None:
    offset, validator = _resumable(part)
    request = urllib.request.Request(url, headers={"User-Agent": "npu-deliver"})  # noqa: S310 - scheme checked above
    if offset:
        request.add_header("Range", f"bytes={offset}-")
        request.add_header("If-Range", validator)
    elif known_etag:
        request.add_header("If-None-Match", known_etag)
    if bearer:
        request.add_unredirected_header("Authorization", f"Bearer {bearer}")
    try:
        with opener.open(request, timeout=TIMEOUT_S) as response:
            return _receive(response, part, offset, _Progress(say, _name(url)))
    except urllib.error.HTTPError as error:
        with error:
            return _answered(error, url, part, offset, conditional=bool(known_etag))
    except _NETWORK_ERRORS as error:
        raise _unreachable(error, url) from error


def _answered(
    error: urllib.error.HTTPError, url: str, part: Path, offset: int, *, conditional: bool
) -> Downloaded | None:
    """What another status than success means."""
    if error.code == 304 and conditional and not offset:
        return None
    if error.code == 416 and offset:
        if error.headers.get("Content-Range", "").endswith(f"/{offset}"):
            return Downloaded(etag=_etag(error.headers) or _resumable(part)[1])  # it was complete already
        discard(part)
        raise _Transient("the partial file no longer fits")
    if error.code in _TRANSIENT_STATUS:
        raise _Transient(f"HTTP {error.code}")
    meaning = {401: "access denied", 403: "access denied", 404: "no such file", 410: "no such file"}
    what = f"{meaning.get(error.code, 'refused')}: {_host(url)} answers HTTP {error.code} for {_name(url)}"
    raise HttpStatusError(what, status=error.code)


def _unreachable(error: Exception, url: str) -> Exception:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        what = f"the certificate of {_host(url)} is not trusted ({reason.verify_message})"
        return NoAnswerError(what, fix="behind a proxy that re-encrypts, set SSL_CERT_FILE to its CA bundle")
    if isinstance(reason, socket.gaierror) and reason.errno == socket.EAI_NONAME:
        return NoAnswerError(f"no network: the name {_host(url)} is not known here")
    return _Transient(str(reason) or type(reason).__name__)


def _receive(response: Any, part: Path, offset: int, progress: _Progress) -> Downloaded:
    """Append the body to the part, or start it anew where the host sends the whole file."""
    total = _content_length(response.headers)
    if response.status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != offset:
            discard(part)
            raise _Transient("the host resumed at another place than asked")
        total = int(match[2]) if match[2] != "*" else None
    else:
        offset = 0
    _require_space(part, (total or 0) - offset)
    progress.start(offset, total)
    try:
        if not offset:
            _remember_validator(part, response.headers)
        with part.open("ab" if offset else "wb") as stream:
            _copy(response, stream, progress)
            stream.flush()
            os.fsync(stream.fileno())
    except _NETWORK_ERRORS:
        raise
    except OSError as error:
        raise disk_trouble(error, part) from error
    size = _size(part)
    if total is not None and size != total:
        raise _Transient(f"the connection closed at {size / 1e6:.1f} of {total / 1e6:.1f} MB")
    progress.finish()
    return Downloaded(etag=_etag(response.headers))


def _copy(response: Any, stream: IO[bytes], progress: _Progress) -> None:
    while chunk := response.read(CHUNK_BYTES):
        stream.write(chunk)
        progress.advance(len(chunk))


def _resumable(part: Path) -> tuple[int, str]:
    """(bytes that may be kept, the validator of their version); (0, "") where nothing may be kept."""
    with contextlib.suppress(OSError):
        validator = _validator_file(part).read_text(encoding="latin-1")
        if validator and (size := _size(part)):
            return size, validator
    return 0, ""


def _remember_validator(part: Path, headers: email.message.Message) -> None:
    etag = _etag(headers)
    validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")
    part.unlink(missing_ok=True)  # first, so that no kill leaves old bytes beside a new validator
    _validator_file(part).write_text(validator, encoding="latin-1")


def _validator_file(part: Path) -> Path:
    return part.with_name(part.name + ".version")


def _etag(headers: email.message.Message) -> str:
    return str(headers.get("ETag", ""))


def _content_length(headers: email.message.Message) -> int | None:
    text = headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None


def _require_encryption(url: str, *, allow_http: bool) -> None:
    scheme = urllib.parse.urlsplit(url).scheme
    if scheme == "https" or (scheme == "http" and allow_http):
        return
    raise WeightsError(f"{scheme}://{_host(url)} is not encrypted", fix="use https, or give the file's sha256")


def _require_space(part: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed_bytes > free:
        what = f"{needed_bytes / 1e6:.1f} MB are to come and {free / 1e6:.1f} MB are free at {part.parent}"
        raise WeightsError(what, fix="free some space, or set NPU_DELIVER_CACHE")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).hostname or url


def _name(url: str) -> str:
    return urllib.parse.unquote(urllib.parse.urlsplit(url).path).rsplit("/", 1)[-1]


class _Progress:
    """Says how far a download is, often enough to be believed and rarely enough to be read."""

    def __init__(self, say: Say, name: str) -> None:
        self._say = say
        self._name = name

    def start(self, offset: int, total: int | None) -> None:
        self._offset = self._done = self._told = offset
        self._total = total
        self._began_s = self._told_s = time.monotonic()
        if offset:
            self._say(f"{self._name}: continuing after {offset / 1e6:.1f} MB")

    def advance(self, count: int) -> None:
        self._done += count
        waited_s = time.monotonic() - self._told_s
        share = (self._done - self._told) / self._total if self._total else 0.0
        if waited_s >= PROGRESS_S or (share >= PROGRESS_SHARE and waited_s >= PROGRESS_MINIMUM_S):
            self._tell()

    def finish(self) -> None:
        self._tell()

    def _tell(self) -> None:
        self._told, self._told_s = self._done, time.monotonic()
        rate = (self._done - self._offset) / max(self._told_s - self._began_s, 1e-3)
        of_total = f" of {self._total / 1e6:.1f} MB ({self._done / self._total:.0%})" if self._total else " MB"
        self._say(f"{self._name}: {self._done / 1e6:.1f}{of_total}, {rate / 1e6:.1f} MB/s")
