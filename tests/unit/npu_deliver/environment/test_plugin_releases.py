"""A report's own words for TorchNPU lead to its release, its CANN and its packages."""

import re

import pytest

from npu_deliver.environment import plugin_releases
from npu_deliver.environment.plugin_releases import plugin_release, releases_of
from npu_deliver.environment.version_names import package


@pytest.mark.parametrize(
    ("text", "version", "torch", "cann", "some"),
    [
        ("7.0.0", "7.0.0", None, "8.1.RC1", "2.1.0.post12"),
        ("FrameworkPTAdapter 7.0.0", "7.0.0", None, "8.1.RC1", "2.5.1"),
        ("FrameworkPTAdapter | 6.0.0  |", "6.0.0", None, "8.0.0", "2.4.0.post2"),
        ("TorchNPU 26.0.0", "26.0.0", None, "9.0.0", "2.10.0"),
        ("Ascend Extension for PyTorch 6.0.RC3", "6.0.rc3", None, "8.0.RC3", "2.4.0"),
        ("v2.1.0-7.0.0", "7.0.0", "2.1.0", "8.1.RC1", "2.1.0.post12"),
        ("2.1.0-7.0.0", "7.0.0", "2.1.0", "8.1.RC1", "2.1.0.post12"),
        ("v1.11.0-6.0.rc2", "6.0.rc2", "1.11.0", "8.0.RC2", "1.11.0.post14"),
        ("v26.1.0-pytorch2.12.0", "26.1.0", "2.12.0", "9.1.0", "2.12.0"),
        ("v7.3.1-pytorch2.9.0", "7.3.1", "2.9.0", "8.5.0", "2.9.0.post1"),
        ("26.0.1", "26.0.1", None, "9.0.0", "2.10.0.post2"),
        ("5.0.rc2.1", "5.0.rc2.1", None, "6.3.RC3", "1.11.0.post2"),
        ("3.0.0", "3.0.0", None, "6.0.1", "1.5.0.post8"),
        ("2.0.4.tr5", "2.0.4.tr5", None, "5.0.4", "1.5.0.post4"),
        ("torch 2.1.0, FrameworkPTAdapter 7.0.0", "7.0.0", None, "8.1.RC1", "2.1.0.post12"),
    ],
)
def test_the_release_that_a_text_names(text, version, torch, cann, some):
    release = plugin_release(text)
    assert release is not None
    assert (release.version, release.exact, release.torch, release.cann) == (version, True, torch, cann)
    assert some in release.packages
    assert release.sources


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("7.0.RC1", "7.0.0"), ("7.1.RC1.alpha002", "7.1.0"), ("26.1", "26.1.0"), ("7.3.X", "7.3.0"),
        ("26.0.2", "26.0.0"), ("6.0.rc3.alpha001", "6.0.rc3"), ("26.1.0-beta.1-pytorch2.10.0", "26.1.0"),
    ],
)  # fmt: skip
def test_a_version_that_is_not_listed_leads_to_the_nearest_and_says_so(text, version):
    release = plugin_release(text)
    assert release is not None
    assert release.version == version
    assert not release.exact


@pytest.mark.parametrize(
    "text", ["", "latest", "2.1.0", "2.9.0.post1", "2.0.1", "26.2.0", "4.0.0", "8.5.1", "26", "9" * 5000 + ".1.0"]
)
def test_other_versions_name_no_release(text):
    assert plugin_release(text) is None


@pytest.mark.parametrize("row", plugin_releases.rows(), ids=lambda row: f"{row.version}-{row.source.date}")
def test_every_branch_leads_to_its_release_and_its_package(row):
    for name in row.packages:
        torch = package(name).torch
        branch = row.version if ".tr" in row.version else f"v{torch}-{row.version}"
        release = plugin_release(branch)
        assert release is not None
        assert release.version == row.version
        assert branch in release.branches
        assert name in release.packages_for(torch)
        assert row.version in releases_of(name)
        assert row.of is None or plugin_releases.patched(row.version) == row.of


def test_where_sources_differ_both_are_kept():
    assert set(plugin_release("6.0.rc1").packages_for("2.1.0")) == {"2.1.0.post3", "2.1.0.post4"}
    assert releases_of("2.10.0") == ("26.0.0",)
    assert releases_of("2.10.0.post2") == ("26.0.1",)
    assert {row.source.date for row in plugin_releases.rows() if "2.10.0.post2" in row.packages} == {
        "2026-08-18", "2026-08-22",
    }  # fmt: skip


def test_every_source_has_an_address_and_a_day_and_is_used():
    used = {row.source for row in (*plugin_releases.rows(), *plugin_releases.matrices(), *plugin_releases.tested())}
    for name, source in plugin_releases.sources().items():
        assert source.url.startswith("https://")
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", source.date)
        assert source in used, name


def test_patches_are_of_listed_releases_and_versions_are_written_one_way():
    versions = {row.version for row in plugin_releases.rows()}
    for row in plugin_releases.rows():
        assert row.of is None or row.of in versions
        assert row.cann or row.of or row.version in {other.version for other in plugin_releases.rows() if other.cann}
        assert all(package(name).text == name for name in row.packages)


def test_the_newest_cann_is_known():
    assert plugin_releases.known_canns()[-1][0].text == "9.1.0"
    assert plugin_releases.pythons("2.6.0")[0] == ("3.9", "3.10", "3.11", "3.12")
    assert plugin_releases.pythons("2.13.0") is not None
    assert plugin_releases.pythons("1.5.0") is None
