from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from contexts import context
from npu_eval.errors import RecordError
from npu_eval.experiments.localisation import run as localisation
from npu_eval.experiments.localisation.data import LocalisationData
from npu_eval.records.bundle import Bundle, BundleWriter, check_whole, open_bundle
from npu_eval.references import make as make_reference
from npu_eval.references.operators import OPERATORS, VALUES
from npu_eval.session.script import Context


def located(made: Context, bundle: Bundle | None = None) -> LocalisationData:
    return localisation.run(replace(made, bundle=bundle), argparse.Namespace())


def bundle_of(made: Context, folder: Path, *, operators: bool) -> Bundle:
    make_reference.run(made, BundleWriter(folder), spec_sha256=made.spec.sha256, operators=operators)
    return open_bundle(folder)


def test_the_reference_of_another_machine_gives_the_findings_of_one_that_runs_here(tmp_path: Path) -> None:
    made = context(tmp_path, numeric_modes={"autocast": "bfloat16"})
    bundle = bundle_of(made, tmp_path / "b", operators=True)
    assert sorted(path.name for path in bundle.folder.iterdir()) == sorted(
        ["bundle.json", "input-000.safetensors", "input-001.safetensors", OPERATORS, VALUES]
    )
    check_whole(bundle)
    direct = located(made)
    assert {o.cause for o in direct.operators} >= {"bf16"}, "autocast is the candidate's alone, and named"
    assert located(made, bundle) == direct

    values = bundle.folder / VALUES
    content = bytearray(values.read_bytes())
    content[100] ^= 1
    values.write_bytes(bytes(content))
    with pytest.raises(RecordError, match=r"^b/operator-values\.bin: is altered"):
        located(made, bundle)
    with pytest.raises(RecordError, match=r"^b/operator-values\.bin: is altered"):
        check_whole(bundle)


def test_a_bundle_without_operators_says_how_to_make_one(tmp_path: Path) -> None:
    made = context(tmp_path)
    bundle = bundle_of(made, tmp_path / "b", operators=False)
    with pytest.raises(RecordError, match=r"^b: holds no operators of the reference; .* reference --operators`$"):
        located(made, bundle)


def test_operators_of_another_input_or_dtype_are_refused(tmp_path: Path) -> None:
    made = context(tmp_path)
    bundle = bundle_of(made, tmp_path / "b", operators=True)
    turned = replace(made, spec=replace(made.spec, inputs=made.spec.inputs[::-1]))
    with pytest.raises(RecordError, match=r"holds the operators of the input 'inputs/cat\.png', not of"):
        located(turned, bundle)
    short = replace(made, spec=replace(made.spec, reference=replace(made.spec.reference, dtype="float32")))
    with pytest.raises(RecordError, match="holds the operators of the dtype 'float64', not of 'float32'"):
        located(short, bundle)
