"""A complete small deliverable, made by the whole line in about a second: without torch, a container or a network.

`write_model` writes what a user brings, `FakeEngine` stands for the machine that runs the scripts, and `make` is
`pipeline.deliver` with both. What comes out is real: staged code, records, logs, pictures, pages, seal.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from unittest import mock

import yaml
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

import samples
from npu_deliver import ledger, pipeline
from npu_deliver.environment.choice import Environment
from npu_deliver.environment.image import Image
from npu_deliver.environment.step import Step
from npu_deliver.release import versions
from npu_deliver.report import figures
from npu_deliver.review import tampering
from npu_deliver.review.second_look import asking as second_look
from npu_deliver.review.second_look import making as made_again
from npu_deliver.spec.spec import Job, Overrides, load
from npu_deliver.summary import Summary, summary_sha256
from npu_eval.asked.criteria import Criterion
from npu_eval.asked.layout import Layout
from npu_eval.asked.spec import DATA_VARIABLE, EvalSpec, SpecFile, ToolVersion, read_spec_file
from npu_eval.experiments.dataset.data import DatasetData
from npu_eval.experiments.inference.data import InferenceData, PhotoResult
from npu_eval.experiments.optimisation import effects
from npu_eval.experiments.optimisation.data import OptimisationData
from npu_eval.experiments.performance.data import PerformanceData
from npu_eval.jsonio import file_sha256, write_atomic
from npu_eval.records import verdict as judge
from npu_eval.records.codehash import code_sha256
from npu_eval.records.log import exit_code, log_text, verdicts_of
from npu_eval.records.provenance import Provenance
from npu_eval.records.record import Record, write_record
from npu_eval.records.stamps import Stamp, is_simulated, stamped_name

IMAGE = Image(
    kind="local",
    digest="sha256:" + "1a9e" * 16,
    python=sys.executable,
    packages={"torch": "2.7.1+cpu", "numpy": "2.2.6", "pillow": "11.3.0", "timm": "1.0.20", "torch_npu": "2.7.1"},
)
SPEC: dict[str, Any] = {
    "name": "tiny",
    "adapter": "adapter.py",
    "task": "classification",
    "model": {
        "title": "Tiny",
        "source": "https://example.org/tiny",
        "paper": "https://example.org/tiny.pdf",
        "license": "apache-2.0",
        "dataset": "ImageNet-1k",
        "summary_zh": "一个很小的分类网络。",
        "summary_en": "A very small classifier.",
    },
    "weights": {"source": "random"},
    "inputs": ["photos"],
    "evaluation": {"device": "npu:0", "optimisation_budget_s": 0, "timing": {"batch_sizes": [1, 8]}},
}
WEIGHTS = b"weights of a very small classifier"
STEP_S = 100.0
"""Seconds that a step takes here, unless what it measured takes longer."""


@dataclass
class Clock:
    """The time that records and ledgers tell here: nobody waits for a step, and yet it takes as long as it says."""

    time: dt.datetime = dt.datetime(2025, 6, 1, 8, tzinfo=dt.UTC)

    def now(self) -> str:
        return self.time.isoformat(timespec="seconds")

    def wait(self, seconds: float) -> None:
        self.time += dt.timedelta(seconds=seconds)


CLOCK = Clock()
OPTIONS = pipeline.Options(python=Path(sys.executable), lang="zh", fresh=False)


def write_photo(path: Path, colour: tuple[int, int, int] = (200, 120, 40)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.new("RGB", (8, 6), colour).save(path)
    return path


def write_model(root: Path, name: str = "tiny", *, real_weights: bool = True, **changes: Any) -> Path:
    """A model's folder as a user writes it; ``changes`` replace whole keys of the spec."""
    folder = root / name
    write_photo(folder / "photos/cat.png")
    (folder / "adapter.py").write_text('"""An adapter that nobody calls here."""\n', encoding="utf-8")
    values = {**SPEC, "name": name}
    if real_weights:
        (folder / "tiny.pth").write_bytes(WEIGHTS)
        values["weights"] = {"source": "tiny.pth"}
    text = yaml.safe_dump(values | changes, allow_unicode=True, sort_keys=False)
    (folder / "spec.yaml").write_text(text, encoding="utf-8")
    return folder


def job_of(root: Path, name: str = "tiny", **overrides: Any) -> Job:
    return load(name, root, overrides=Overrides(**overrides))


Change = Callable[[Record], Record]


