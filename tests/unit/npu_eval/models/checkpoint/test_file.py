"""Files as people have them: what is in them is read as data, or refused with a line that helps."""

from __future__ import annotations

import argparse
import ast
import collections
import contextlib
import datetime as dt
import json
import os
import pickle
import re
import shlex
import subprocess
import sys
import types
import uuid
import warnings
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from npu_eval.errors import WeightsError
from npu_eval.models.checkpoint import inert
from npu_eval.models.checkpoint.file import python_line, read
from npu_eval.models.checkpoint.loading import load

FORMS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 3))


def saved(folder: Path, content: Any, *, name: str = "w.pth", zipped: bool = True) -> Path:
    torch.save(content, folder / name, _use_new_zipfile_serialization=zipped)
    return folder / name


def equal(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


class Settings:
    """A class of a training's own code."""

    def __init__(self) -> None:
        self.lr = 0.1


class History(dict[str, int]):
    """A dictionary of a training's own code."""


class Lines(list[int]):
    """A list of a training's own code."""


BESIDE: dict[str, Any] = {
    "namespace": argparse.Namespace(lr=0.1),
    "nested": {"a": [argparse.Namespace(b=argparse.Namespace())]},
    "simple namespace": types.SimpleNamespace(a=1),
    "path": Path("/a/b"),
    "pure path": PurePosixPath("/a"),
    "windows path": PureWindowsPath("C:\\a"),
    "numpy number": np.float64(71.2),
    "numpy whole number": np.int32(7),
    "numpy array": np.arange(6).reshape(2, 3),
    "defaultdict": collections.defaultdict(list),
    "filled defaultdict": collections.defaultdict(list, {"loss": [0.1]}),
    "deque": collections.deque([1, 2], maxlen=3),
    "counter": collections.Counter("aab"),
    "set": {1, 2},
    "date": dt.datetime(2024, 5, 1),
    "uuid": uuid.UUID(int=3),
    "bytes": b"\x00\xff",
    "own class": Settings(),
    "own dictionary": History(a=1),
    "own list": Lines([1, 2]),
    "class itself": Settings,
    "method": Settings.__init__,
    "function": print,
    "device": torch.device("cpu"),
    "dtype": torch.float16,
    "size": torch.Size([1]),
    "generator state": torch.get_rng_state(),
}


@FORMS
@pytest.mark.parametrize("kind", BESIDE)
def test_objects_beside_the_weights_keep_nobody_from_reading_them(tmp_path: Path, kind: str, zipped: bool) -> None:
    state = network().state_dict()
    content = read(saved(tmp_path, {"args": BESIDE[kind], "state_dict": state}, zipped=zipped))
    assert equal(content.value["state_dict"], state)
    if isinstance(content.value["args"], Tensor):  # one more tensor would be one without a place
        return
    target = network()
    load(target, saved(tmp_path, {**state, "args": BESIDE[kind]}, zipped=zipped), mapping="by_name", source="w")
    assert equal(target.state_dict(), state)


@FORMS
def test_classes_that_were_not_built_are_named(tmp_path: Path, zipped: bool) -> None:
    content = {"model": network().state_dict(), "args": argparse.Namespace(), "own": Settings(), "n": np.float32(1)}
    path = saved(tmp_path, content, zipped=zipped)
    assert read(path).unbuilt == ("argparse.Namespace", f"{__name__}.Settings")
    report = load(network(), path, mapping="by_name", source="w")
    assert [note.code for note in report.notes] == ["left-unbuilt"]
    assert report.notes[0].args["count"] == "2"


@FORMS
def test_reading_one_file_allows_nothing_in_the_next(tmp_path: Path, zipped: bool) -> None:
    path = saved(tmp_path, {"w": torch.ones(1), "args": argparse.Namespace()}, zipped=zipped)
    before = set(torch.serialization.get_safe_globals())
    read(path)
    assert set(torch.serialization.get_safe_globals()) == before
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)


class Running:
    def __reduce__(self) -> Any:
        return os.system, (f"touch {os.environ['MARK']}",)


@FORMS
def test_a_file_that_asks_to_run_something_is_refused_without_a_way_to_convert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool
) -> None:
    mark = tmp_path / "ran"
    monkeypatch.setenv("MARK", str(mark))
    path = saved(tmp_path, {"state_dict": network().state_dict(), "x": Running()}, zipped=zipped)
    with pytest.raises(WeightsError, match=r"it asks to run posix\.system, as no weights do") as caught:
        read(path)
    assert "torch.load" not in str(caught.value)
    assert not mark.exists()


def test_torchs_own_functions_that_read_files_are_refused(tmp_path: Path) -> None:
    class Loading:
        def __reduce__(self) -> Any:
            return torch.load, ("/etc/passwd",)

    with pytest.raises(WeightsError, match="it asks to run torch"):
        read(saved(tmp_path, {"w": torch.ones(1), "x": Loading()}))


