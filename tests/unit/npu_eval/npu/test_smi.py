from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_eval.npu import smi as npu_smi
from npu_eval.npu.smi import Chip, ask, parse

TEXTS = Path(__file__).parents[3] / "npu_smi"
"""Texts of several generations, in the layouts of public reports; their numbers are made up."""


def text(name: str) -> str:
    return (TEXTS / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "version", "chips"),
    [
        ("910b", "24.1.rc3", [
            Chip(card=0, chip=0, name="910B4", health="OK", bus_id="0000:C1:00.0", used_mb=2861, total_mb=32768),
            Chip(card=1, chip=0, name="910B4", health="Warning", bus_id="0000:01:00.0", used_mb=2857, total_mb=32768),
        ]),
        ("910_93", "26.0.rc2", [
            Chip(card=0, chip=0, name="Ascend910", health="OK", bus_id="0000:9D:00.0", used_mb=3105, total_mb=65536),
            Chip(card=0, chip=1, name="Ascend910", health="OK", bus_id="0000:9F:00.0", used_mb=2869, total_mb=65536),
        ]),
        ("310p", "23.0.rc3", [
            Chip(card=2, chip=0, name="310P3", health="OK", bus_id="0000:81:00.0", used_mb=1608, total_mb=21527),
        ]),
        ("910a", "22.0.4", [
            Chip(card=7, chip=0, name="910A", health="Alarm", bus_id="0000:B4:00.0", used_mb=0, total_mb=32768),
        ]),
    ],
)  # fmt: skip
def test_each_generation_is_read(name: str, version: str, chips: list[Chip]) -> None:
    found = parse(text(name))
    assert found.version == version
    assert list(found.chips) == chips
    assert found.problem == ""


def test_widths_mean_nothing() -> None:
    narrow = "\n".join("|".join(cell.strip() for cell in line.split("|")) for line in text("910b").splitlines())
    assert parse(narrow).chips == parse(text("910b")).chips


@pytest.mark.parametrize("name", ["910b", "910_93"])
def test_a_text_that_is_cut_short_gives_what_is_whole(name: str) -> None:
    whole = parse(text(name)).chips
    for length in range(0, len(text(name)), 37):
        found = parse(text(name)[:length]).chips
        assert found == whole[: len(found)] or found[:-1] == whole[: len(found) - 1]


@given(st.text())
def test_garbage_is_no_card_and_no_error(garbage: str) -> None:
    found = parse(garbage)
    assert found.chips == ()
    assert found.problem == "npu-smi lists no chip"


@pytest.mark.parametrize(("name", "found"), [("910b", ("910B4",)), ("910_93", ("Ascend910",)), ("310p", ("310P3",))])
def test_each_name_is_told_once(name: str, found: tuple[str, ...]) -> None:
    assert npu_smi.names(text(name)) == found
    assert npu_smi.names("garbage | 0") == ()


def test_who_holds_a_card() -> None:
    assert npu_smi.holders(text("910b") + text("processes")) == ("python3.11 (pid 41233, 1187 MB)",)
    assert npu_smi.holders(text("310p")) == ()
    assert npu_smi.names(text("processes")) == (), "a process is no card"


def tool(folder: Path, script: str) -> str:
    path = folder / "npu-smi"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_the_tool_is_run(tmp_path: Path) -> None:
    assert ask(tool(tmp_path, f"cat {TEXTS / '910b.txt'}")).version == "24.1.rc3"


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo 'dcmi model initialized failed, because the device is used. ret is -8020'; exit 1", "ret is -8020"),
        ("exit 3", "it said nothing"),
        ("head -c 4096 /dev/urandom", "lists no chip"),
        ("exec sleep 30", "does not answer within"),
    ],
)
def test_a_tool_that_does_not_work_is_told(
    tmp_path: Path, script: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npu_smi, "_LIMIT_S", 0.5)
    found = ask(tool(tmp_path, script))
    assert problem in found.problem
    assert found.chips == ()


def test_a_tool_that_is_missing_is_told(tmp_path: Path) -> None:
    assert ask(str(tmp_path / "npu-smi")).problem == "npu-smi is not installed here"
