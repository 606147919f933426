from __future__ import annotations

import dataclasses
import enum
import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_eval import jsonio
from npu_eval.errors import RecordError
from npu_eval.jsonio import canonical_sha256, dumps, file_sha256, from_json, loads, to_json, write_atomic


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    name: str
    size: float
    count: int = 0
    colour: Colour = Colour.RED


@dataclasses.dataclass(frozen=True, kw_only=True)
class Whole:
    parts: tuple[Part, ...]
    extra: dict[str, float]
    flag: bool
    note: str | None = None
    first: Part | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grown:
    name: str
    later: tuple[float, ...] = dataclasses.field(default=(), metadata=jsonio.ABSENT_BY_DEFAULT)


def test_a_field_that_came_later_leaves_what_was_before_as_it_was() -> None:
    assert to_json(Grown(name="a")) == {"name": "a"}
    for value in (Grown(name="a"), Grown(name="a", later=(0.5,))):
        assert from_json(Grown, loads(dumps(value), "x")) == value


numbers = st.floats(allow_nan=False, allow_infinity=False)
parts = st.builds(Part, name=st.text(), size=numbers, count=st.integers(), colour=st.sampled_from(Colour))
wholes = st.builds(
    Whole,
    parts=st.lists(parts, max_size=3).map(tuple),
    extra=st.dictionaries(st.text(max_size=5), numbers, max_size=3),
    flag=st.booleans(),
    note=st.none() | st.text(),
    first=st.none() | parts,
)
GOOD: dict[str, Any] = {"parts": [{"name": "a", "size": 1.5}], "extra": {"x": 2.0}, "flag": True}


@given(wholes)
def test_a_value_comes_back_from_its_text_as_it_was(whole: Whole) -> None:
    text = dumps(whole)
    assert text.endswith("}\n")
    assert from_json(Whole, loads(text, "whole.json")) == whole
    assert dumps(from_json(Whole, loads(text, "whole.json"))) == text


@given(wholes)
def test_equal_values_have_equal_hashes_and_a_changed_field_another(whole: Whole) -> None:
    again = from_json(Whole, to_json(whole))
    assert canonical_sha256(again) == canonical_sha256(whole)
    for changed in (
        dataclasses.replace(whole, flag=not whole.flag),
        dataclasses.replace(whole, note=(whole.note or "") + "x"),
        dataclasses.replace(whole, parts=(*whole.parts, Part(name="", size=0.0))),
    ):
        assert canonical_sha256(changed) != canonical_sha256(whole)


def test_the_hash_ignores_the_order_of_keys_and_is_that_of_the_bytes_that_the_docs_name() -> None:
    assert canonical_sha256({"b": 1, "a": "名"}) == canonical_sha256({"a": "名", "b": 1})
    assert canonical_sha256({"b": 1, "a": "名"}) == hashlib.sha256('{"a":"名","b":1}'.encode()).hexdigest()


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        ({"flags": True}, "", "unknown key 'flags'; did you mean 'flag'?"),
        ({"parts": [{"name": "a", "size": 1.5}, {"name": "b"}]}, "parts[1]", "key 'size' is missing"),
        ({"parts": [{"name": "a", "size": "1"}]}, "parts[0].size", 'a number was expected, found "1"'),
        ({"parts": [{"name": "a", "size": True}]}, "parts[0].size", "a number was expected, found true"),
        ({"parts": [{"name": "a", "size": 10**400}]}, "parts[0].size", "a finite number was expected"),
        ({"parts": [{"name": "a", "size": 1, "count": 1.0}]}, "parts[0].count", "a whole number was expected"),
        ({"parts": [{"name": "a", "size": 1, "count": True}]}, "parts[0].count", "a whole number was expected"),
        ({"parts": [{"name": 7, "size": 1}]}, "parts[0].name", "text was expected, found 7"),
        ({"parts": [{"name": None, "size": 1}]}, "parts[0].name", "text was expected, found null"),
        ({"parts": [{"name": "\ud800", "size": 1}]}, "parts[0].name", "'\\ud800' is not text in UTF-8"),
        ({"parts": [{"name": "a", "size": 1, "colour": "pink"}]}, "parts[0].colour", "one of red, blue was expected"),
        ({"parts": [{"name": "a", "size": 1, "colour": []}]}, "parts[0].colour", "one of red, blue was expected"),
        ({"parts": {}}, "parts", "a list was expected"),
        ({"parts": ["x"]}, "parts[0]", "an object was expected"),
        ({"extra": []}, "extra", "an object was expected"),
        ({"extra": {"x": None}}, "extra.x", "a number was expected"),
        ({"extra": {"\udcff": 1.0}}, "extra", "is not text in UTF-8"),
        ({"flag": 1}, "flag", "true or false was expected, found 1"),
        ({"first": []}, "first", "an object was expected"),
    ],
)
def test_what_is_wrong_is_named_with_its_path(change: dict[str, Any], where: str, what: str) -> None:
    with pytest.raises(RecordError) as caught:
        from_json(Whole, GOOD | change)
    assert caught.value.where == where
    assert what in str(caught.value)


