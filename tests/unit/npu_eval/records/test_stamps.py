from __future__ import annotations

import dataclasses
import itertools

import pytest

import samples
from npu_eval.records.provenance import DeviceFacts, Provenance, WeightsFacts
from npu_eval.records.stamps import WORDS, Stamp, is_real_npu, is_simulated, shouted, stamped_name, stamps_of

CUDA = DeviceFacts(name="cuda:0", kind="cuda", description="A100", evidence="real")


def provenance(device: DeviceFacts, weights: WeightsFacts | None = None, replayed: str | None = None) -> Provenance:
    return samples.provenance(device=device, weights=weights or samples.weights_facts(), replayed_from=replayed)


def test_a_real_npu_with_trained_weights_carries_no_stamp() -> None:
    assert stamps_of([samples.provenance()]) == ()
    assert is_real_npu(samples.device_facts())


@pytest.mark.parametrize("evidence", ["simulated", "unknown", "absent", "", "Real", "REAL"])
def test_an_npu_without_positive_evidence_is_simulated(evidence: str) -> None:
    device = samples.device_facts(evidence=evidence)
    assert not is_real_npu(device)
    assert stamps_of([provenance(device)]) == (Stamp.SIMULATED,)


@pytest.mark.parametrize("device", [samples.cpu_facts(), CUDA])
def test_another_device_is_no_npu_however_real(device: DeviceFacts) -> None:
    assert not is_real_npu(device)
    assert stamps_of([provenance(device)]) == (Stamp.NO_NPU,)


def test_every_cause_has_its_stamp_whatever_the_others() -> None:
    devices = {samples.device_facts(): (), samples.simulated_facts(): (Stamp.SIMULATED,), CUDA: (Stamp.NO_NPU,)}
    for (device, expected), random, replayed in itertools.product(devices.items(), (False, True), (False, True)):
        weights = samples.random_weights() if random else samples.weights_facts()
        wanted = {*expected, *([Stamp.RANDOM_WEIGHTS] if random else []), *([Stamp.REPLAYED] if replayed else [])}
        found = stamps_of([provenance(device, weights, "abc" if replayed else None)])
        assert set(found) == wanted
        assert list(found) == [s for s in Stamp if s in wanted], "in order of weight"


def test_one_record_is_enough_to_stamp_all() -> None:
    real, simulated = samples.provenance(), provenance(samples.simulated_facts())
    assert stamps_of([real, simulated, real]) == stamps_of([simulated]) == (Stamp.SIMULATED,)
    assert stamps_of([]) == ()


def test_every_stamp_has_its_words() -> None:
    assert set(WORDS) == {str(stamp) for stamp in Stamp}
    assert len({shouted(stamp) for stamp in Stamp}) == len(Stamp)


def test_facts_of_a_real_npu_need_both_kind_and_evidence() -> None:
    real = samples.device_facts()
    assert not is_real_npu(dataclasses.replace(real, kind="cpu"))
    assert not is_real_npu(dataclasses.replace(real, evidence="simulated"))
    assert not is_real_npu(dataclasses.replace(real, proof=None))
    assert not is_real_npu(dataclasses.replace(real, proof=samples.npu_proof(device_nodes=())))


def test_a_version_that_says_simulated_stamps_whatever_the_device_claims() -> None:
    told = dataclasses.replace(samples.provenance(), versions={"cann": "8.5.0.simulated"})
    assert stamps_of([told]) == (Stamp.SIMULATED,)
    assert not is_simulated(samples.provenance())
    assert not is_simulated(dataclasses.replace(told, device=samples.cpu_facts()))


def test_names_of_simulated_results_say_so() -> None:
    assert stamped_name("evaluation/logs/x_eval.log", simulated=True) == "evaluation/logs/x_eval.simulated.log"
    assert stamped_name("readme.md", simulated=False) == "readme.md"
