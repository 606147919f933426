"""Small, complete, consistent examples of what the parts hand to each other: specs and records.

Every builder returns the example of a good run (a real NPU, trained weights, everything passes) and takes the fields
that shall differ as keyword arguments. The records are bound to ``eval_spec()`` unless another ``spec`` is given. No
torch and no numpy, so that tests of what reads records stay as light as what they test.
"""

from __future__ import annotations

import hashlib
import math
import random
import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from npu_deliver.experiments.registry import KINDS
from npu_eval.agreement.detections import DetectionComparison, DetectionPair, LoneDetection
from npu_eval.agreement.difference import (
    NEAR_BOUNDS,
    RELATIVE_ERROR_BOUNDS,
    RELATIVE_FLOOR,
    SMALL_ERROR,
    SMALL_VALUE,
    ULP_EDGES,
    ULP_LIMITS,
    ULP_MOST,
    ClassRanking,
    Difference,
    Elements,
)
from npu_eval.asked.criteria import Comparison, Criterion
from npu_eval.asked.profiles import default_criteria
from npu_eval.asked.spec import (
    SCHEMA,
    EvalSpec,
    InputFile,
    ModelFacts,
    Side,
    SpecFile,
    TimingProtocol,
    ToolVersion,
    WeightsSpec,
)
from npu_eval.experiments.dataset import data as coco
from npu_eval.experiments.inference.data import InferenceData, PhotoResult
from npu_eval.experiments.localisation.data import LocalisationData, LocatedOperator, OutputError
from npu_eval.experiments.optimisation.data import (
    Burst,
    DeviceRace,
    OptimisationData,
    Pair,
    ScalingRun,
    SweepRun,
    Trial,
)
from npu_eval.experiments.performance.data import (
    CacheRun,
    EndToEnd,
    EnqueueRun,
    FreshProcess,
    LatencyRun,
    PerformanceData,
    SampledOutput,
    ThroughputRun,
)
from npu_eval.experiments.precision.data import PrecisionData
from npu_eval.experiments.precision.switching_data import ModeDifference, ModeRun, Switching
from npu_eval.experiments.training.data import GradientDifference, LossPoint, TrainingData
from npu_eval.machine.load import MachineState
from npu_eval.models.prediction import Prediction
from npu_eval.notation.phrases import NOTHING, Phrase, said
from npu_eval.npu.evidence import NpuProof
from npu_eval.records.provenance import BundleOrigin, DeviceFacts, HostFacts, Provenance, WeightsFacts
from npu_eval.records.record import Record
from npu_eval.under_test.messages import OperatorTime, ProfileData

CODE_SHA256 = "c0de" * 16
PHOTOS = {"inputs/cat.jpg": "ca7a" * 16, "inputs/flower.jpg": "f10a" * 16}
"""Path → sha256 of the inputs of ``eval_spec()``."""

EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
SMALLEST_NORMAL = {"float64": 2.0**-1022, "float32": 2.0**-126, "float16": 2.0**-14, "bfloat16": 2.0**-126}


# --- what is asked ---------------------------------------------------------------------------------------------------


def criterion(metric: str = "relative_l2", threshold: float = 0.01, **changes: Any) -> Criterion:
    at_least = ("cosine_similarity", "top1_agreement", "top5_agreement", "sample_count", "throughput_per_s")
    at_least_too = ("within" in metric or metric.endswith(("hundredth_ratio", "thousandth_ratio", "thousandths_ratio"))
                    or metric == "task_metric_ratio")  # fmt: skip
    comparison = Comparison.AT_LEAST if metric in at_least or at_least_too else Comparison.AT_MOST
    rule = Criterion(id=metric, metric=metric, comparison=comparison, threshold=threshold, why="a test's own rule")
    return replace(rule, **changes)


def eval_spec(**changes: Any) -> EvalSpec:
    spec = EvalSpec(
        name="tiny",
        adapter="adapter.py",
        task="classification",
        weights=WeightsSpec(source="file:tiny.pth", sha256="3e16" * 16),
        inputs=tuple(InputFile(path=path, sha256=sha256) for path, sha256 in PHOTOS.items()),
        reference=Side(device="cpu", dtype="float64"),
        candidate=Side(device="npu:0", dtype="float32"),
        seed=0,
        repeats=3,
        timing=TimingProtocol(),
        criteria=default_criteria("classification"),
    )
    return replace(spec, **changes)


