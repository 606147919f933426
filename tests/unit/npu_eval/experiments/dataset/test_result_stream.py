from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_eval.errors import RecordError
from npu_eval.experiments.dataset.result_stream import ResultStream, read_key, read_results

KEY = {"spec_sha256": "5bec" * 16, "images": 3}
RESULTS = [{"image": 1, "scores": [0.5]}, {"image": 2, "unreadable": "虎.jpg is no image"}, {"image": 3}]


def write(path: Path, results: list[dict[str, object]] = RESULTS) -> bytes:
    with ResultStream(path, KEY) as stream:
        for result in results:
            stream.append(result)
    return path.read_bytes()


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "dataset.jsonl"
    write(path)
    assert list(read_results(path)) == RESULTS
    assert read_key(path) == KEY


@given(cut=st.integers(min_value=0))
def test_a_run_cut_anywhere_goes_on_to_the_same_bytes(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "dataset.jsonl"
    whole = write(path)
    path.write_bytes(whole[: cut % (len(whole) + 1)])
    with ResultStream(path, KEY) as stream:
        kept = stream.done
        for result in RESULTS[kept:]:
            stream.append(result)
    assert path.read_bytes() == whole


def test_whole_lines_are_kept_and_a_torn_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "dataset.jsonl"
    whole = write(path)
    path.write_bytes(whole[:-3])
    with ResultStream(path, KEY) as stream:
        assert stream.done == 2
    path.write_bytes(whole.replace(b'"image":2', b'"image":\0'))  # a block of zeros, as a power cut leaves it
    with ResultStream(path, KEY) as stream:
        assert stream.done == 1


def test_results_of_anything_else_are_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "dataset.jsonl"
    write(path)
    with ResultStream(path, {**KEY, "images": 4}) as stream:
        assert stream.done == 0
    assert list(read_results(path)) == []


def test_each_result_is_in_the_file_before_the_next_comes(tmp_path: Path) -> None:
    """A killed process loses nothing that it had appended."""
    path = tmp_path / "dataset.jsonl"
    stream = ResultStream(path, KEY)
    for number, result in enumerate(RESULTS, start=1):
        stream.append(result)
        assert len(path.read_bytes().splitlines()) == number + 1
    stream.__exit__(None, None, None)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]\n", json.dumps({"schema": "other"}).encode()])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "dataset.jsonl"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"cannot be read|no file of results"):
        read_key(path)


def test_a_line_that_is_no_result_is_named(tmp_path: Path) -> None:
    path = tmp_path / "dataset.jsonl"
    write(path)
    path.write_bytes(path.read_bytes() + b"3\n")
    with pytest.raises(RecordError, match="line 5"):
        list(read_results(path))
