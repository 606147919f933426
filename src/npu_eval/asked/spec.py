"""What is asked of the experiments: the content of a deliverable's `spec.json`, fixed and hashed before anything runs.

Standard library only, because the verifier reads it where nothing else is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from npu_eval.asked.criteria import NO_FALLBACK, Comparison, Criterion
from npu_eval.asked.layout import LAYOUTS, Layout
from npu_eval.asked.metrics import METRICS
from npu_eval.asked.profiles import default_criteria
from npu_eval.errors import ConfigError, RecordError, nearest
from npu_eval.jsonio import ABSENT_BY_DEFAULT, Kept, canonical_sha256, from_json, keep, loads, to_json
from npu_eval.limits import MAX_DOCUMENT_BYTES, read_text

__all__ = [
    "METRICS",
    "NO_FALLBACK",
    "Comparison",
    "Criterion",
    "default_criteria",
]  # a spec's criteria, by the module of specs

SCHEMA = "npu-deliver/spec/1"

DTYPES = ("float64", "float32", "float16", "bfloat16")

WEIGHTS_VARIABLE = "NPU_DELIVER_WEIGHTS"
"""Tells a step where the fetched weights lie, so that it needs no network and no cache of its own."""

DATA_VARIABLE = "NPU_DELIVER_DATA"
"""Tells the data set experiment where the data set lies."""

AGAINST_VARIABLE = "NPU_DELIVER_AGAINST"
"""Tells the data set experiment where the results of another run lie, to compare with."""

REFERENCE_VARIABLE = "NPU_DELIVER_REFERENCE"
"""Tells the experiments that hold outputs against a reference where a reference bundle lies."""

OUTPUTS_VARIABLE = "NPU_DELIVER_OUTPUTS"
"""Tells the precision experiment where to leave both sides' outputs, and `recount` where they lie."""

EMA_CHOICES = ("ema", "plain")
"""Averaged weights, and those before averaging."""

TASKS = ("classification", "detection", "instance-segmentation", "semantic-segmentation", "features")


NUMERIC_MODES = (
    "deterministic",
    "hf32_conv",
    "hf32_matmul",
    "internal_format",
    "jit_compile",
    "tf32_conv",
    "tf32_matmul",
)
"""Settings that change numbers, on or off, and that a spec may fix; `device.modes` sets them and reads them back."""

AUTOCAST, AUTOCAST_DTYPES = "autocast", ("bfloat16", "float16")
"""The setting that is no switch: the format that the candidate's forward passes are cast to, see `autocasting`."""


def wrong_mode(modes: Mapping[str, bool | str], dtype: str) -> str:
    """What is wrong with the numeric modes of a candidate that runs in a dtype; empty when nothing is."""
    for name, value in modes.items():
        if name not in (AUTOCAST, *NUMERIC_MODES):
            return f"numeric mode '{name}' is unknown; {nearest(name, (AUTOCAST, *NUMERIC_MODES))}"
        if name == AUTOCAST and value not in AUTOCAST_DTYPES:
            return f"numeric mode autocast is {' or '.join(AUTOCAST_DTYPES)}, not '{value}'"
        if name != AUTOCAST and not isinstance(value, bool):
            return f"numeric mode {name} is true or false, not '{value}'"
    if AUTOCAST in modes and dtype != "float32":
        return f"numeric mode autocast acts on float32, and the candidate runs in {dtype}; leave one of them out"
    return ""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side of a comparison: where it runs (``auto``, ``cpu``, ``cuda:0``, ``npu:0``) and in which dtype."""

    device: str
    dtype: str


@dataclass(frozen=True, kw_only=True)
class WeightsSpec:
    """Which weights, and how their entries map to the network's.

    ``source`` is a reference as `weights.parse` reads it. ``sha256`` is None where the user fixed none. ``ema`` chooses
    between averaged weights (``ema``) and those before averaging (``plain``) in files that hold both; empty: the ones
    that the framework of the file evaluates with.
    """

    source: str
    sha256: str | None = None
    mapping: str = "by_name"
    ema: str = field(default="", metadata=ABSENT_BY_DEFAULT)

    @property
    def random(self) -> bool:
        """Whether the network keeps its seeded random initialisation: legal, and stamped on every page."""
        return self.source == "random"


@dataclass(frozen=True, kw_only=True)
class Classes:
    """The classes of a model by name that was trained anew: how many, and their names where somebody gave them; or the
    words that a model looks for.
    """

    count: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class InputFile:
    """An input by its path inside the deliverable, and the hash of its bytes."""

    path: str
    sha256: str


TIERS: dict[str, tuple[float, int]] = {"smoke": (1.0, 8), "standard": (10.0, 64), "publish": (60.0, 662)}
"""Tier → (seconds, calls) that a timed run lasts at least, for each batch size.

