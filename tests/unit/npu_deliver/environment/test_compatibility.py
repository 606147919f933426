"""What goes together: every row of the sources is held, nothing else is confirmed, and nobody is accused too easily."""

import itertools
import re
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npu_deliver.environment.compatibility import Answer, State, compatibility
from npu_deliver.environment.docker_data import docker_folder

DATA = tomllib.loads((docker_folder() / "compatibility.toml").read_text(encoding="utf-8"))
RELEASES = DATA["release"]
LISTED = [(row["version"], row["cann"], name) for row in RELEASES if "cann" in row for name in row["packages"]]
PACKAGES = sorted({name for row in RELEASES for name in row["packages"]})
CANNS = sorted({row["cann"] for row in RELEASES if "cann" in row})
CELLS = [
    (plugin, cann, row["source"])
    for row in DATA["matrix"]
    for plugin, cann in itertools.product(row["torch_npu"], row["cann"])
]
CITED = r" \(https://\S+, 20\d\d-\d\d-\d\d\)$"
CITED_ZH = r"（https://\S+，20\d\d-\d\d-\d\d）$"


def torch_of(package: str) -> str:
    return re.sub(r"\.(post|rc)\d+$", "", package)


def minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def of(package: str, cann: str) -> Answer:
    return compatibility(torch_of(package), package, cann)


def packages_of(pattern: str) -> list[str]:
    """The packages of the releases that a row of a matrix names, 7.3.X or 7.3.0."""
    stem = pattern.removesuffix("X")
    return [
        name for row in RELEASES for name in row["packages"]
        if (row["version"].startswith(stem) if stem != pattern else row["version"] == pattern)
    ]  # fmt: skip


# --- Every row of the sources ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "cann", "package"), LISTED, ids=lambda value: str(value))
def test_every_package_is_listed_with_the_cann_of_its_release(version, cann, package):
    assert of(package, cann).state is State.LISTED
    assert compatibility(torch_of(package), None, cann, plugin=version).state is State.LISTED
    assert compatibility(None, None, cann, plugin=f"v{torch_of(package)}-{version}").state is State.LISTED


def test_the_table_has_all_that_the_sources_list():
    rows = {(version, cann): 0 for version, cann, _ in LISTED}
    for version, cann, _ in LISTED:
        rows[version, cann] += 1
    assert rows["26.1.0", "9.1.0"] == 5
    assert rows["26.0.0", "9.0.0"] == 4  # 2.10.0 is in the notes alone
    assert rows["7.3.0", "8.5.0"] == rows["7.2.0", "8.3.RC1"] == rows["7.0.0", "8.1.RC1"] == 4
    assert rows["6.0.rc2", "8.0.RC2"] == 4
    assert rows["5.0.rc1", "6.3.RC1"] == 2
    assert rows["3.0.0", "6.0.1"] == 3
    assert {"1.5.0.post8", "1.8.1", "1.11.0.post14", "2.10.0", "2.10.0.post2", "2.9.0.post1"} <= set(PACKAGES)


@pytest.mark.parametrize(("plugin", "cann", "source"), CELLS)
def test_every_cell_of_a_matrix_is_compatible(plugin, cann, source):
    packages = packages_of(plugin)
    assert packages
    exact = [cann.replace("X", number) for number in ("0", "1", "7", "RC1")] if cann.endswith("X") else [cann]
    for package, version in itertools.product(packages, exact):
        answer = of(package, version)
        assert answer.state in (State.LISTED, State.COMPATIBLE), (package, version)
        if answer.state is State.COMPATIBLE:
            assert re.search(r"TorchNPU \S+ is compatible with CANN", answer.evidence[0])


CROSS = [("7.3", "9.0"), ("7.3", "9.1"), ("26.0", "8.5"), ("26.0", "9.1"), ("26.1", "8.5"), ("26.1", "9.0")]