# NumPy arrays


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["model.pkl", "model.pickle", "model.pth", "download"])
def test_a_pickle_of_arrays_loads(tmp_path: Path, protocol: int, name: str) -> None:
    source, target = network(), network()
    arrays = {key: value.numpy() for key, value in source.state_dict().items()}
    content = {"model": arrays, "__author__": "someone", "matching_heuristics": True}
    (tmp_path / name).write_bytes(pickle.dumps(content, protocol=protocol))
    load(target, tmp_path / name, mapping="by_name", source="w")
    assert equal(target.state_dict(), source.state_dict())


@FORMS
def test_arrays_in_what_torch_wrote_load(tmp_path: Path, zipped: bool) -> None:
    source, target = network(), network()
    arrays = {key: value.numpy() for key, value in source.state_dict().items()}
    load(target, saved(tmp_path, {"model": arrays}, zipped=zipped), mapping="by_name", source="w")
    assert equal(target.state_dict(), source.state_dict())


def test_a_hostile_pickle_of_arrays_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "ran"
    monkeypatch.setenv("MARK", str(mark))
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"model": {"w": np.ones(2)}, "x": Running()}))
    with pytest.raises(WeightsError, match="it asks to run posix"):
        read(tmp_path / "w.pkl")
    assert not mark.exists()


# Several files with an index


def sharded(folder: Path, form: str) -> tuple[nn.Sequential, Path]:
    """A network in two files, and their index."""
    source = network()
    state = source.state_dict()
    names = [f"part-{number}{form}" for number in (1, 2)]
    places = {name: names[number % 2] for number, name in enumerate(state)}
    for file in names:
        part = {name: value for name, value in state.items() if places[name] == file}
        if form == ".bin":
            torch.save(part, folder / file)
        else:
            save_file(part, folder / file)
    index = folder / f"model{form}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}), encoding="utf-8")
    return source, index


@pytest.mark.parametrize("form", [".bin", ".safetensors"])
def test_several_files_with_an_index_load(tmp_path: Path, form: str) -> None:
    source, index = sharded(tmp_path, form)
    target = network()
    report = load(target, index, mapping="by_name", source="w")
    assert equal(target.state_dict(), source.state_dict())
    assert [str(note) for note in report.notes] == [
        f"files that model{form}.index.json names: 2; the sha256 is of the list of all their sha256"
    ]


def test_an_index_and_files_that_do_not_agree(tmp_path: Path) -> None:
    _, index = sharded(tmp_path, ".bin")
    value = json.loads(index.read_text(encoding="utf-8"))
    places = value["weight_map"]
    index.write_text(json.dumps({"weight_map": places | {"more": "part-1.bin"}}), encoding="utf-8")
    with pytest.raises(WeightsError, match=r"it says that more lies in part-1\.bin, which has no such tensor"):
        read(index)
    del places["2.bias"]
    index.write_text(json.dumps({"weight_map": places}), encoding="utf-8")
    with pytest.raises(WeightsError, match="its files hold 1 entries that it does not name"):
        read(index)


# Whole networks, and lines that convert


def line_of(error: WeightsError) -> str:
    found = re.search(r"(python -c .*)", error.fix)
    assert found is not None
    return found[1]


def converted(folder: Path, error: WeightsError) -> Path:
    """What the line in an error makes: a shell takes it apart as a person's would, and its code runs here."""
    apart = f"python() {{ printf '%s\\0' \"$@\"; }}; {line_of(error)}"
    done = subprocess.run(["bash", "-c", apart], capture_output=True, encoding="utf-8", check=True)
    option, code, end = done.stdout.split("\0")
    assert (option, end) == ("-c", "")
    with contextlib.chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
    return folder / "weights.pth"


def converted_by_a_person(folder: Path, error: WeightsError) -> Path:
    """The same, all of it run by a shell."""
    line = line_of(error).replace("python", shlex.quote(sys.executable), 1)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONWARNINGS": "ignore"}
    subprocess.run(line, shell=True, cwd=folder, check=True, env=environment)
    return folder / "weights.pth"


WHOLE: dict[str, Any] = {
    "alone": lambda m: m,
    "ultralytics": lambda m: {"epoch": 1, "model": m, "ema": m, "updates": 3, "optimizer": None, "date": "2024"},
    "half": lambda m: {"model": m.half(), "args": argparse.Namespace()},
    "with an optimiser": lambda m: {"net": m, "optimizer": torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9)},
}


