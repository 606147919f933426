"""The self-test finds what it plants, keeps silent on clean reports, and says so when it does not."""

from __future__ import annotations

import random

import pytest
from typer.testing import CliRunner

from npu_deliver.cli import app
from npu_deliver.lint.selftest import run
from npu_deliver.lint.selftest.foreign import STYLES
from npu_deliver.lint.selftest.mutations import MUTATIONS, Mutation
from npu_deliver.lint.selftest.numbers import draw


@pytest.fixture(scope="module")
def result() -> run.Selftest:
    return run.selftest(0, [])


def test_at_least_200_mutations_are_planted_and_all_are_found(result: run.Selftest) -> None:
    assert len(result.outcomes) >= 200
    assert not result.missed
    assert not result.alarms


def test_every_mutation_is_planted_somewhere(result: run.Selftest) -> None:
    assert {outcome.mutation for outcome in result.outcomes} == {mutation.name for mutation in MUTATIONS}


def test_the_matrix_is_printed_in_both_languages(result: run.Selftest) -> None:
    assert "0 false alarms" in "\n".join(run.told(result, "en"))
    assert "误报 0 处" in "\n".join(run.told(result, "zh"))


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__name__)
def test_honest_reports_of_other_people_are_clean(style) -> None:
    for seed in range(12):
        rng = random.Random(seed)
        assert run.findings_in(style(draw(rng), rng)) == ()


def test_a_defect_that_no_rule_knows_is_told_as_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    harmless = Mutation(name="harmless", plant=lambda files, _: run_planted(files))
    monkeypatch.setattr(run, "MUTATIONS", (harmless,))
    outcome = run.selftest(0, [], least=1)
    assert len(outcome.missed) == len(outcome.outcomes) > 0
    assert "missed: harmless" in "\n".join(run.told(outcome, "en"))


def test_the_command_plants_as_many_as_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    todo = next(mutation for mutation in MUTATIONS if mutation.name == "TODO left")
    monkeypatch.setattr(run, "MUTATIONS", (todo,))
    done = CliRunner().invoke(app, ["lint", "--self-test", "--mutations", "20", "--lang", "en"])
    planted = int(done.stdout.splitlines()[1].split()[0])
    assert done.exit_code == 0
    assert 20 <= planted < 20 + len(STYLES)


def run_planted(files: dict[str, str]):
    from npu_deliver.lint.selftest.mutations import Planted

    return Planted(
        files=files | {"README.md": files["README.md"] + "\nend\n"}, rules=frozenset({"NPU001"}), file="README.md"
    )
