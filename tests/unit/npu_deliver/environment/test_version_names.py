"""Versions as people write them are read, ordered, and compared by what they mean."""

import itertools

import pytest

from npu_deliver.environment.version_names import covers, package, plugin_names, read_cann, same_torch


@pytest.mark.parametrize(
    ("text", "torch", "canonical"),
    [
        ("2.9.0", "2.9.0", "2.9.0"),
        ("v2.9.0.POST1+gitee7ba04", "2.9.0", "2.9.0.post1"),
        ("2.1.0rc1", "2.1.0", "2.1.0.rc1"),
        ("1.11.rc1", "1.11.0", "1.11.0.rc1"),
        ("2.9.0-post1", "2.9.0", "2.9.0.post1"),
        ("1.8.1rc2.post20220505", "1.8.1", "1.8.1.rc2"),
        ("1.5.0+ascend.post3.20211206", "1.5.0", "1.5.0.post3"),
        ("2.7.1.dev20250724", "2.7.1", "2.7.1.dev20250724"),
        ("2.9", "2.9.0", "2.9"),
    ],
)
def test_a_version_of_torch_npu(text, torch, canonical):
    found = package(text)
    assert (found.torch, found.text) == (torch, canonical)
    assert found.short == (text == "2.9")


@pytest.mark.parametrize("text", ["", "latest", "2", "2.9.0.1.2", ">=2.1", "2.1.0-7.0.0", "9" * 5000 + ".1.0"])
def test_another_text_is_no_version_of_torch_npu(text):
    assert package(text) is None


def test_packages_of_one_torch_are_ordered_as_they_were_released():
    names = ["2.9.0.dev20250101", "2.9.0.post1.dev3", "2.9.0.post1", "2.9.0.post2", "2.9.0.post10"]
    names.insert(0, "2.9.0rc2")
    names.insert(0, "2.9.0rc1")
    ranks = [package(name).rank for name in names]
    assert ranks == sorted(ranks)
    assert package("2.9.0.dev20250101").rank < package("2.9.0").rank < package("2.9.0.post1.dev3").rank


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("8.5.1", "8.5.1"),
        ("8.3.rc1", "8.3.RC1"),
        ("CANN 8.0.0.beta1", "8.0.0"),
        ("CANN: V8.0.RC3.beta1", "8.0.RC3"),
        ("8.0.RC2.alpha001", "8.0.RC2.alpha001"),
        ("8.5", "8.5"),
        ("6.3.T200", "6.3.T200"),
    ],
)
def test_a_version_of_cann(text, canonical):
    assert read_cann(text).text == canonical


@pytest.mark.parametrize("text", ["", "latest", "8", "built in", "9" * 5000 + ".1.0"])
def test_another_text_is_no_version_of_cann(text):
    assert read_cann(text) is None


def test_versions_of_cann_are_ordered_as_they_were_released():
    names = ["7.0.RC1", "7.0.0", "8.0.RC1", "8.0.RC2", "8.0.0", "8.0.1", "8.3.RC1", "8.5.0", "9.0.0", "10.0.RC1"]
    for earlier, later in itertools.combinations(names, 2):
        assert read_cann(earlier).order < read_cann(later).order


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("7.0.0", [("7.0.0", None)]),
        ("FrameworkPTAdapter | 7.0.RC1", [("7.0.rc1", None)]),
        ("v2.1.0-7.0.0", [("7.0.0", "2.1.0")]),
        ("2.1.0-6.0rc3", [("6.0.rc3", "2.1.0")]),
        ("v26.1.0-pytorch2.12.0", [("26.1.0", "2.12.0")]),
        ("2.0.4.tr5", [("2.0.4.tr5", None)]),
        ("torch 2.1.0, TorchNPU 7.3.X", [("2.1.0", None), ("7.3.x", None)]),
        ("latest", []),
    ],
)
def test_what_is_written_like_a_version_of_torchnpu(text, named):
    assert [(name.version, name.torch) for name in plugin_names(text)] == named


def test_a_preview_is_told_from_its_release():
    assert plugin_names("26.2.0-beta.1")[0].preview
    assert plugin_names("6.0.rc3.alpha001")[0].preview
    assert not plugin_names("26.1.0")[0].preview


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2.9", "2.9.0", True), ("2.9.0+cpu", "2.9.0", True), ("v2.9.0", "2.9", True), ("2.9.1", "2.9.0", False),
        ("2.1", "2.10.0", False), ("2", "2.9.0", False),
    ],
)  # fmt: skip
def test_a_short_torch_is_the_same_torch(one, other, same):
    assert same_torch(one, other) is same
    assert same_torch(other, one) is same


def test_an_x_covers_every_patch_and_nothing_else():
    assert covers("8.5.X", "8.5.0")
    assert covers("8.5.X", "8.5.RC1")
    assert not covers("8.5.X", "8.50.0")
    assert covers("8.3.RC1", "8.3.RC1")
    assert not covers("8.3.RC1", "8.3.RC2")
