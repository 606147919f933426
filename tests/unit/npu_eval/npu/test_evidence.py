from __future__ import annotations

import ctypes
import os
import platform
import stat
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from npu_eval.npu import evidence as npu

REAL_PATH = Path


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A root folder that stands for the machine's: absolute paths of the module lead below it."""

    def below(path: str | Path) -> Path:
        return tmp_path / str(path).lstrip("/") if str(path).startswith("/") else REAL_PATH(path)

    for variable in ("ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(npu, "Path", below)
    monkeypatch.setattr(npu, "DRIVER_VERSION", below(npu.DRIVER_VERSION))
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "machine-type")
    return tmp_path


def put(machine: Path, path: str, text: str) -> Path:
    target = machine / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return target


# --- is it real? -----------------------------------------------------------------------------------------------------

INSTALL_INFO = "package_name=Ascend-cann-toolkit\nversion=8.2.RC1\ninnerversion=V100R001C22\narch=aarch64\n"
INFO = "aarch64-linux/ascend_toolkit_install.info"
LATEST = "/usr/local/Ascend/ascend-toolkit/latest"

PIECES = {"nodes", "driver", "library", "no mark"}


class Library:
    """A loaded libascendcl; with a mark, as the stand-in of the tests has it."""

    def __init__(self, *, marked: bool) -> None:
        if marked:
            self.simcann_marker = lambda: b"SIMULATED NPU"


def arrange(machine: Path, monkeypatch: pytest.MonkeyPatch, pieces: set[str]) -> None:
    monkeypatch.setattr(npu, "device_nodes", lambda: ("/dev/davinci0",) if "nodes" in pieces else ())
    if "driver" in pieces:
        put(machine, "/usr/local/Ascend/driver/version.info", "Version=25.0.rc1\n")
    library = Library(marked="no mark" not in pieces)
    monkeypatch.setattr(npu, "_loaded_ascendcl", lambda: library if "library" in pieces else None)