def model_facts(**changes: Any) -> ModelFacts:
    facts = ModelFacts(
        title="Tiny",
        source="https://example.org/tiny",
        paper="https://example.org/tiny.pdf",
        license="apache-2.0",
        dataset="ImageNet-1k",
        summary_zh="一个很小的分类网络。",
        summary_en="A very small classifier.",
    )
    return replace(facts, **changes)


def spec_file(**changes: Any) -> SpecFile:
    content = SpecFile(
        schema=SCHEMA, profile="npu_deliverables", model=model_facts(), requirements=(), evaluation=eval_spec(),
        measured_with=tool_version(),
    )  # fmt: skip
    return replace(content, **changes)


def tool_version(**changes: Any) -> ToolVersion:
    """A version of the tool that is no real one, so that no page changes with the code."""
    return replace(ToolVersion(version="0.2.0", rules_sha256="a1" * 32, commit="v0.2.0"), **changes)


# --- under which circumstances ---------------------------------------------------------------------------------------


def device_facts(**changes: Any) -> DeviceFacts:
    """A real Ascend 910B; ``cpu_facts`` and ``simulated_facts`` are the others."""
    facts = DeviceFacts(
        name="npu:0",
        kind="npu",
        description="Ascend910B4",
        evidence="real",
        memory_bytes=32 * 2**30,
        soc="Ascend910B4",
        proof=npu_proof(),
    )
    return replace(facts, **changes)


def npu_proof(**changes: Any) -> NpuProof:
    """Everything that shows a real NPU."""
    proof = NpuProof(
        device_nodes=("/dev/davinci0",),
        driver="25.0.rc1.1",
        library="aarch64-linux/lib64/libascendcl.so",
        marker=None,
        cann="8.5.0",
    )
    return replace(proof, **changes)


def cpu_facts() -> DeviceFacts:
    return DeviceFacts(name="cpu", kind="cpu", description="Kunpeng-920", evidence="real")


def simulated_facts() -> DeviceFacts:
    return device_facts(evidence="simulated", proof=npu_proof(device_nodes=(), driver=None, marker="a stand-in"))


def host_facts(**changes: Any) -> HostFacts:
    facts = HostFacts(
        system="Linux 5.10.0",
        machine="aarch64",
        cpu_model="Kunpeng-920",
        cpu_count=192,
        usable_cpus=24,
        torch_threads=24,
        memory_bytes=512 * 2**30,
    )
    return replace(facts, **changes)


def weights_facts(**changes: Any) -> WeightsFacts:
    facts = WeightsFacts(
        source="file:tiny.pth",
        random=False,
        file="tiny.pth",
        sha256="3e16" * 16,
        sha256_fixed_before=True,
        size_bytes=18_623_456,
        mapping="by_name",
        tensors=244,
        parameters=4_652_008,
        missing_keys=(),
        unexpected_keys=(),
    )
    return replace(facts, **changes)


def random_weights() -> WeightsFacts:
    return weights_facts(
        source="random",
        random=True,
        file=None,
        sha256=None,
        sha256_fixed_before=False,
        size_bytes=None,
        mapping="none",
    )


def provenance(**changes: Any) -> Provenance:
    found = Provenance(
        requested_device="npu:0",
        device=device_facts(),
        reference_device=None,
        host=host_facts(),
        versions={"python": "3.11.13", "torch": "2.7.1", "torch_npu": "2.7.1", "timm": "1.0.20", "cann": "8.3.RC1"},
        weights=weights_facts(),
        numeric_modes={"deterministic": "off", "hf32_conv": "on", "hf32_matmul": "off", "jit_compile": "off"},
        environment={"OMP_NUM_THREADS": "24", "TASK_QUEUE_ENABLE": "1"},
        image="sha256:" + "1a9e" * 16,
    )
    return replace(found, **changes)


