"""Images through the product's own door: built with progress, found again, refused in one line when they cannot be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from npu_deliver.environment.build import Build, prepare
from npu_deliver.environment.engine import images
from npu_deliver.environment.stacks import BaseImage, base_image, load_stacks
from npu_deliver.errors import EngineError

pytestmark = pytest.mark.container

STACK = replace(
    load_stacks()["cpu"], name=f"building{os.getpid()}", torch=None, torchvision=None, torch_index="",
    packages=("npudelivertest_stack==1.0",),
)  # fmt: skip
USER = (12345, 23456)


def prepared(requirements: str = "npudelivertest_model\n", base: BaseImage | None = None, **changes: Any) -> Build:
    stack = replace(STACK, **changes)
    return prepare(stack, base or base_image(STACK), requirements, machine=os.uname().machine, user=USER)


@pytest.fixture(autouse=True)
def indexes(index: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in index.transport().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def build(engine: Any, need_base: Any) -> Iterator[Build]:
    planned = prepared()
    need_base(planned.arguments["BASE_IMAGE"])
    engine.made.add(planned.tag)
    return planned


def test_a_build_tells_its_progress_and_is_found_again(build: Build, engine: Any) -> None:
    assert images.find(build) is None
    told: list[str] = []
    kept: list[str] = []
    made = images.build_image(build, None, say=told.append, keep=kept.append)
    assert any(line.startswith("Step ") for line in told)
    assert len(kept) > len(told)
    assert made.packages["npudelivertest_model"] == "1.0"
    assert made.digest == engine.attributes(build)["Id"]
    assert made.facts is not None
    assert (made.facts.digest, made.facts.content_sha256) == (made.digest, build.content)
    assert images.find(build) == made
    assert images.find_digest(made.facts) == made
    assert build.tag in [name for name, _, _ in images.ours()]
    code, said = images.ask(made.digest, ["python", "-c", "raise SystemExit('no')"])
    assert (code, said.strip()) == (1, "no")
    other = replace(made.facts, digest="sha256:" + "0" * 64)
    assert images.find_digest(other) is None


def test_a_failed_step_is_shown_with_its_last_lines(build: Build) -> None:
    broken = prepared("npudelivertest_absent\n")
    kept: list[str] = []
    with pytest.raises(EngineError) as told:
        images.build_image(broken, None, say=lambda line: None, keep=kept.append)
    assert told.value.exit_code == 3
    assert "install.sh" in told.value.where
    assert "npudelivertest_absent" in str(told.value) or "npudelivertest-absent" in str(told.value)
    assert "the step's last lines" in told.value.fix
    assert any("npudelivertest" in line for line in kept)
    assert images.find(broken) is None


def test_a_base_that_cannot_be_had_is_told(build: Build) -> None:
    absent = prepared(base=BaseImage(name="localhost:1/npudelivertest/absent:1", digest=None))
    with pytest.raises(EngineError, match=r"the base image cannot be had .*; pull it by hand, name a mirror"):
        images.build_image(absent, None, say=lambda line: None, keep=lambda line: None)


def test_where_a_base_is(engine: Any, need_base: Any) -> None:
    name = base_image(STACK).reference
    need_base(name)
    assert images.whereabouts(name) == "is here"
    assert images.whereabouts("localhost:1/npudelivertest/absent:1") is None


def test_somebody_else_s_image_under_our_name_is_not_taken(build: Build, engine: Any) -> None:
    engine.client.images.get(build.arguments["BASE_IMAGE"]).tag(build.tag)
    try:
        assert images.find(build) is None
    finally:
        engine.client.images.remove(build.tag)
