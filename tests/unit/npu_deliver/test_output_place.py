"""Where a finished folder cannot go is told before anything runs."""

from __future__ import annotations

import os
from collections import namedtuple

import pytest

import deliverables
from npu_deliver import output_place, pipeline
from npu_deliver.errors import ConfigError


def refused(output) -> str:
    with pytest.raises(ConfigError) as told:
        output_place.require(output, output.with_name(f".{output.name}.work"))
    return str(told.value)


def test_a_good_place_is_taken_and_left_as_it_was(tmp_path):
    output = tmp_path / "a/b/npu_deliverables"
    output_place.require(output, output.with_name(".npu_deliverables.work"))
    assert list(tmp_path.iterdir()) == []


def test_a_link_into_nowhere(tmp_path):
    (tmp_path / "out").symlink_to("absent")
    assert "is a link to absent, which does not exist" in refused(tmp_path / "out")


def test_a_link_to_a_folder(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "out").symlink_to("there")
    assert "is a link to there, and a link is not replaced" in refused(tmp_path / "out")


def test_a_file_in_its_place_or_above_it(tmp_path):
    (tmp_path / "file").touch()
    assert "is a file" in refused(tmp_path / "file")
    assert f"{tmp_path / 'file'}: is no folder" in refused(tmp_path / "file/out")
    assert "is no folder" in refused(tmp_path / "file/a/b/out")


def test_a_name_that_its_disk_does_not_take(tmp_path):
    assert "the name is too long for its disk" in refused(tmp_path / ("长" * 84))  # the folder beside it is longer
    assert "the name is too long for its disk" in refused(tmp_path / ("x" * 300) / "out")


def test_a_full_disk(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage(100, 99, 1 << 20))
    assert "the finished folder takes 0.05 GiB and 0.00 GiB are free" in refused(tmp_path / "out")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path):
    tmp_path.chmod(0o555)
    try:
        assert "cannot be written (Permission denied)" in refused(tmp_path / "out")
    finally:
        tmp_path.chmod(0o755)


def test_a_folder_of_the_system_that_takes_nothing():
    assert "cannot be written" in refused(__import__("pathlib").Path("/proc/out"))


def test_a_mount_point(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    monkeypatch.setattr("pathlib.Path.is_mount", lambda self: self.name == "out")
    assert "is a mount point, which cannot be replaced" in refused(tmp_path / "out")


def test_the_line_asks_before_anything_else(tmp_path):
    deliverables.write_model(tmp_path)
    job = deliverables.job_of(tmp_path)
    job.output.symlink_to("absent")
    with pytest.raises(ConfigError, match="is a link to absent"), pipeline.working(job):
        pytest.fail("the work began")
    assert not job.work.exists()