def bundle_origin(**changes: Any) -> BundleOrigin:
    """A reference that was computed on a GPU machine, with other code."""
    gpu = DeviceFacts(name="cuda:0", kind="cuda", description="NVIDIA A100-SXM4-40GB", evidence="real")
    found = BundleOrigin(
        sha256="b0d1" * 16,
        made_at="2025-05-30T09:12:00+00:00",
        spec_sha256="5bec" * 16,
        code_sha256="0dec" * 16,
        state_sha256="57a7" * 16,
        device=gpu,
        host=host_facts(cpu_model="AMD EPYC 7742", machine="x86_64"),
        versions={"python": "3.10.4", "torch": "2.6.0+cu124"},
        numeric_modes={"tf32_conv": "off", "tf32_matmul": "off"},
        environment={},
        image="none (run by hand)",
    )
    return replace(found, **changes)


# --- what was found --------------------------------------------------------------------------------------------------


def predictions() -> tuple[Prediction, ...]:
    return (
        Prediction(label="tabby, tabby cat", index=281, score=0.7261),
        Prediction(label="Egyptian cat", index=285, score=0.1405),
        Prediction(label="tiger cat", index=282, score=0.0932),
        Prediction(label="lynx, catamount", index=287, score=0.0011),
        Prediction(label="虎斑猫", index=292, score=0.0000012),
    )


def photo_result(path: str = "inputs/cat.jpg", **changes: Any) -> PhotoResult:
    stem = path.rpartition("/")[2].partition(".")[0]
    result = PhotoResult(
        input=path,
        input_sha256=PHOTOS.get(path, "0f0f" * 16),
        picture=f"results/{stem}.jpg",
        picture_sha256="91c7" * 16,
        predictions=predictions(),
    )
    return replace(result, **changes)


def difference(
    reference: Sequence[float] = (1.0, -2.0, 3.0, 0.5),
    candidate: Sequence[float] | None = None,
    *,
    input: str = "inputs/cat.jpg",  # noqa: A002  the field's name
    output: str = "logits",
    dtype: str = "float32",
    **changes: Any,
) -> Difference:
    """The sums of two short finite vectors, in plain Python; by default the candidate is off by 1e-7 of each value."""
    r = [float(x) for x in reference]
    y = [x * (1 + 1e-7) for x in r] if candidate is None else [float(x) for x in candidate]
    d = [abs(b - a) for a, b in zip(r, y, strict=True)]
    top = max(map(abs, r), default=0.0)
    counted = [(abs(a), e) for a, e in zip(r, d, strict=True) if abs(a) > RELATIVE_FLOOR * top]
    relative = [e / (abs(a) + 1e-7) for a, e in zip(r, d, strict=True)]
    sums = Difference(
        input=input,
        output=output,
        shape=(1, len(r)),
        reference_dtype="float64",
        candidate_dtype=dtype,
        reference_sha256=_bytes_sha256(r),
        candidate_sha256=_bytes_sha256(y),
        count=len(r),
        nonfinite_reference=0,
        nonfinite_candidate=0,
        nonfinite_mismatch=0,
        bitwise_equal=False,
        sum_sq_reference=math.fsum(a * a for a in r),
        sum_sq_candidate=math.fsum(b * b for b in y),
        sum_sq_diff=math.fsum(e * e for e in d),
        dot=math.fsum(a * b for a, b in zip(r, y, strict=True)),
        sum_abs_diff=math.fsum(d),
        max_abs_diff=max(d, default=0.0),
        max_abs_reference=top,
        sum_relative=math.fsum(relative),
        max_relative=max(relative, default=0.0),
        above_floor=len(counted),
        over_bounds=tuple(sum(e / a > bound for a, e in counted) for bound in RELATIVE_ERROR_BOUNDS),
        ulp_counts=_ulp_counts(r, d, dtype),
        elements=_elements(r, d, dtype),
    )
    return replace(sums, **changes)


