from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from npu_eval.errors import RecordError
from npu_eval.references.tensor_file import DTYPES, read_tensors, write_tensors


def several() -> dict[str, torch.Tensor]:
    """Every dtype, odd sizes, a scalar, an empty tensor and a view that is not contiguous."""
    raw = torch.arange(48, dtype=torch.float64).reshape(6, 8)
    made = {f"kind/{dtype}": raw[:, :3].to(dtype) for dtype in DTYPES.values()}
    return made | {"view": raw.t()[1:], "scalar": torch.tensor(1.5), "empty": torch.empty(0, 4), "名": raw[0]}


def same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> bool:
    return found.keys() == wanted.keys() and all(
        found[name].dtype == t.dtype and found[name].shape == t.shape and torch.equal(found[name], t)
        for name, t in wanted.items()
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x.safetensors", several())
    assert same(read_tensors(tmp_path / "x.safetensors"), several())


def test_the_package_safetensors_reads_it(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x.safetensors", several())
    assert same(load_file(tmp_path / "x.safetensors"), several())


def test_it_reads_what_the_package_wrote(tmp_path: Path) -> None:
    wanted = {name: t.contiguous() for name, t in several().items()}
    save_file(wanted, tmp_path / "x.safetensors", metadata={"by": "another program"})
    assert same(read_tensors(tmp_path / "x.safetensors"), wanted)


def test_nan_and_minus_zero_keep_their_bits(tmp_path: Path) -> None:
    wanted = torch.tensor([float("nan"), -0.0, float("inf")])
    write_tensors(tmp_path / "x", {"x": wanted})
    assert torch.equal(read_tensors(tmp_path / "x")["x"].view(torch.int32), wanted.view(torch.int32))


def test_no_file_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with pytest.raises(FileExistsError):
        write_tensors(tmp_path / "x", several())
    assert (tmp_path / "x").read_text() == "mine"


def test_a_dtype_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"^x: tensor 'z' is torch\.complex64, which cannot be stored"):
        write_tensors(tmp_path / "x", {"z": torch.zeros(2, dtype=torch.complex64)})


@given(st.data())
def test_a_file_cut_short_is_one_clear_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("cut") / "x.safetensors"
    write_tensors(path, several())
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(RecordError, match=r"^x\.safetensors: is cut short or no safetensors file"):
        read_tensors(path)


@pytest.mark.parametrize(
    "header",
    [
        [],
        {"x": {"dtype": "F32", "shape": [2]}},
        {"x": {"dtype": "F99", "shape": [2], "data_offsets": [0, 8]}},
        {"x": {"dtype": "F32", "shape": [2], "data_offsets": [4, 8]}},
        {"x": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}},
        {"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}},
    ],
)
def test_a_header_that_does_not_fit_its_bytes_is_refused(tmp_path: Path, header: object) -> None:
    text = json.dumps(header).encode()
    (tmp_path / "x").write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
    with pytest.raises(RecordError, match="is cut short or no safetensors file"):
        read_tensors(tmp_path / "x")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"^x: cannot be read"):
        read_tensors(tmp_path / "x")