@pytest.mark.parametrize("key", ["parts", "extra", "flag"])
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(RecordError, match=f"x: key '{key}' is missing"):
        from_json(Whole, {k: v for k, v in GOOD.items() if k != key}, "x")


def test_a_whole_number_may_stand_for_a_float_and_comes_back_as_one() -> None:
    part = from_json(Part, {"name": "a", "size": 3})
    assert part.size == 3.0
    assert type(part.size) is float


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", '{"a": NaN}', "[1e999]x", "", "{", '{"a": 1, "a": 2}']
)
def test_text_that_is_no_strict_json_is_refused(text: str) -> None:
    with pytest.raises(RecordError, match=r"^f\.json: not readable as JSON"):
        loads(text, "f.json")


def test_deep_nesting_is_an_error_of_the_file_and_not_of_ours() -> None:
    with pytest.raises(RecordError, match="not readable as JSON"):
        loads("[" * 100_000, "f.json")


def test_a_repeated_key_is_named() -> None:
    with pytest.raises(RecordError, match="key 'a' appears twice"):
        loads('{"a": 1, "b": {"a": 1, "a": 2}}', "f.json")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), object(), b"bytes", "\udcff", {1: {2}}])
def test_what_json_cannot_hold_is_not_stored(value: Any) -> None:
    for wrapped in (value, [value], {"x": value}):
        with pytest.raises(RecordError):
            to_json(wrapped)


def test_infinity_that_hides_in_a_large_exponent_is_refused() -> None:
    with pytest.raises(RecordError, match="size: a finite number"):
        from_json(Part, loads('{"name": "a", "size": 1e999}', "f.json"))


# --- files -----------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=100))
def test_a_files_hash_is_that_of_its_bytes(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        path.write_bytes(content)
        assert file_sha256(path) == hashlib.sha256(content).hexdigest()


def test_writing_makes_the_folders_and_readable_files_and_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "f.txt"
    write_atomic(path, "一")
    assert path.read_bytes() == "一".encode()
    write_atomic(path, b"\x00two")
    assert path.read_bytes() == b"\x00two"
    assert [p.name for p in path.parent.iterdir()] == ["f.txt"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_files_permissions_are_those_that_the_umask_leaves(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_atomic(tmp_path / "f.txt", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "f.txt").stat().st_mode & 0o777 == mode


def fail(code: int) -> Any:
    def failing(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    return failing


@pytest.mark.parametrize("breaks", ["fsync", "replace", "write", "interrupt"])
def test_a_failure_on_the_way_leaves_the_old_content_and_nothing_else(
    breaks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.txt"
    path.write_text("old")
    wanted: type[BaseException] = OSError
    if breaks == "fsync":
        monkeypatch.setattr(os, "fsync", fail(errno.EIO))
    elif breaks == "write":  # a full disk tells at the flush
        monkeypatch.setattr(jsonio.os, "fdopen", lambda handle, mode: _FullDisk(handle))
    elif breaks == "interrupt":
        wanted = KeyboardInterrupt

        def interrupted(*_: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "fsync", interrupted)
    else:
        monkeypatch.setattr(Path, breaks, fail(errno.ENOSPC))
    with pytest.raises(wanted):
        write_atomic(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["f.txt"]


class _FullDisk:
    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __enter__(self) -> _FullDisk:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.handle)

    def write(self, data: bytes) -> None:
        os.write(self.handle, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_folder_in_the_way_is_an_error_and_stays(tmp_path: Path) -> None:
    (tmp_path / "f" / "inner").mkdir(parents=True)
    with pytest.raises(OSError, match=r"directory|Directory|empty"):
        write_atomic(tmp_path / "f", "x")
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


WRITER = """
import sys
import tempfile
from pathlib import Path
from npu_eval.jsonio import write_atomic
path, number = Path(sys.argv[1]), 0
while True:
    write_atomic(path, (str(number % 10) * 200_000))
    number += 1
    print("x", flush=True)
"""


def test_a_killed_writer_leaves_one_whole_version(tmp_path: Path) -> None:
    path = tmp_path / "f.txt"
    for delay in (0.0, 0.002, 0.005, 0.011):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()  # the first version is there
            time.sleep(delay)
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
        content = path.read_text()
        assert len(content) == 200_000
        assert len(set(content)) == 1
        left = [p.name for p in tmp_path.iterdir() if p != path]
        assert all(name.startswith(jsonio.TEMPORARY_PREFIX) for name in left)


def test_the_text_is_plain_json() -> None:
    assert json.loads(dumps({"a": (1, None, Colour.BLUE)})) == {"a": [1, None, "blue"]}