def _elements(reference: Sequence[float], distance: Sequence[float], dtype: str) -> Elements:
    """The same vectors' sums for others' standards; the reference is float64, as in every example."""
    pairs = list(zip(map(abs, reference), distance, strict=True))
    ulps = [min(d / _ulp(r, dtype), ULP_MOST) for r, d in pairs]
    limit = SMALL_VALUE.get(dtype, SMALL_VALUE["float32"])
    normal = [(r, d) for r, d in pairs if r > limit]
    small = [d for r, d in pairs if r <= limit]
    return Elements(
        near=tuple(sum(d / (r or EPSILON["float64"]) < bound for r, d in pairs) for bound in NEAR_BOUNDS),
        sum_ulp=math.fsum(ulps),
        over_ulp=tuple(sum(u > limit for u in ulps) for limit in ULP_LIMITS),
        max_mixed=max((d / max(1.0, r) for r, d in pairs), default=0.0),
        normal=len(normal),
        normal_sum_sq_diff=math.fsum(d * d for _, d in normal),
        normal_sum_relative=math.fsum(d / (r + EPSILON[dtype]) for r, d in normal),
        normal_max_relative=max((d / (r + EPSILON[dtype]) for r, d in normal), default=0.0),
        small=len(small),
        small_wrong=sum(d > SMALL_ERROR.get(dtype, SMALL_ERROR["float32"]) for d in small),
    )


def _ulp(value: float, dtype: str) -> float:
    smallest = EPSILON[dtype] * SMALLEST_NORMAL[dtype]
    return max(smallest, EPSILON[dtype] * 2.0 ** (math.frexp(value)[1] - 1)) if value else smallest


def _bytes_sha256(values: Sequence[float]) -> str:
    return hashlib.sha256(struct.pack(f"{len(values)}d", *values)).hexdigest()


def _ulp_counts(reference: Sequence[float], distance: Sequence[float], dtype: str) -> tuple[int, ...]:
    counts = [0] * (len(ULP_EDGES) + 1)
    for r, d in zip(reference, distance, strict=True):
        unit = _ulp(r, dtype)
        counts[next((i for i, edge in enumerate(ULP_EDGES) if d / unit <= edge), len(ULP_EDGES))] += 1
    return tuple(counts)


def repeated(path: str = "inputs/cat.jpg", output: str = "logits") -> Difference:
    """A repeat that gave the very same bits as the candidate's first run in ``difference()``."""
    values = tuple(x * (1 + 1e-7) for x in (1.0, -2.0, 3.0, 0.5))
    return difference(values, values, input=path, output=output, reference_dtype="float32", bitwise_equal=True)


def ranking(path: str = "inputs/cat.jpg", **changes: Any) -> ClassRanking:
    classes, values = (281, 285, 282, 287, 292), (9.25, 7.5, 7.125, 3.0, 2.75)
    same = ClassRanking(
        input=path,
        output="logits",
        reference_classes=classes,
        reference_values=values,
        candidate_classes=classes,
        candidate_values=values,
    )
    return replace(same, **changes)


def latency_samples(count: int = 70, centre_s: float = 0.0215, seed: int = 0) -> tuple[float, ...]:
    """A quiet series: a fixed pattern of less than two per cent around its centre, and nanoseconds that never repeat.

    ``seed`` tells one series of the same calls from another; nobody sees it but who looks at the nanoseconds.
    """
    chance = random.Random(seed)
    noise = (chance.uniform(-1e-6, 1e-6) for _ in range(count))
    return tuple(round(centre_s * (1 + 0.001 * ((i * 7) % 17 - 8) + n), 9) for i, n in enumerate(noise))


def latency_run(batch_size: int = 1, **changes: Any) -> LatencyRun:
    run = LatencyRun(
        batch_size=batch_size,
        input_shape=(batch_size, 3, 224, 224),
        dtype="float32",
        first_call_s=3.25,
        warmup_s=(0.0301, *latency_samples(11, 0.0215 * batch_size**0.5, 1000 + batch_size)),
        warmup_steady=True,
        samples_s=latency_samples(70, 0.0215 * batch_size**0.5, batch_size),
        peak_memory_bytes=(40 + 30 * batch_size) * 2**20,
        ended_by="protocol",
    )
    return replace(run, **changes)