@pytest.mark.parametrize(("plugin", "cann"), CROSS)
def test_the_six_pairs_off_the_diagonal_of_the_newest_matrix_are_compatible(plugin, cann):
    packages = packages_of(f"{plugin}.X")
    assert len(packages) >= 4
    for package, patch in itertools.product(packages, range(3)):
        answer = of(package, f"{cann}.{patch}")
        assert answer.state.fits, (package, patch)
        assert answer.state is not State.PATCH_COMPATIBLE
        assert "35dc37cfbbe7e08757fd1baf1a2a0087fab8b364/docs/zh/release_notes.md, 2026-08-07" in answer.evidence[0]


@pytest.mark.parametrize("row", DATA["tested"], ids=lambda row: row["release"])
def test_every_tested_pair_fits(row):
    for package in row["torch_npu"]:
        torch = ".".join(package.split(".")[:3])
        assert compatibility(torch, package, row["cann"]).state.fits


def bases(package: str) -> set[str]:
    """The releases that have a package, without those that only patch another, which stands for them."""
    return {row.get("of", row["version"]) for row in RELEASES if package in row["packages"]}


def named_together(package: str, cann: str) -> bool:
    """Whether a source names a package's release, or the one that it patches, with a CANN of the same minor version."""
    canns = {row["cann"] for row in RELEASES if row["version"] in bases(package) and "cann" in row}
    canns |= {cell for plugin, cell, _ in CELLS for base in bases(package) if plugin in (base, f"{minor(base)}.X")}
    for row in DATA["tested"]:
        if any(bases(name) & bases(package) for name in row["torch_npu"]):
            canns.add(row["cann"])
    return minor(cann) in {minor(each) for each in canns}


def test_what_no_source_names_together_is_contradicted_and_nothing_else_is():
    counted = {True: 0, False: 0}
    for package, cann in itertools.product(PACKAGES, CANNS):
        answer = of(package, cann)
        together = named_together(package, cann)
        counted[together] += 1
        if not together:
            candidate = any(".rc" in row["version"] for row in RELEASES if package in row["packages"])
            assert answer.state is State.CONTRADICTED or (candidate and answer.state is State.UNKNOWN), (package, cann)
        elif not cann.startswith("8.0.RC"):  # candidates that notes name for older releases alone, see below
            assert answer.state.fits, (package, cann)
    assert min(counted.values()) > 200


def test_a_cann_that_a_matrix_left_out_is_no_patch_of_one_that_it_names():
    assert of("2.9.0", "8.0.0").state is State.COMPATIBLE
    assert of("2.9.0", "8.0.1").state is State.PATCH_COMPATIBLE
    assert of("2.9.0", "8.0.RC2").state is State.CONTRADICTED  # the notes name it for 7.2.0, and no more for 7.3.0
    assert of("2.8.0", "8.0.RC2").state is State.COMPATIBLE


# --- Newer than what is known ----------------------------------------------------------------------------------------


@given(st.sampled_from(PACKAGES), st.integers(0, 9), st.integers(10, 12), st.booleans())
@settings(deadline=None)
def test_a_newer_cann_never_contradicts(package, number, major, next_minor):
    newer = f"9.{number + 2}.0" if next_minor else f"{major}.{number}.RC1"
    assert of(package, newer).state is State.UNKNOWN
    assert of(package, "9.1.3").state in (State.COMPATIBLE, State.UNKNOWN)


@pytest.mark.parametrize("cann", ["9.2.0", "9.2", "9.5.0", "10.0.0", "25.0.rc1", "9.1.1"])
def test_a_newer_cann_is_unknown_and_the_newest_known_is_named(cann):
    answer = of("2.6.0", cann)
    assert answer.state is State.UNKNOWN
    assert f"CANN {cann.replace('rc', 'RC')} is newer than 9.1.0, the newest that is known" in answer.evidence[0]