@dataclass
class FakeEngine:
    """Leaves what the scripts would leave, and counts what it ran.

    ``change`` alters each record before it is stored; ``instead`` takes the place of one experiment and returns its
    exit code.
    """

    change: Change = field(default=lambda record: record)
    instead: dict[str, Callable[[Step, Path, Callable[[str], None]], int]] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    name: str = "fake"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing runs."""

    def shell_line(self, step: Step, folder: Path) -> str:
        return f"{folder}: {step.shell}"

    def run(self, step: Step, folder: Path, tell: Callable[[str], None]) -> int:
        self.ran.append(step.experiment)
        if step.experiment in self.instead:
            return self.instead[step.experiment](step, folder, tell)
        return leave_record(step, folder, tell, self.change)


def leave_record(step: Step, folder: Path, tell: Callable[[str], None], change: Change = lambda record: record) -> int:
    """The record, the log and the result pictures of one experiment, bound to the folder in which they lie."""
    spec_file = read_spec_file(folder / "spec.json")
    spec = spec_file.evaluation
    record = change(make_record(step, folder, spec_file))
    text = log_text(record, spec.criteria)
    write_atomic(folder / stamped_name(step.log, simulated=is_simulated(record.provenance)), text)
    write_record(folder / step.record, record)
    for line in text.splitlines():
        tell(line)
    return exit_code(record, verdicts_of(record, spec.criteria))


def make_record(step: Step, folder: Path, spec_file: SpecFile) -> Record:
    spec, layout = spec_file.evaluation, spec_file.layout
    builders = {
        "inference": lambda: samples.inference_record(spec=spec, data=_inference(folder, spec, layout)),
        "precision": lambda: samples.precision_record(spec=spec),
        "performance": lambda: _performance(spec),
        "training": lambda: samples.training_record(spec=spec),
        "dataset": lambda: samples.dataset_record(spec=spec, data=_dataset(step, folder, layout)),
        "optimisation": lambda: samples.optimisation_record(spec=spec),
        "localisation": lambda: samples.localisation_record(spec=spec),
    }
    record, started = builders[step.experiment](), CLOCK.now()
    CLOCK.wait(record.data.spent_s + STEP_S if isinstance(record.data, OptimisationData) else STEP_S)
    return replace(
        record,
        started_at=started,
        finished_at=CLOCK.now(),
        code_sha256=code_sha256(folder),
        command=step.command,
        provenance=_provenance(spec, image=step.image, reference_device=record.provenance.reference_device),
    )


def _performance(spec: EvalSpec) -> Record:
    """A record with as many calls and windows as its protocol asks for."""
    record, seconds = samples.performance_record(spec=spec), 1.02 * spec.timing.min_duration_s
    data = record.data
    assert isinstance(data, PerformanceData)
    runs, throughput = [], []
    for size in spec.timing.batch_sizes:
        calls = max(spec.timing.min_samples, math.ceil(seconds / (0.0215 * size**0.5)))
        times = samples.latency_samples(calls, 0.0215 * size**0.5, size)
        runs.append(samples.latency_run(size, samples_s=times))
        windows = samples.latency_samples(3 + math.ceil(seconds / (0.78 * size**0.5)), 0.39 * size**0.5, 2000 + size)
        throughput.append(samples.throughput_run(size, windows_s=windows))
    return replace(record, data=replace(data, runs=tuple(runs), throughput=tuple(throughput)))


def _inference(folder: Path, spec: EvalSpec, layout: Layout) -> InferenceData:
    results: list[PhotoResult] = []
    for entry in spec.inputs:
        picture = layout.at(f"evaluation/results/{Path(entry.path).stem}.png")
        write_photo(folder / picture, (0, 60, 200))
        results.append(
            samples.photo_result(
                entry.path,
                input_sha256=entry.sha256,
                picture=picture,
                picture_sha256=file_sha256(folder / picture),
                predictions=samples.predictions() if spec.task == "classification" else (),
            )
        )
    return InferenceData(results=tuple(results))


def _dataset(step: Step, folder: Path, layout: Layout) -> DatasetData:
    """Results on the data set that the step names, whose labels are in labels.csv."""
    data = next(Path(mount.source) for mount in step.mounts if mount.variable == DATA_VARIABLE)
    results = layout.at("evaluation/results/dataset.jsonl")
    write_atomic(folder / results, f"results of {step.shell}\n")
    found = samples.image_set(layout="labelled", folder=data.name, annotations="labels.csv", images=20, available=20,
                              limit=None, annotations_sha256=file_sha256(data / "labels.csv"))  # fmt: skip
    return samples.class_data(image_set=found, results=results, results_sha256=file_sha256(folder / results))


def _provenance(spec: EvalSpec, **changes: Any) -> Provenance:
    weights = samples.random_weights()
    if not spec.weights.random:
        weights = samples.weights_facts(source=spec.weights.source, sha256=spec.weights.sha256, size_bytes=len(WEIGHTS))
    device = samples.device_facts() if spec.candidate.device.startswith("npu") else samples.cpu_facts()
    return samples.provenance(requested_device=spec.candidate.device, device=device, weights=weights, **changes)


def on_cpu(root: Path, **changes: Any) -> Path:
    """A model whose candidate is the CPU."""
    return write_model(root, evaluation={**SPEC["evaluation"], "device": "cpu"}, **changes)


@contextlib.contextmanager
def engine_in_place(engine: Any, image: Image = IMAGE) -> Iterator[None]:
    """`pipeline` with this engine and image instead of those of the machine."""
    where = Environment(image=image, engine=engine)
    with (
        mock.patch.object(pipeline, "prepare_environment", return_value=where),
        mock.patch.object(ledger, "_now", CLOCK.now),
    ):
        yield


def blank_pictures(summary: Summary, records: Any, logs: Any, lang: str) -> dict[str, bytes]:
    """Instead of `figures.draw` where nobody looks: one pixel each, with the right names and sources."""
    sources = {f"{e.experiment}_report": e.log_sha256 for e in summary.evidence}
    sources["precision_chart"] = summary_sha256(summary)
    for e in summary.evidence:
        if e.experiment == "performance":
            sources |= {"performance_chart": e.record_sha256, "batch_chart": e.record_sha256}
        if e.experiment == "localisation":
            sources["localisation_chart"] = e.record_sha256
    simulated = Stamp.SIMULATED in summary.stamps
    if simulated:
        sources = {name: source for name, source in sources.items() if name not in ("performance_chart", "batch_chart")}
    at = summary.layout.at
    names = {name: stamped_name(at(f"{figures.FOLDER}/{name}.png"), simulated=simulated) for name in sources}
    return {names[name]: png(source, Path(names[name]).name) for name, source in sources.items()}


def png(source_sha256: str, name: str) -> bytes:
    """The smallest picture that says what it is and what it was drawn from."""
    text, buffer = PngInfo(), io.BytesIO()
    text.add_text("Source-SHA256", source_sha256)
    Pillow.new("1", (1, 1)).save(buffer, "PNG", pnginfo=text)
    return figures.named(buffer.getvalue(), name)


def make(job: Job, engine: Any = None, *, pictures: bool = False, **options: Any) -> Summary:
    """The whole line, with a fake engine unless another is given, and with drawn pictures where a test needs them."""
    drawn = contextlib.nullcontext() if pictures else mock.patch.object(figures, "draw", blank_pictures)
    quick = mock.patch.object(second_look, "start", return_value=QuickLook())
    with engine_in_place(engine or FakeEngine()), drawn, quick:
        return pipeline.deliver(job, replace(OPTIONS, **options))


class QuickLook:
    """Instead of a second process: the same pages, made in this one; nobody looks at the pictures."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing was started."""

    def ask(self, question: Mapping[str, Any]) -> second_look.Answer:
        return made_again.answer(question, pictures=False)