def throughput_run(batch_size: int = 1, **changes: Any) -> ThroughputRun:
    """Pipelined calls: a tenth quicker than the synchronised ones."""
    windows = tuple(20 * s for s in latency_samples(10, 0.0195 * batch_size**0.5, 2000 + batch_size))
    run = ThroughputRun(batch_size=batch_size, calls=20, windows_s=windows, ended_by="protocol")
    return replace(run, **changes)


def fresh_process(batch_size: int = 1, number: int = 0, **changes: Any) -> FreshProcess:
    """One of a few processes that differ by a per mille or two."""
    slower = 1 + 0.001 * ((number * 3) % 5)
    found = FreshProcess(
        batch_size=batch_size,
        start_s=9.5,
        first_call_s=3.25 * slower,
        samples_s=latency_samples(20, 0.0215 * batch_size**0.5 * slower, 3000 + 100 * number + batch_size),
        calls=10,
        windows_s=tuple(10 * s for s in latency_samples(3, 0.0195 * batch_size**0.5 * slower)),
    )
    return replace(found, **changes)


def end_to_end(path: str = "inputs/cat.jpg", number: int = 0, **changes: Any) -> EndToEnd:
    wobble = 1 + 0.002 * (number % 3)
    way = EndToEnd(
        input=path,
        decode_s=0.004 * wobble,
        preprocess_s=0.003 * wobble,
        upload_s=0.0002,
        forward_s=0.0215 * wobble,
        postprocess_s=0.0005,
        total_s=0.0285 * wobble + 0.0007,
    )
    return replace(way, **changes)


def sampled_output(batch_size: int = 1, **changes: Any) -> SampledOutput:
    """The output of the first input; in a larger batch off by a rounding."""
    alone = batch_size == 1
    found = SampledOutput(
        batch_size=batch_size,
        input="inputs/cat.jpg",
        output="logits",
        sha256="ca0d" * 16,
        same_shape=True,
        bitwise_equal=alone,
        nonfinite_mismatch=0,
        sum_sq_reference=14.25,
        sum_sq_diff=0.0 if alone else 1e-13,
    )
    return replace(found, **changes)


def machine_state(**changes: Any) -> MachineState:
    """A machine at rest."""
    state = MachineState(
        when="before",
        watched_s=1.0,
        cpus=192,
        foreign_cpus=0.75,
        load_1min=1.5,
        cpu_quota=None,
        throttled_s=0.0,
        others_memory_bytes=310 * 2**20,
    )
    return replace(state, **changes)


def out_of_memory_run(batch_size: int = 64) -> LatencyRun:
    return latency_run(
        batch_size, first_call_s=None, warmup_s=(), warmup_steady=False, samples_s=(), ended_by="out of memory"
    )


def record(data: object, command: Sequence[str], *, spec: EvalSpec | None = None, **changes: Any) -> Record:
    wanted, kind = spec or eval_spec(), next(kind for kind in KINDS.values() if isinstance(data, kind.data))
    found = Record(
        spec_sha256=wanted.sha256,
        code_sha256=CODE_SHA256,
        command=tuple(command),
        started_at="2025-06-01T08:00:00+00:00",
        finished_at="2025-06-01T08:01:40+00:00",
        provenance=provenance(reference_device="cpu" if kind.needs_reference else None),
        of=kind,
        data=data,
    )
    return replace(found, **changes)


def inference_record(*, spec: EvalSpec | None = None, data: InferenceData | None = None, **changes: Any) -> Record:
    paths = [entry.path for entry in (spec or eval_spec()).inputs]
    data = data or InferenceData(results=tuple(photo_result(path) for path in paths))
    return record(data, ("python", "inference.py", "--save", "evaluation"), spec=spec, **changes)


def detection_pair(**changes: Any) -> DetectionPair:
    pair = DetectionPair(label="cat", class_index=15, reference_score=0.9, candidate_score=0.8984375, box_iou=0.984375,
                         max_box_diff=0.25, mask_iou=0.96875)  # fmt: skip
    return replace(pair, **changes)