@pytest.mark.parametrize(
    ("torch", "torch_npu", "why"),
    [
        ("2.7.1", "2.7.1.post10", "newer than 2.7.1.post8"),
        ("2.12.0", "2.12.0.post1", "newer than 2.12.0"),
        ("2.1.0", "2.1.0.post19", "newer than 2.1.0.post18"),
        ("2.13.0", "2.13.0", "no release for torch 2.13.0 is listed"),
        ("2.8.0", "2.14.0", "no release for torch 2.14.0 is listed"),
        ("2.9.1", "2.9.1", "no release for torch 2.9.1 is listed"),
        (None, "26.2.0", "TorchNPU 26.2.0 is newer than 26.1.0"),
        ("2.13.0", "v26.2.0-0day-pytorch2.13.0", "TorchNPU 26.2.0 is newer than 26.1.0"),
        (None, "27.0.0", "newer than 26.1.0"),
    ],
)
@pytest.mark.parametrize("cann", ["9.1.0", "8.5.1", "7.0.0", "9.9.0"])
def test_a_newer_plugin_is_unknown(torch, torch_npu, cann, why):
    answer = compatibility(torch, torch_npu, cann, "3.11")
    assert answer.state is State.UNKNOWN
    assert why in answer.evidence[0]


def test_a_python_that_is_newer_than_every_listed_one_is_unknown():
    assert compatibility("2.9.0", "2.9.0", "8.5.0", "3.15").state is State.UNKNOWN
    assert compatibility("2.9.0", "2.9.0", "8.5.0", "3.14").state is State.CONTRADICTED
    assert compatibility("2.6.0", "2.6.0", "9.1.0", "3.15").state is State.CONTRADICTED