Durations: smoke shows that it runs; 10 s is what optimum-benchmark measures; 60 s settles clocks and heat.
Calls: 64 support a p90 and 662 a p99 at 99 % confidence (`samples.min_samples`).
"""

WINDOWS_S = {"smoke": 0.5, "standard": 5.0, "publish": 30.0}
"""Tier → seconds of windows of pipelined calls for each batch size: half of the latency run's."""

MIN_WINDOWS = 3
"""Windows of a batch size at least: three in a row make a measurement, as perf_analyzer has it."""


@dataclass(frozen=True, kw_only=True)
class TimingProtocol:
    """How latency is measured. A run ends when both the tier's seconds and its calls are reached, or at ``limit_s``."""

    tier: str = "standard"
    batch_sizes: tuple[int, ...] = (1, 8)
    limit_s: float = 300.0
    warmup_limit_s: float = 30.0

    @property
    def min_duration_s(self) -> float:
        """Seconds that the timed calls of one batch size last at least."""
        return TIERS[self.tier][0]

    @property
    def min_samples(self) -> int:
        """Timed calls of one batch size at least."""
        return TIERS[self.tier][1]


@dataclass(frozen=True, kw_only=True)
class TrainingProtocol:
    """A few steps of plain SGD on the same generated images, on both sides from the same weights."""

    steps: int = 3
    images: int = 2
    side: int = 256
    learning_rate: float = 1e-3


