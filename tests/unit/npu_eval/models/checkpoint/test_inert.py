"""A pickle's arrays come out, and nothing in it runs."""

from __future__ import annotations

import argparse
import builtins
import collections
import contextlib
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from npu_eval.errors import WeightsError
from npu_eval.models.checkpoint.inert import Inert, as_tensors, asks_to_run, read_pickle, stand_in


def read(data: bytes) -> Any:
    return as_tensors(read_pickle(data, "x.pkl")[0])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", ["f4", "<f2", ">f8", "i8", "u1", "?", "c8", ">i4"])
def test_arrays_become_tensors(protocol: int, dtype: str) -> None:
    array = np.array([[0, 1, 2], [3, 4, 5]]).astype(dtype)
    for form in (array, np.asfortranarray(array), array[:, ::2]):
        found = read(pickle.dumps({"model": {"w": form}}, protocol=protocol))["model"]["w"]
        assert found.shape == form.shape
        assert np.array_equal(found.numpy(), form)


@given(st.lists(st.integers(0, 3), max_size=4))
def test_any_shape_comes_back(shape: list[int]) -> None:
    array = np.arange(float(np.prod(shape))).reshape(shape)
    found = read(pickle.dumps({"w": array}))["w"]
    assert tuple(found.shape) == tuple(shape)
    assert np.array_equal(found.numpy(), array)


def test_a_pickle_of_python_2_is_read() -> None:
    """Its texts are bytes, and so are the numbers of an array."""
    data = (
        b"\x80\x02}U\x01wcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02\x85"
        b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"U\x08\x00\x00\x80?\x00\x00\x00\xc0tbs."
    )
    assert read(data)["w"].tolist() == [1.0, -2.0]


def test_numbers_and_containers_come_out_as_pythons_own() -> None:
    several: collections.defaultdict[str, list[int]] = collections.defaultdict(list, {"a": [1]})
    content = {
        "best": np.float64(71.5),
        "hist": several,
        "queue": collections.deque([1, 2]),
        "order": collections.OrderedDict(a=1),
    }
    assert read(pickle.dumps(content)) == {"best": 71.5, "hist": {"a": [1]}, "queue": [1, 2], "order": {"a": 1}}


@pytest.mark.parametrize("value", [np.array([object(), None]), np.array(["text"]), np.array([1], dtype=[("a", "i4")])])
def test_arrays_of_something_else_are_no_tensors(value: Any) -> None:
    assert not isinstance(read(pickle.dumps({"w": value}))["w"], torch.Tensor)


def test_bytes_that_are_not_those_of_the_shape_are_no_tensor() -> None:
    data = pickle.dumps(np.zeros(4, "f4"), protocol=2).replace(b"K\x04\x85", b"K\x09\x85")
    assert not isinstance(read(data), torch.Tensor)


class Anything:  # not importable by who reads it
    def __init__(self) -> None:
        self.w = 1


def test_a_class_is_named_and_not_built() -> None:
    value, unbuilt = read_pickle(pickle.dumps({"a": argparse.Namespace(lr=1), "b": Anything()}), "x.pkl")
    assert unbuilt == ("argparse.Namespace", f"{__name__}.Anything")
    assert isinstance(value["a"], Inert)
    assert value["a"].state == {"lr": 1}
    assert type(value["b"]).name() == f"{__name__}.Anything"


class Running:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("function", [os.system, os.popen, eval, exec, builtins.__import__, builtins.open])
def test_what_asks_to_run_is_refused_and_nothing_runs(tmp_path: Path, protocol: int, function: Any) -> None:
    mark = tmp_path / "ran"
    code = f"open({str(mark)!r}, 'w')" if function in (eval, exec) else f"touch {mark}"
    given = str(mark) if function is builtins.open else code
    arguments = (given, "w") if function is builtins.open else (given,)
    data = pickle.dumps({"w": np.ones(2), "x": [Running(function, *arguments)]}, protocol=protocol)
    with pytest.raises(WeightsError, match=r"x\.pkl: it asks to run .*nothing in it was run; do not open it"):
        read(data)
    assert not mark.exists()


def test_what_runs_by_another_name_does_not_run_either(tmp_path: Path) -> None:
    """Any function is a stand-in, known as dangerous or not."""
    mark = tmp_path / "ran"
    mark.mkdir()
    value = read(pickle.dumps({"x": Running(os.path.exists, str(mark)), "y": Running(Path.rmdir, mark)}))
    assert isinstance(value["x"], Inert)
    assert mark.is_dir()


def test_no_file_alters_what_another_reads() -> None:
    """A pickle may write attributes on what it finds; stand-ins are made anew for each."""
    for name in (b"argparse\nNamespace", b"numpy\nndarray", b"_codecs\nencode"):
        with contextlib.suppress(pickle.UnpicklingError, TypeError, AttributeError):
            read(b"c" + name + b"\n(N}(U\x05stateU\x04evilU\x08__call__U\x04evilutb.")
    assert Inert.state is None
    assert read(pickle.dumps(np.ones(1), protocol=2)).tolist() == [1.0]
    assert Inert.name() == "npu_eval.models.checkpoint.inert.Inert"
    assert stand_in("argparse.Namespace").name() == "argparse.Namespace"
    assert argparse.Namespace.__module__ == "argparse"


@pytest.mark.parametrize("name", ["posix.system", "builtins.exec", "subprocess.Popen", "torch.load"])
def test_names_that_run(name: str) -> None:
    assert asks_to_run(name)


@pytest.mark.parametrize(
    "name", ["argparse.Namespace", "builtins.getattr", "osgeo.Band", "torch.nn.modules.linear.Linear"]
)
def test_names_that_do_not(name: str) -> None:
    assert not asks_to_run(name)
