"""A seal names every file of a folder, with its size and its hash, and nothing else."""

import hashlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from npu_deliver.seal import manifest
from npu_eval.errors import RecordError

NAMES = st.lists(st.sampled_from(["a.txt", "b/c.log", "b/d.json", "e/f/g.png"]), min_size=1, unique=True)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=NAMES, data=st.binary(max_size=40))
def test_what_was_sealed_does_not_differ(tmp_path_factory, names, data):
    folder = tmp_path_factory.mktemp("sealed")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    manifest.seal(folder)
    assert manifest.differences(folder) == []
    sealed = manifest.read(folder).files
    assert set(sealed) == set(names)
    assert {e.sha256 for e in sealed.values()} == {hashlib.sha256(data).hexdigest()}
    assert {e.size_bytes for e in sealed.values()} == {len(data)}
    manifest.seal(folder)  # the seal is no part of what it seals
    assert manifest.read(folder).files == sealed


@pytest.fixture
def sealed(tmp_path):
    for name in ("a.txt", "b/c.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    manifest.seal(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("do", "told"),
    [
        (lambda f: (f / "a.txt").unlink(), [("a.txt", "is missing")]),
        (lambda f: (f / "new").touch(), [("new", "is not in the manifest")]),
        (lambda f: (f / "a.txt").write_text("a.txx", encoding="utf-8"), [("a.txt", "has sha256")]),
        (
            lambda f: (f / "a.txt").write_text("longer", encoding="utf-8"),
            [("a.txt", "has 6 bytes, the manifest says 5")],
        ),
        (lambda f: (f / "b/l").symlink_to("c.log"), [("b/l", "is a link")]),
        (lambda f: (f / "empty").mkdir(), []),
    ],
)
def test_each_difference_is_told(sealed, do, told):
    do(sealed)
    found = manifest.differences(sealed)
    assert [name for name, _ in found] == [name for name, _ in told]
    assert all(what.startswith(start) for (_, what), (_, start) in zip(found, told, strict=True))


def test_a_size_that_is_not_the_files_is_told(sealed):
    text = (sealed / "MANIFEST.json").read_text(encoding="utf-8").replace('"size_bytes": 5', '"size_bytes": 6')
    (sealed / "MANIFEST.json").write_text(text, encoding="utf-8")
    assert manifest.differences(sealed) == [("a.txt", "has 5 bytes, the manifest says 6")]


def test_foreign_files_are_those_that_it_does_not_name(sealed):
    assert manifest.foreign_files(sealed) == []
    (sealed / "notes.txt").touch()
    assert manifest.foreign_files(sealed) == ["notes.txt"]


def test_without_a_manifest_every_file_is_foreign(sealed):
    """Nobody knows whose they are, so nobody may replace them."""
    (sealed / "MANIFEST.json").unlink()
    assert manifest.foreign_files(sealed) == ["a.txt", "b/c.log"]


@pytest.mark.parametrize("value", [{}, {"schema": "x", "files": {}}, {"schema": manifest.SCHEMA}, [], 1,
                                   {"schema": manifest.SCHEMA, "files": {"a": {"sha256": 1, "size_bytes": 1}}},
                                   ])  # fmt: skip
def test_a_manifest_of_another_form_is_refused(sealed, value):
    (sealed / "MANIFEST.json").write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(RecordError, match=r"MANIFEST\.json"):
        manifest.read(sealed)