# --- One answer each -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("torch", "torch_npu", "cann", "python", "state"),
    [
        ("2.9.0", "2.9.0", "8.5.0", "3.11", State.LISTED),
        ("2.7.1+cpu", "2.7.1", "8.3.rc1", "3.11.14", State.LISTED),
        ("2.1.0", "2.1.0rc1", "7.0.RC1", "3.8", State.LISTED),
        ("2.4.0", "2.4.0.post2", "8.0.0.beta1", "3.10", State.LISTED),
        ("2.10.0", "2.10.0", "9.0.0", "3.11", State.LISTED),
        ("2.10.0", "2.10.0.post2", "9.0.0", "3.11", State.LISTED),  # the notes and the README give 26.0 one each
        ("2.1.0", "2.1.0.post3", "8.0.RC1", "3.8", State.LISTED),
        ("2.1.0", "2.1.0.post4", "8.0.RC1", "3.8", State.LISTED),
        ("1.11.0", "1.11.0.post8", "7.0.0", "3.7.5", State.LISTED),
        ("1.5.0", "1.5.0+ascend.post3.20211206", "5.0.3", "3.7", State.LISTED),
        ("1.8.1", "1.5.0.post3", "5.0.3", "3.7", State.LISTED),  # the table names torch 1.8.1 for it
        ("1.8.1", "1.8.1rc2.post20220505", "5.1.RC2", "3.7", State.LISTED),
        ("2.9.0+cpu", "2.9.0.post1+gitee7ba04", "8.5.1", "3.11.14", State.COMPATIBLE),
        ("2.8.0", "2.8.0.post4", "8.5.1", "3.11", State.COMPATIBLE),
        ("2.9.0", "2.9.0.post1", "9.0.0", "3.11", State.COMPATIBLE),
        ("2.10.0", "2.10.0", "8.5.1", "3.11", State.COMPATIBLE),
        ("2.10.0", "2.10.0.post2", "9.1.0", "3.11", State.COMPATIBLE),
        ("2.6.0", "2.6.0.post5", "8.5.0", "3.12", State.LISTED),  # Python 3.12 is in the notes alone
        ("2.7.1", "2.7.1.post2", "8.3.RC1", "3.11", State.COMPATIBLE),
        ("2.7.1", "2.7.1.post1", "8.3.RC2", "3.11", State.PATCH_COMPATIBLE),
        ("2.8.0", "2.8.0.post1", "8.5.0", "3.11", State.PATCH_COMPATIBLE),  # vllm-ascend v0.13.0rc2
        ("2.8.0", "2.8.0", "8.5.0", "3.11", State.PATCH_COMPATIBLE),  # the release that it patches
        ("2.7.1", "2.7.1", "8.5.0", "3.11", State.PATCH_COMPATIBLE),  # the same release of TorchNPU, for another torch
        ("2.9.0", "2.9.0.post3", "9.0.0", "3.11", State.PATCH_COMPATIBLE),  # between 26.0.0 and 26.0.1
        ("2.5.1", "2.5.1.post1.dev20250619", "8.1.RC1", "3.11", State.PATCH_COMPATIBLE),
        ("2.9.0", "2.9", "8.5", "3.11", State.PATCH_COMPATIBLE),
        ("2.6.0", "2.6.0", "9.1.0", "3.11", State.CONTRADICTED),
        ("2.1.0", "2.1.0.post6", "9.0.0", "3.10", State.CONTRADICTED),
        ("2.9.0", "2.9.0.post3", "8.0.RC2", "3.11", State.CONTRADICTED),  # so are both that it lies between
        ("2.8.0", "2.9.0", "8.5.0", "3.11", State.CONTRADICTED),
        ("2.9.1", "2.9.0", "8.5.0", "3.11", State.CONTRADICTED),
        ("2.9.0", "2.9.0", "8.5.0", "3.9", State.CONTRADICTED),
        ("2.2.0", "2.2.0", "8.3.RC1", "3.9", State.UNKNOWN),  # 6.0.0 goes with it, 6.0.rc1 is not named
        ("2.9.0", "2.9.0", "8.4.0", "3.11", State.UNKNOWN),
        ("2.8.0", "2.8.0rc1", "8.3.RC1", "3.11", State.UNKNOWN),
        ("2.9.0", "2.9.0", None, "3.11", State.UNKNOWN),
        ("2.9.0", "2.9.0", "latest", "3.11", State.UNKNOWN),
        ("2.9.0", None, "8.5.0", "3.11", State.UNKNOWN),  # torch stands in for nothing
        ("2.1.0", None, "9.1.0", "3.11", State.UNKNOWN),
        ("2.9.0", "latest", "8.5.0", "3.11", State.UNKNOWN),
        (None, "2.9.0", "8.5.0", None, State.LISTED),
    ],
)
def test_an_answer_and_its_evidence(torch, torch_npu, cann, python, state):
    answer = compatibility(torch, torch_npu, cann, python)
    assert answer.state is state
    assert answer.evidence
    assert all(re.search(CITED, sentence) for sentence in answer.evidence)
    assert all(re.search(CITED_ZH, sentence) for sentence in answer.said("zh"))


@pytest.mark.parametrize(
    ("torch", "plugin", "cann", "state"),
    [
        ("2.1.0", "7.0.0", "8.1.RC1", State.LISTED),
        (None, "FrameworkPTAdapter 7.0.0", "8.1.RC1", State.LISTED),
        (None, "v2.1.0-7.0.0", "8.1.RC1", State.LISTED),
        ("2.1.0", "7.0.0", "8.3.RC1", State.COMPATIBLE),
        ("2.1.0", "6.0.0", "8.3.RC1", State.COMPATIBLE),
        ("2.7.1", "26.0.0", "8.5.1", State.COMPATIBLE),
        ("2.7.1", "26.0.1", "9.1.0", State.COMPATIBLE),
        ("2.1.0", "7.0.RC1", "8.1.RC1", State.PATCH_COMPATIBLE),
        ("2.1.0", "7.1.0", "8.3.RC2", State.PATCH_COMPATIBLE),
        ("2.1.0", "7.0.0", "9.1.0", State.CONTRADICTED),
        ("2.1.0", "7.0.0", "7.0.0", State.CONTRADICTED),
        ("2.9.0", "7.0.0", "8.1.RC1", State.CONTRADICTED),  # TorchNPU 7.0.0 has no package for torch 2.9.0
        ("2.4.0", "v2.1.0-7.0.0", "8.1.RC1", State.CONTRADICTED),
        ("2.1.0", "7.0.RC1", "9.1.0", State.UNKNOWN),
        (None, "4.0.0", "8.1.RC1", State.UNKNOWN),
        ("2.1.0", "7.0.0", None, State.UNKNOWN),
    ],
)
def test_the_plugins_own_version_answers_too(torch, plugin, cann, state):
    answer = compatibility(torch, None, cann, plugin=plugin)
    assert answer.state is state
    assert all(re.search(CITED, sentence) for sentence in answer.evidence)
    if not any(letter.isalpha() for letter in plugin.replace("RC", "")):
        assert compatibility(torch, plugin, cann).state is state  # reports call it torch_npu's version