def lone_detection(**changes: Any) -> LoneDetection:
    lone = LoneDetection(side="candidate", label="dog", class_index=16, score=0.2265625, box=(1.0, 2.0, 30.5, 40.0),
                         best_iou=0.125, cause="cut-off")  # fmt: skip
    return replace(lone, **changes)


def detections(path: str = "inputs/cat.jpg", **changes: Any) -> DetectionComparison:
    """Two objects on both sides, and a third at the end of the candidate's list."""
    found = DetectionComparison(input=path, reference_count=2, candidate_count=3,
                                pairs=(detection_pair(), detection_pair(label="cup", class_index=41)),
                                lone=(lone_detection(),))  # fmt: skip
    return replace(found, **changes)


def training_data(**changes: Any) -> TrainingData:
    found = TrainingData(
        reference_dtype="float64",
        candidate_dtype="float32",
        images=2,
        side=256,
        objects=6,
        steps=2,
        optimizer=said("sgd", momentum="0.9", norm="10"),
        learning_rate=0.001,
        losses=tuple(
            LossPoint(step=step, name=name, reference=value, candidate=value * (1 + 2.0**-12))
            for step, values in ((1, (1.5, 0.75, 2.25)), (2, (1.25, 0.5, 1.75)))
            for name, value in zip(("loss_cls", "loss_mask", "total"), values, strict=True)
        ),
        gradients=(
            GradientDifference(part="backbone", tensors=53, elements=23508032, nonfinite=0, sum_sq_reference=4.0,
                               sum_sq_candidate=4.0, sum_sq_diff=2.0**-20),
            GradientDifference(part="head", tensors=12, elements=4712000, nonfinite=0, sum_sq_reference=9.0,
                               sum_sq_candidate=9.0, sum_sq_diff=0.0),
        ),
    )  # fmt: skip
    return replace(found, **changes)


def training_record(*, spec: EvalSpec | None = None, data: TrainingData | None = None, **changes: Any) -> Record:
    command = ("python", "evaluation/eval_training.py", "--save", "evaluation")
    return record(data or training_data(), command, spec=spec, **changes)


def precision_data(paths: Sequence[str] = tuple(PHOTOS), **changes: Any) -> PrecisionData:
    found = PrecisionData(
        reference_dtype="float64",
        candidate_dtype="float32",
        differences=tuple(difference(input=path) for path in paths),
        repeats=tuple(repeated(path) for path in paths for _ in range(2)),
        rankings=tuple(ranking(path) for path in paths),
        floors=tuple(difference(input=path) for path in paths),
        switching=switching(paths),
    )
    return replace(found, **changes)


def switching(paths: Sequence[str] = tuple(PHOTOS)) -> Switching:
    """HF32 of convolutions, on by default: a thousand times the error that is left without it, and a tenth quicker."""
    modes = []
    for conv, matmul in (("on", "off"), ("on", "on"), ("off", "on"), ("off", "off")):
        error = 1e-7 if conv == matmul == "off" else 1e-4
        modes.append(
            ModeRun(
                settings={"hf32_conv": conv, "hf32_matmul": matmul},
                deployed=not modes,
                differences=tuple(
                    ModeDifference(input=path, output="logits", sum_sq_reference=16.0, sum_sq_diff=16.0 * error**2,
                                   nonfinite_mismatch=0)
                    for path in paths
                ),
                samples_s=latency_samples(9, 0.0215 if conv == "on" else 0.0239),
            )
        )  # fmt: skip
    return Switching(modes=tuple(modes))


def precision_record(*, spec: EvalSpec | None = None, data: PrecisionData | None = None, **changes: Any) -> Record:
    wanted = spec or eval_spec()
    paths = [entry.path for entry in wanted.inputs]
    repeats = tuple(repeated(path) for path in paths for _ in range(wanted.repeats - 1))
    data = data or precision_data(paths, repeats=repeats)
    command = ("python", "evaluation/eval_precision.py", "--save", "evaluation")
    return record(data, command, spec=spec, **changes)