def test_all_the_evidence_together_is_real(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrange(machine, monkeypatch, PIECES)
    assert npu.collect_proof().verdict == "real"


@pytest.mark.parametrize(
    ("missing", "told"),
    [("nodes", "unknown"), ("driver", "unknown"), ("library", "absent"), ("no mark", "simulated")],
)
def test_any_single_missing_piece_is_not_real(
    machine: Path, monkeypatch: pytest.MonkeyPatch, missing: str, told: str
) -> None:
    arrange(machine, monkeypatch, PIECES - {missing})
    assert npu.collect_proof().verdict == told


def test_a_version_that_says_simulated_is_believed(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrange(machine, monkeypatch, PIECES)
    put(machine, f"{LATEST}/{INFO}", INSTALL_INFO.replace("8.2.RC1", "8.2.RC1.Simulated"))
    assert npu.collect_proof().verdict == "simulated"


def test_no_variable_changes_the_evidence(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrange(machine, monkeypatch, PIECES - {"no mark"})
    for name in ("SIMNPU_DEVICES", "ASCEND_HOME_PATH", "NPU_DELIVER_EVIDENCE"):
        monkeypatch.setenv(name, "real")
    assert npu.collect_proof().verdict == "simulated"


def test_the_path_of_the_library_names_no_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    line = "7f00-7f01 r-xp 00000000 08:01 1 /home/somebody/Ascend/cann/8.5.0/lib64/libascendcl.so"
    put(tmp_path, "/proc/self/maps", f"7e00-7e01 r--p 0 0 0\n{line}\n")
    monkeypatch.setattr(
        npu, "Path", lambda path: tmp_path / "proc/self/maps" if path == "/proc/self/maps" else REAL_PATH(path)
    )
    assert npu._loaded_path("libascendcl.so") == "8.5.0/lib64/libascendcl.so"
    assert npu._loaded_path("libother.so") == "libother.so"


def test_this_process_has_loaded_no_cann_and_asking_loads_none(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def load(name: str, mode: int) -> ctypes.CDLL:
        asked.append((name, mode))
        raise OSError("not loaded")

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert npu.collect_proof().verdict == "absent"
    assert asked == [("libascendcl.so", os.RTLD_NOLOAD | os.RTLD_NOW)]


def test_a_library_that_is_loaded_is_found_by_its_name() -> None:
    name = "libc.so.6"
    assert ctypes.CDLL(name, mode=os.RTLD_NOLOAD | os.RTLD_NOW) is not None, "the mechanism works on this system"


def test_only_character_devices_of_cards_are_nodes(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("davinci0", "davinci1", "davinci10", "davinci_manager", "null"):
        put(machine, f"/dev/{name}", "")
    (machine / "dev" / "davinci2").mkdir()
    assert npu.device_nodes() == (), "ordinary files are no evidence"
    kinds = {
        "davinci0": stat.S_IFCHR,
        "davinci10": stat.S_IFCHR,
        "davinci1": stat.S_IFREG,
        "davinci_manager": stat.S_IFCHR,
    }

    def look(path: Path, **_: object) -> types.SimpleNamespace:
        if path.name == "davinci2":
            raise PermissionError
        return types.SimpleNamespace(st_mode=kinds.get(path.name, stat.S_IFDIR))

    monkeypatch.setattr(Path, "stat", look)
    assert [Path(n).name for n in npu.device_nodes()] == ["davinci0", "davinci10"]


# --- versions --------------------------------------------------------------------------------------------------------


def test_without_cann_and_driver_there_are_no_versions(machine: Path) -> None:
    assert npu.cann_version() is None
    assert npu.driver_version() is None


@pytest.mark.parametrize("variable", ["ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME", None])
def test_cann_tells_its_version_wherever_it_is(
    machine: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    root = "/opt/cann" if variable else LATEST
    put(machine, f"{root}/{INFO}", INSTALL_INFO)
    if variable:
        monkeypatch.setenv(variable, root)
    assert npu.cann_version() == "8.2.RC1"


def test_the_sourced_cann_goes_before_the_installed_one(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(machine, f"{LATEST}/{INFO}", INSTALL_INFO)
    put(machine, f"/opt/cann/{INFO}", INSTALL_INFO.replace("8.2.RC1", "8.5.0"))
    monkeypatch.setenv("ASCEND_HOME_PATH", "/opt/cann")
    assert npu.cann_version() == "8.5.0"
    monkeypatch.setenv("ASCEND_HOME_PATH", "/opt/not-there")
    assert npu.cann_version() == "8.2.RC1"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Version=25.0.rc1.1\nascendhal_version=7.35.23\n", "25.0.rc1.1"),
        ("# comment\n\n version = 24.1.0 \n", "24.1.0"),
        ("ascendhal_version=7.35.23\n", None),
        ("Version=\n", None),
        ("", None),
        ("version 24\n", None),
    ],
)
def test_the_drivers_version_file_is_read(machine: Path, text: str, version: str | None) -> None:
    put(machine, "/usr/local/Ascend/driver/version.info", text)
    assert npu.driver_version() == version


def test_a_version_file_that_is_no_text_or_no_file_is_not_known(machine: Path) -> None:
    path = put(machine, "/usr/local/Ascend/driver/version.info", "")
    path.write_bytes(b"\xff\xfe\x00Version\n")
    assert npu.driver_version() is None
    path.unlink()
    path.mkdir()
    assert npu.driver_version() is None


# --- the host --------------------------------------------------------------------------------------------------------

X86 = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel\t\t: 106\nmodel name\t: Intel(R) Xeon(R) Gold\nflags\t\t: fpu\n"
AARCH64 = "processor\t: 0\nBogoMIPS\t: 200.00\nFeatures\t: fp asimd\nCPU implementer\t: 0x48\nCPU part\t: 0xd01\n"


@pytest.mark.parametrize(
    ("text", "model"),
    [
        (X86, "Intel(R) Xeon(R) Gold"),
        (AARCH64, "machine-type"),
        (AARCH64 + "\nHardware\t: BCM2835\n", "BCM2835"),
        ("model name\t:\n", "machine-type"),
        ("", "machine-type"),
    ],
)
def test_the_processor_is_named_as_the_kernel_does(machine: Path, text: str, model: str) -> None:
    put(machine, "/proc/cpuinfo", text)
    assert npu.cpu_model() == model


def test_without_proc_python_names_the_processor(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert npu.cpu_model() == "machine-type"
    monkeypatch.setattr(platform, "processor", lambda: "aarch64")
    assert npu.cpu_model() == "aarch64"


def test_memory_is_that_of_the_kernel() -> None:
    line = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    assert npu.memory_bytes() == pytest.approx(int(line.split()[1]) * 1024, rel=0.01)