@FORMS
@pytest.mark.parametrize("kind", WHOLE)
def test_a_whole_network_is_refused(tmp_path: Path, kind: str, zipped: bool) -> None:
    with pytest.raises(WeightsError, match=r"it holds a whole pickled network \(.*torch\.nn\.modules") as caught:
        read(saved(tmp_path, WHOLE[kind](network()), zipped=zipped))
    assert "weights_only=False" in caught.value.fix


@pytest.mark.parametrize(
    ("kind", "zipped", "name"),
    [
        ("alone", False, "a name.pt"),
        ("ultralytics", True, 'it\'s $HOME `x` "q" 空😀.pt'),
        ("with an optimiser", True, "w.pt"),
    ],
)
def test_the_line_that_converts_a_whole_network_works(tmp_path: Path, kind: str, zipped: bool, name: str) -> None:
    source, target = network(), network()
    with pytest.raises(WeightsError) as caught:
        read(saved(tmp_path, WHOLE[kind](source), name=name, zipped=zipped))
    load(target, converted(tmp_path, caught.value), mapping="by_name", source="w")
    assert equal(target.state_dict(), source.state_dict())


def test_averaged_weights_stay_told_apart_when_converted(tmp_path: Path) -> None:
    model, averaged = network(), network()
    with pytest.raises(WeightsError) as caught:
        read(saved(tmp_path, {"model": model, "ema": averaged}))
    path = converted(tmp_path, caught.value)
    for choice, wanted in (("", averaged), ("plain", model)):
        target = network()
        load(target, path, mapping="by_name", source="w", ema=choice)
        assert equal(target.state_dict(), wanted.state_dict())


def test_torchscript_is_refused_with_a_line_that_works(tmp_path: Path) -> None:
    source, target = network(), network()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and still found
        torch.jit.save(torch.jit.script(source), tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="a TorchScript program, not a state dictionary") as caught:
        read(tmp_path / "w.pt")
    load(target, converted_by_a_person(tmp_path, caught.value), mapping="by_name", source="w")
    assert equal(target.state_dict(), source.state_dict())


def test_another_protocol_is_refused_with_a_line_that_works(tmp_path: Path) -> None:
    source, target = network(), network()
    torch.save({"net": source.state_dict(), "args": argparse.Namespace()}, tmp_path / "w.pth", pickle_protocol=4)
    with pytest.raises(WeightsError, match="saved with a pickle protocol that is not read as data") as caught:
        read(tmp_path / "w.pth")
    load(target, converted(tmp_path, caught.value), mapping="by_name", source="w")
    assert equal(target.state_dict(), source.state_dict())


def test_what_asks_to_run_is_refused_in_another_protocol_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARK", str(tmp_path / "ran"))
    torch.save({"posix": 1, "system": 2, "x": Running()}, tmp_path / "w.pth", pickle_protocol=4)
    with pytest.raises(WeightsError, match=r"it asks to run posix\.system"):
        read(tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()


def test_lines_are_quoted_for_a_shell() -> None:
    assert python_line("print('a')") == "python -c \"print('a')\""
    for code in ("print('$HOME')", 'print("`x`")', "print('a!\\\\')"):
        found = subprocess.run(["bash", "-c", python_line(code).replace("python", shlex.quote(sys.executable), 1)],
                               capture_output=True, text=True, check=True)  # fmt: skip
        assert found.stdout.strip() == ast.literal_eval(code[6:-1])


# Files of another kind


@pytest.mark.parametrize(
    ("name", "content", "trouble"),
    [
        ("w.onnx", b"x", r"'\.onnx' is no checkpoint that can be read; known: \.safetensors, \.pth"),
        ("w.pth", b"", "is empty"),
        ("w.pth", b"version https://git-lfs.github.com/spec/v1", "git-lfs"),
        ("w.pth", b"<!doctype html><html>", "HTML page"),
        ("w.pth", b"hello, this is no pickle", "truncated, damaged or no checkpoint"),
        ("w.pth", b"PK\x03\x04 no zip", "truncated, damaged or no checkpoint"),
        ("w.pkl", b"\x80\x04", "truncated, damaged or no checkpoint"),
        ("w.safetensors", b"hello, this is no safetensors", "truncated, damaged or no checkpoint"),
        ("w.tar", b"x" * 257 + b"ustar" + b"x" * 300, "a tar archive"),
    ],
)
def test_a_file_of_another_kind(tmp_path: Path, name: str, content: bytes, trouble: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=trouble):
        read(tmp_path / name)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        read(tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="cannot be read"):
        read(tmp_path)


def test_stand_ins_are_not_the_classes(tmp_path: Path) -> None:
    value = read(saved(tmp_path, {"w": torch.ones(1), "args": argparse.Namespace(lr=1)})).value["args"]
    assert isinstance(value, inert.Inert)
    assert not isinstance(value, argparse.Namespace)