OTHER_VERSION = ToolVersion(version="0.1.7", rules_sha256="07" * 32, commit="")


@contextlib.contextmanager
def another_version(version: ToolVersion = OTHER_VERSION) -> Iterator[None]:
    """As long as it lasts, this is another version of the tool."""
    with mock.patch.object(versions, "current", return_value=version):
        yield


@contextlib.contextmanager
def rules_of_another_version() -> Iterator[None]:
    """Another version, which did not measure the fifth class, and called undecided what this one calls no effect."""

    def judge_otherwise(record: Record | None, criterion: Criterion) -> judge.Verdict:
        return judged(None if criterion.id == "top5-agreement" else record, criterion)

    def came_otherwise(found: effects.Effect | None, **known: Any) -> effects.Outcome:
        came = outcome(found, **known)
        return effects.Outcome.OPEN if came is effects.Outcome.NONE else came

    judged, outcome = judge.judge, effects.outcome
    with (
        another_version(),
        mock.patch.object(judge, "judge", judge_otherwise),
        mock.patch.object(effects, "outcome", came_otherwise),
    ):
        yield


def reseal(folder: Path) -> None:
    """What somebody does who changes a finished folder and knows how it is sealed."""
    tampering.seal_anew(folder)


def change_file(path: Path, old: str, new: str) -> None:
    """Replace a text that stands in a file exactly once or more."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path.name} does not hold {old!r}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def digits(text: str) -> list[int]:
    """Where a text has a digit."""
    return [match.start() for match in re.finditer(r"[0-9]", text)]


def changed(text: str, position: int, step: int = 1) -> str:
    """The text with one digit turned into another."""
    digit = (int(text[position]) + step) % 10
    return text[:position] + str(digit) + text[position + 1 :]


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its bytes."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