def performance_data(batch_sizes: Sequence[int] = (1, 8), **changes: Any) -> PerformanceData:
    runs: tuple[LatencyRun, ...] = changes.pop("runs", tuple(latency_run(size) for size in batch_sizes))
    fit = [run.batch_size for run in runs if run.samples_s]
    found = PerformanceData(
        clock="time.perf_counter (monotonic), device synchronised before both readings",
        timed="forward pass of one batch that already lies on the device; one synchronised call per sample",
        runs=runs,
        throughput=tuple(
            throughput_run(run.batch_size)
            if run.samples_s
            else throughput_run(run.batch_size, calls=1, windows_s=(), ended_by=run.ended_by)
            for run in runs
        ),
        processes=tuple(fresh_process(size, number) for number in range(5) for size in fit),
        end_to_end=tuple(end_to_end(path, number) for number in range(6) for path in PHOTOS),
        enqueue=EnqueueRun(
            batch_size=1,
            enqueue_s=tuple(s / 4 for s in latency_samples(20)),
            device_s=latency_samples(20, 0.0209),
        ),
        cache=CacheRun(
            batch_size=1, repeated_s=latency_samples(16, seed=4001), distinct_s=latency_samples(16, 0.0216, 4002)
        ),
        sampled=tuple(sampled_output(size) for size in fit),
        machine=(machine_state(), machine_state(when="during", watched_s=61.5)),
    )
    return replace(found, **changes)


def performance_record(*, spec: EvalSpec | None = None, data: PerformanceData | None = None, **changes: Any) -> Record:
    wanted = spec or eval_spec()
    ways = tuple(end_to_end(entry.path, number) for number in range(6) for entry in wanted.inputs)
    data = data or performance_data(wanted.timing.batch_sizes, end_to_end=ways)
    command = ("python", "evaluation/eval_performance.py", "--save", "evaluation")
    return record(data, command, spec=spec, **changes)


def all_records(spec: EvalSpec | None = None, **changes: Any) -> dict[str, Record]:
    """One record of each experiment, with those that not every deliverable has."""
    optional = {
        "dataset": dataset_record(spec=spec, **changes),
        "localisation": localisation_record(spec=spec, **changes),
    }
    return {**records(spec, **changes), **optional}


def records(spec: EvalSpec | None = None, **changes: Any) -> dict[str, Record]:
    """One record of each experiment that the spec asks for, of one run: what ``summarize`` takes."""
    extra = {"training": training_record(spec=spec, **changes)} if spec is not None and spec.training else {}
    return {
        "inference": inference_record(spec=spec, **changes),
        "precision": precision_record(spec=spec, **changes),
        "performance": performance_record(spec=spec, **changes),
        **extra,
    }


def located(index: int = 0, **changes: Any) -> LocatedOperator:
    found = LocatedOperator(index=index, operator="aten::convolution", module=f"layer{index}.conv", call=0,
                            backward=False, shapes=((1, 3, 8, 8), (4, 3, 3, 3)), error=2.0**-23,
                            bands={"fp32": 2.0**-23, "hf32": 2.0**-13, "tf32-or-fp16": 2.0**-12, "bf16": 2.0**-9},
                            cause="ok", evidence=said("times-float32", times="1"))  # fmt: skip
    return replace(found, **changes)


WRONG_ARGUMENT = said("times-float32", times="2.1e+06").then(said("argument", ours="2", theirs="1"))


def localisation_data(**changes: Any) -> LocalisationData:
    """A device in HF32 with one fault."""
    found = LocalisationData(
        input=next(iter(PHOTOS)),
        reference_dtype="float64",
        candidate_dtype="float32",
        outputs=(OutputError(output="logits", error=2.0**-8, floor=2.0**-22, bitwise_equal=False),),
        operators=(
            located(0, error=2.0**-13, cause="hf32", evidence=said("left-operands", format="hf32", left="1e-07")),
            located(1, operator="aten::relu"),
            located(
                2,
                error=0.25,
                cause="fault",
                evidence=WRONG_ARGUMENT,
            ),
            located(3, error=None, cause="fault", evidence=said("one-sided", count="1")),
        ),
    )
    return replace(found, **changes)