@dataclass(frozen=True, kw_only=True)
class EvalSpec(Kept):
    """Everything the experiments of one deliverable are asked to do. ``training`` is None where none is asked for.

    ``numeric_modes`` are set on the candidate's device before anything runs; what is not named keeps its default there.
    ``classes`` is None where the model has those of its library.
    """

    name: str
    adapter: str
    task: str
    weights: WeightsSpec
    inputs: tuple[InputFile, ...]
    reference: Side
    candidate: Side
    seed: int
    repeats: int
    timing: TimingProtocol
    criteria: tuple[Criterion, ...]
    training: TrainingProtocol | None = None
    numeric_modes: dict[str, bool | str] = field(default_factory=dict)
    classes: Classes | None = field(default=None, metadata=ABSENT_BY_DEFAULT)

    @property
    def sha256(self) -> str:
        """Hash of the whole spec; every record carries the one it ran under."""
        return self.kept.get("sha256") or canonical_sha256(self)

    @property
    def criteria_sha256(self) -> str:
        """Hash of the criteria alone."""
        return self.kept.get("criteria_sha256") or canonical_sha256(self.criteria)


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What the report says of the model. Empty text is not known; none of it changes a number."""

    title: str
    source: str
    paper: str
    license: str
    dataset: str
    summary_zh: str
    summary_en: str


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """The container image of a run, and what it can be built from again.

    ``digest`` is the image's id at the engine that ran it, ``content_sha256`` the hash of everything that decides a
    build: an engine that has the first has the very same image, one that builds the second has its like.
    """

    name: str
    digest: str
    platform: str
    stack: str
    soc: str | None
    base: str
    base_digest: str
    content_sha256: str


@dataclass(frozen=True, kw_only=True)
class ToolVersion:
    """A version of this tool: its number, the hash of the code that derives what a deliverable says, and the commit.

    The number alone does not tell two states of a checkout apart, the hash does. ``commit`` only helps people to find
    the code; it is empty for an installed package.
    """

    version: str
    rules_sha256: str
    commit: str


@dataclass(frozen=True, kw_only=True)
class SpecFile:
    """The content of `spec.json`. Records are bound to ``evaluation`` alone: a mended title costs no new run.

    ``image`` is None where the experiments ran without a container; ``serve`` asks for `deploy.sh`. ``measured_with``
    laid the folder out; None in folders of versions that did not say so.
    """

    schema: str
    profile: str
    model: ModelFacts
    requirements: tuple[str, ...]
    evaluation: EvalSpec
    image: ImageFacts | None = None
    serve: bool = False
    measured_with: ToolVersion | None = None

    @property
    def layout(self) -> Layout:
        """Where the files of the deliverable lie."""
        return LAYOUTS[self.profile]


def check(spec: EvalSpec, where: str) -> EvalSpec:
    """The same spec, when its values make sense together.

    Raises:
        ConfigError: a value is not one of the known ones, or out of range.
    """
    _one_of(spec.task, TASKS, where, "task")
    _one_of(spec.timing.tier, tuple(TIERS), where, "timing.tier")
    _one_of(spec.weights.mapping, ("by_name", "by_order"), where, "weights.mapping")
    _one_of(spec.weights.ema, ("", *EMA_CHOICES), where, "weights.ema")
    for side in (spec.reference, spec.candidate):
        _one_of(side.dtype, DTYPES, where, "dtype")
    if wrong := wrong_mode(spec.numeric_modes, spec.candidate.dtype):
        raise ConfigError(wrong, where=where)
    if spec.classes is not None and len(spec.classes.names) not in (0, spec.classes.count):
        raise ConfigError(
            f"{len(spec.classes.names)} labels for {spec.classes.count} classes",
            where=where,
            fix="give one for each class",
        )
    if not spec.inputs:
        raise ConfigError("there is no input", where=where, fix="name at least one photo")
    if not spec.timing.batch_sizes or min(spec.timing.batch_sizes) < 1:
        raise ConfigError("timing.batch_sizes must be whole numbers of at least 1", where=where)
    if spec.training is not None and min(spec.training.steps, spec.training.images, spec.training.side // 32) < 1:
        raise ConfigError("training needs at least 1 step, 1 image and a side of 32 pixels", where=where)
    if spec.repeats < 2:
        raise ConfigError("repeats must be at least 2: one run shows no repeatability", where=where)
    seen: set[str] = set()
    for criterion in spec.criteria:
        _one_of(criterion.metric, tuple(METRICS), where, f"criterion '{criterion.id}': metric")
        if criterion.id in seen:
            raise ConfigError(f"two criteria are called '{criterion.id}'", where=where)
        seen.add(criterion.id)
    return spec


def read_spec_file(path: Path) -> SpecFile:
    """The spec.json of a deliverable.

    Raises:
        ConfigError: the file is absent, not JSON, of another schema, or does not say what a spec says.
    """
    where = path.name
    try:
        text = read_text(path, MAX_DOCUMENT_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read ({error})", where=where, fix="run from a complete deliverable") from error
    try:
        value = loads(text, where)
        if not isinstance(value, dict) or value.get("schema") != SCHEMA:
            found = value.get("schema") if isinstance(value, dict) else None
            raise ConfigError(f"schema '{found}' is not '{SCHEMA}'", where=where, fix="use the matching version")
        content = from_json(SpecFile, value, where)
    except RecordError as error:
        raise ConfigError(error.what, where=error.where, fix=error.fix) from error
    _one_of(content.profile, tuple(LAYOUTS), where, "profile")
    check(content.evaluation, where)
    _keep_hashes(content.evaluation, value["evaluation"])
    return content


def _keep_hashes(spec: EvalSpec, told: dict[str, Any]) -> None:
    """Another version may have written keys, or left some out, that this one does not or would: records and criteria
    are bound to what it wrote."""
    if to_json(spec) == told:
        return
    keep(spec, sha256=canonical_sha256(told), criteria_sha256=canonical_sha256(told["criteria"]))
    for criterion, written in zip(spec.criteria, told["criteria"], strict=True):
        keep(criterion, sha256=canonical_sha256(written))


def _one_of(value: str, known: tuple[str, ...], where: str, what: str) -> None:
    if value not in known:
        raise ConfigError(f"{what} '{value}' is unknown", where=where, fix=nearest(value, known))