@pytest.mark.parametrize(
    ("torch_npu", "plugin", "cann", "state"),
    [
        ("2.1.0.post12", "7.0.0", "8.1.RC1", State.LISTED),
        ("2.1.0", "7.0.0", "8.1.RC1", State.LISTED),  # the torch, named for the package
        ("2.9.0.post1", "7.3.0", "8.5.1", State.COMPATIBLE),  # a patch of it
        ("2.9.0.post2", "7.3.0", "8.5.0", State.CONTRADICTED),
        ("2.9.0", "7.0.0", "8.1.RC1", State.CONTRADICTED),
        ("2.9.0.post2", "7.3.RC1", "8.5.0", State.COMPATIBLE),  # what nobody lists accuses nobody
    ],
)
def test_both_versions_must_be_of_one_release(torch_npu, plugin, cann, state):
    assert compatibility(torch_of(torch_npu), torch_npu, cann, plugin=plugin).state is state


def test_the_facts_say_what_stands_against_a_set_of_versions():
    answer = compatibility("2.6.0", "2.6.0", "9.1.0", "3.11")
    assert answer.evidence[0].startswith(
        "torch_npu 2.6.0 (TorchNPU 7.1.0) is listed with CANN 8.2.RC1, and no source has it with CANN 9.1.0 (https://"
    )
    assert "TorchNPU 7.1.0 is compatible with CANN 8.3.RC1, 8.2.RC1" in answer.evidence[1]
    answer = compatibility("2.9.0", "2.9.0", "8.0.RC2", "3.8")
    assert answer.evidence[0].startswith("torch 2.9.0 goes with Python 3.10, 3.11, 3.12, 3.13, not with 3.8 (")
    answer = compatibility("2.8.0", "2.9.0", "8.5.0", "3.8")
    assert answer.evidence[0].startswith("torch_npu 2.9.0 is built for torch 2.9.0, not for 2.8.0 (")
    assert len(answer.evidence) == 2
    assert answer.said("zh")[0].startswith("torch_npu 2.9.0 是为 torch 2.9.0 构建的，不是为 2.8.0（https://")


VERSIONS = st.one_of(
    st.none(),
    st.sampled_from([*PACKAGES, *CANNS, *(row["version"] for row in RELEASES), "v2.1.0-7.0.0", "9.9.9"]),
    st.text(alphabet="0123456789.rcRCpostvx-+ ²٣", max_size=14),
    st.text(max_size=12),
    st.just("9" * 5000 + ".1.0"),
)


@given(torch=VERSIONS, torch_npu=VERSIONS, cann=VERSIONS, python=VERSIONS, plugin=VERSIONS)
@settings(deadline=None, max_examples=300)
def test_any_text_gets_an_answer_with_its_source(torch, torch_npu, cann, python, plugin):
    answer = compatibility(torch, torch_npu, cann, python, plugin=plugin)
    assert answer.facts
    assert all(re.search(CITED, sentence, re.DOTALL) for sentence in answer.evidence)
    for sentence in answer.said("zh"):
        prose = re.sub(r"（https.*?）$|torch_npu|vllm-ascend|TorchNPU|torch|CANN|Python", "", sentence)
        assert re.search(r"[一-鿿]", prose)
