"""What the search for speed finds."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

from npu_eval.asked.spec import EvalSpec
from npu_eval.experiments.optimisation.data import (
    Burst,
    DeviceRace,
    OptimisationData,
    Pair,
    ScalingRun,
    SweepRun,
    Trial,
)
from npu_eval.experiments.precision.data import PrecisionData
from npu_eval.notation.phrases import NOTHING, Phrase, said
from npu_eval.records.record import Record
from npu_eval.under_test.messages import OperatorTime, ProfileData
from samples.agreement import difference
from samples.circumstances import machine_state
from samples.precision import precision_data
from samples.recorded import record
from samples.timed import latency_samples


def pair(factor: float = 1.0, block: int = 0, *, centre_s: float = 0.0215, rounds: int = 4, seed: int = 0) -> Pair:
    """A pair in which the switched side is ``factor`` times as quick, but for a per mille that differs by block."""
    luck = 1 + 0.001 * ((block * 5) % 7 - 3)
    sides = {False: centre_s, True: round(centre_s / (factor * luck), 9)}
    orders = ((False, True, True, False), (True, False, False, True))
    turns = [is_on for n in range(rounds) for is_on in orders[n % 2]]
    bursts = (
        Burst(on=is_on, samples_s=latency_samples(5, sides[is_on], 100 * seed + 10 * block + n))
        for n, is_on in enumerate(turns)
    )
    return Pair(block=block, bursts=tuple(bursts))


def _seed(*what: str) -> int:
    """A number that is another one for another trial, and the same in every run of the tests."""
    return zlib.crc32(" ".join(what).encode())


def trial(*switches: str, factor: float = 1.0, pairs: int = 5, **changes: Any) -> Trial:
    """A trial of these switches against the model without them; of none it is an A/A run."""
    found = Trial(
        stage="single" if switches else "a/a",
        switches=switches,
        against=(),
        timed="forward",
        defaults=dict.fromkeys(switches, "off"),
        readings=dict.fromkeys(switches, "on"),
        refused=NOTHING,
        ended=NOTHING,
        first_call_s=3.5,
        peak_memory_bytes=90 * 2**20,
        resident_bytes=700 * 2**20,
        precision=precision_data(repeats=()) if switches else None,
        pairs=tuple(pair(factor, block, seed=_seed(str(changes), *switches, str(factor))) for block in range(pairs)),
    )
    return replace(found, **changes)


NO_TCMALLOC = said("no-library", name="tcmalloc")


def refused_trial(switch: str = "tcmalloc", why: Phrase = NO_TCMALLOC) -> Trial:
    return trial(switch, refused=why, readings={}, pairs=0, precision=None, peak_memory_bytes=None,
                 resident_bytes=None, first_call_s=None)  # fmt: skip


def breaking_precision() -> PrecisionData:
    """Outputs that are off by a fifth."""
    return precision_data(
        differences=(difference((1.0, -2.0, 3.0, 0.5), (1.2, -2.4, 3.6, 0.6)),), repeats=(), candidate_dtype="bfloat16"
    )


def sweep_run(batch_size: int = 1, block: int = 0, **changes: Any) -> SweepRun:
    seconds = 0.02 * batch_size**0.7 * (1 + 0.002 * block)
    run = SweepRun(
        block=block,
        batch_size=batch_size,
        calls=15,
        windows_s=(15 * seconds, 15.1 * seconds),
        peak_memory_bytes=(40 + 30 * batch_size) * 2**20,
        ended_by="protocol",
    )
    return replace(run, **changes)


def optimisation_data(**changes: Any) -> OptimisationData:
    """A search with every outcome, whose two gains were confirmed together."""
    both = ("fold-batch-norm", "channels-last")
    found = OptimisationData(
        budget_s=600.0,
        spent_s=571.25,
        batch_size=1,
        min_effect=0.02,
        baseline_first_call_s=3.25,
        baseline_readings={"fold-batch-norm": "0", "channels-last": "off"},
        trials=(
            trial(),
            trial("fold-batch-norm", factor=1.12, readings={"fold-batch-norm": "49"}),
            trial("channels-last", factor=1.3),
            trial("half-the-threads", factor=0.7, pairs=2, ended=said("slower")),
            trial("bfloat16", factor=1.5, precision=breaking_precision(), defaults={"bfloat16": "float32"}),
            trial("huge-pages", factor=1.001),
            trial("hf32-conv", refused=said("already-reads", reading="on"), pairs=0, precision=None),
            refused_trial(),
            trial("channels-last", factor=1.3, stage="combination", pairs=4),
            trial(*both[::-1], factor=1.45, stage="combination", pairs=4),
            trial(*both[::-1], factor=1.45 / 1.3, stage="combination", pairs=4, against=("channels-last",)),
        ),
        untried=("compile",),
        sweep=(
            *(sweep_run(size, block) for block in range(3) for size in (1, 2, 4)),
            sweep_run(8, 0, windows_s=(), calls=1, peak_memory_bytes=None, ended_by="out of memory"),
        ),
        scaling=(
            ScalingRun(
                batch_size=1,
                together=(DeviceRace(device="npu:0", calls=135, seconds=3.01),
                          DeviceRace(device="npu:1", calls=133, seconds=3.02)),
                alone=(DeviceRace(device="npu:0", calls=140, seconds=3.01),
                       DeviceRace(device="npu:1", calls=139, seconds=3.005)),
            ),
        ),
        profile=ProfileData(
            tool="torch_npu.profiler",
            clock="NPU",
            batch_size=1,
            calls=5,
            operators=(
                OperatorTime(name="Conv2D", calls=245, self_s=0.061),
                OperatorTime(name="BNInfer", calls=245, self_s=0.022),
                OperatorTime(name="NonMaxSuppression", calls=5, self_s=0.004),
            ),
            fallbacks=(OperatorTime(name="NonMaxSuppression", calls=5, self_s=0.004),),
        ),
        machine=(machine_state(), machine_state(when="during", watched_s=571.0, foreign_cpus=30.0)),
        ended=NOTHING,
    )  # fmt: skip
    return replace(found, **changes)


def optimisation_record(
    *, spec: EvalSpec | None = None, data: OptimisationData | None = None, **changes: Any
) -> Record:
    command = ("python", "evaluation/eval_optimisation.py", "--save", "evaluation", "--budget", "600s")
    return record(data or optimisation_data(), command, spec=spec, **changes)