def localisation_record(
    *, spec: EvalSpec | None = None, data: LocalisationData | None = None, **changes: Any
) -> Record:
    command = ("python", "evaluation/eval_localisation.py", "--save", "evaluation")
    return record(data or localisation_data(), command, spec=spec, **changes)


# --- a data set -----------------------------------------------------------------------------------------------------


def image_set(**changes: Any) -> coco.ImageSet:
    found = coco.ImageSet(
        layout="coco",
        folder="coco2017",
        annotations="instances_val2017.json",
        annotations_sha256="a770" * 16,
        available=5000,
        limit=400,
        images=400,
        sha256="5e75" * 16,
    )
    return replace(found, **changes)


def detection_scores(iou_type: str = "bbox", lower: float = 0.0) -> coco.DetectionScores:
    """Three categories, the last without an object; AP falls with the IoU threshold."""
    falling = tuple(round(0.75 - lower - 0.05 * i, 4) for i in range(10))
    categories = (
        coco.CategoryScore(name="person", objects=900, detections=1200, precision=falling),
        coco.CategoryScore(name="traffic light", objects=40, detections=90, precision=tuple(v / 2 for v in falling)),
        coco.CategoryScore(name="虎", objects=0, detections=2, precision=(-1.0,) * 10),
    )
    means = [coco.mean_precision(categories, place) for place in (None, 0, 5)]
    stats = (*means, 0.1125, 0.3875, -1.0, 0.2, 0.41, 0.44, 0.15, 0.4625, -1.0)
    runs = tuple(
        coco.EvaluatorRun(evaluator=name, version=version, stats=stats, seconds=seconds)
        for name, version, seconds in (("hotcoco", "1.3.0", 0.08), ("pycocotools", "2.0.11", 2.5))
    )
    return coco.DetectionScores(iou_type=iou_type, objects=940, crowds=12, runs=runs, categories=categories)


def comparison(**changes: Any) -> coco.Comparison:
    found = coco.Comparison(
        metric="box_ap",
        other="blendmask on cuda:0 (A100)",
        other_sha256="07e4" * 16,
        value=0.39375,
        other_value=0.395,
        seed=0,
        differences=tuple(round(-0.00125 + 0.00001 * ((i * 37) % 200 - 100), 8) for i in range(1000)),
    )
    return replace(found, **changes)


def dataset_data(**changes: Any) -> coco.DatasetData:
    found = coco.DatasetData(
        image_set=image_set(),
        unreadable=(coco.Unusable(name="000000000139.jpg", why="is no image"),),
        broken_annotations=(
            coco.Unusable(name="annotation 7 of 000000000285.jpg", why="left out of the masks: it has no polygon"),
        ),
        repairs=(coco.Repaired(kind="number-as-text", count=12), coco.Repaired(kind="annotation-of-no-image", count=3)),
        missing_categories=("toothbrush",),
        missing_objects=3,
        unused_classes=("unicorn",),
        detections=1292,
        dropped_detections=17,
        images_without_detections=11,
        resumed_images=0,
        results="evaluation/results/dataset.jsonl",
        results_sha256="11ae" * 16,
        detection=(detection_scores(), detection_scores("segm", 0.05)),
        classification=None,
        comparisons=(comparison(),),
    )
    return replace(found, **changes)


def class_data(**changes: Any) -> coco.DatasetData:
    found = dataset_data(
        image_set=image_set(layout="labelled", folder="imagenet", annotations="labels.csv", images=20, available=20,
                            limit=None),
        broken_annotations=(), missing_categories=(), missing_objects=0, unused_classes=(), detections=0,
        dropped_detections=0, images_without_detections=0, detection=(), comparisons=(),
        classification=coco.ClassCounts(classes=1000, top1=15, top5=19),
    )  # fmt: skip
    return replace(found, **changes)


def dataset_record(*, spec: EvalSpec | None = None, data: coco.DatasetData | None = None, **changes: Any) -> Record:
    command = ("python", "evaluation/eval_dataset.py", "--limit", "400", "--save", "evaluation")
    return record(data or dataset_data(), command, spec=spec, **changes)


# --- optimisation ----------------------------------------------------------------------------------------------------


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
