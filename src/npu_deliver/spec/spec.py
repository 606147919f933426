"""What the user asks for: `spec.yaml` → `Spec`, strict, with unknown keys refused by name.

A generic reference (``timm:resnet50``) needs no file: it is a spec of defaults.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from npu_deliver.errors import SpecError, nearest
from npu_deliver.spec import libraries as references
from npu_deliver.spec.labels import words_of
from npu_deliver.spec.libraries import GENERIC_TASK, Task, takes_classes
from npu_deliver.spec.overrides import Overrides, overridden
from npu_deliver.spec.reading import read_yaml
from npu_eval.asked.criteria import NO_FALLBACK, Comparison, Criterion
from npu_eval.asked.layout import LAYOUTS, Layout
from npu_eval.asked.metrics import METRICS
from npu_eval.asked.profiles import DEFAULT, PROFILES, criteria_of
from npu_eval.asked.spec import EMA_CHOICES, TimingProtocol, TrainingProtocol, WeightsSpec, wrong_mode
from npu_eval.models.protocols import PROTOCOLS

__all__ = ["Job", "Overrides", "Spec", "available", "json_schema", "load"]

Dtype = Literal["float64", "float32", "float16", "bfloat16"]
DevicePattern = r"^(auto|cpu|(cuda|npu)(:\d+)?)$"

DETECTION_TASKS = ("detection", "instance-segmentation")
"""Tasks whose results are objects with boxes."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Model(_Strict):
    """Facts of the model for the report; none of them changes a number."""

    title: str = Field(description="The model's name as people write it")
    source: str = Field(default="", description="Address of the original implementation or model page")
    paper: str = Field(default="", description="Address of the paper")
    license: str = Field(default="", description="Licence of the weights, as an SPDX identifier")
    dataset: str = Field(default="", description="What the weights were trained on")
    summary_zh: str = Field(default="", description="One sentence about the model, in Chinese")
    summary_en: str = Field(default="", description="One sentence about the model, in English")


class Weights(_Strict):
    """Which weights; see the reference page on weights for the forms of ``source``."""

    source: str = Field(default="default", description="pypi:…, hf:…, modelscope:…, https:…, a path, default or random")
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None, description="Hash of the file, fixed before the run"
    )
    mapping: Literal["by_name", "by_order"] = Field(
        default="by_name", description="by_order: entries of equal shapes in equal order under other names"
    )
    ema: bool | None = Field(
        default=None, description="Averaged weights, or those before averaging; default: as the framework evaluates"
    )


class Reference(_Strict):
    """The side that the candidate is compared with."""

    device: str = Field(default="cpu", pattern=DevicePattern, description="Where the reference runs")
    dtype: Dtype = Field(default="float64", description="In which dtype; float64 shows float32's own error")


class Timing(_Strict):
    """How latency is measured."""

    tier: Literal["smoke", "standard", "publish"] = Field(
        default="standard", description="At least 1 s and 8 calls, 10 s and 64 calls, or 60 s and 662 calls"
    )
    batch_sizes: list[Annotated[int, Field(ge=1)]] = Field(
        default=[1, 8], min_length=1, max_length=16, description="Batch sizes to measure, 16 at most"
    )
    limit_s: float = Field(default=300.0, gt=0, strict=False, description="Seconds of one batch size at most")
    warmup_limit_s: float = Field(default=30.0, gt=0, strict=False, description="Seconds of warm-up at most")


class Training(_Strict):
    """A few training steps on generated images, compared with the reference."""

    steps: int = Field(default=3, ge=1, le=100, description="Steps")
    images: int = Field(default=2, ge=1, le=64, description="Images in the batch of every step")
    side: int = Field(default=256, ge=32, le=2048, description="Side of the square images in pixels")
    learning_rate: float = Field(default=1e-3, gt=0, strict=False, description="Of plain SGD with momentum 0.9")


class Dataset(_Strict):
    """A data set at hand, on which the model is evaluated: it is only read, and does not travel."""

    path: str = Field(description="Its folder, in COCO's or ImageNet's layout, from the spec's folder; or DATA=…")
    limit: int | None = Field(default=None, ge=1, description="The first so many images; default: all; or LIMIT=…")
    annotations: str | None = Field(default=None, description="Its annotation file in it, where there are several")
    protocol: Literal[tuple(PROTOCOLS)] | None = Field(  # type: ignore[valid-type]  # the known protocols
        default=None, description="Which answers are detections, of a model that is asked for words; see sam3.md"
    )
    cross_check: bool = Field(default=False, description="Ask pycocotools too, whatever the number of images")
    against: str | None = Field(default=None, description="The dataset.jsonl of another run, to compare with")


class CriterionSpec(_Strict):
    """A rule fixed before the run."""

    id: str = Field(pattern=r"^[a-z0-9-]+$", description="Its name in logs and reports")
    metric: Literal[tuple(METRICS)] = Field(  # type: ignore[valid-type]  # the known metrics, as a closed set
        description="What is judged; see metrics.md"
    )
    comparison: Literal["<=", ">=", "<", ">"] = Field(description="How the worst value is held against the threshold")
    threshold: float = Field(strict=False, description="The bound, in the metric's own unit")
    why: str = Field(description="Where the threshold comes from")
    outputs: list[str] = Field(default=["*"], description="Output names or batch sizes; * is each of them")


class Evaluation(_Strict):
    """What is run, on what, and how it is judged."""

    device: str = Field(default="auto", pattern=DevicePattern, description="Where the candidate runs: auto, npu:0, …")
    dtype: Dtype = Field(default="float32", description="In which dtype the candidate runs")
    reference: Reference = Field(default=Reference(), description="What the candidate is compared with")
    seed: int = Field(default=0, description="Seed of random weights")
    repeats: int = Field(default=2, ge=2, le=100, description="Runs of each input on the candidate")
    timing: Timing = Field(default=Timing(), description="How latency is measured")
    training: Training | None = Field(
        default=None, description="Asks for the experiment `training`, of a model whose adapter knows its losses"
    )
    criteria_profile: Literal[tuple(PROFILES)] = Field(  # type: ignore[valid-type]  # the known profiles
        default=DEFAULT, description="The named criteria that decide; see criteria.md"
    )
    criteria: list[CriterionSpec] | None = Field(default=None, description="Rules of your own instead of a profile's")
    numeric_modes: dict[str, bool | str] = Field(
        default={},
        description="deterministic, hf32_conv, hf32_matmul, internal_format, jit_compile, tf32_…: true or false; "
        "autocast: bfloat16 or float16; see npu.md",
    )
    cpu_fallback: Literal["fail", "flag"] = Field(
        default="fail", description="Whether an operator that torch_npu hands to the CPU fails the run"
    )
    optimisation_budget_s: float | None = Field(default=None, ge=0, strict=False, description="Seconds; 0: no search")
    step_timeout_s: float = Field(default=3600.0, gt=0, strict=False, description="Seconds of one experiment at most")

    @model_validator(mode="after")
    def _one_set_of_criteria(self) -> Evaluation:
        if self.criteria is not None and "criteria_profile" in self.model_fields_set:
            raise ValueError("criteria and criteria_profile exclude each other: leave one out")
        return self

    @model_validator(mode="after")
    def _known_modes(self) -> Evaluation:
        if wrong := wrong_mode(self.numeric_modes, self.dtype):
            raise ValueError(wrong)
        return self


class ImageSpec(_Strict):
    """In which image the experiments run, where a container engine is used."""

    stack: str | None = Field(default=None, description="npu, npu-9.1, sam3, cpu or cuda; default: by the device")
    soc: str | None = Field(
        default=None, description="The SoC of an NPU image, such as Ascend910B4; default: npu-smi's"
    )
    base: str | None = Field(default=None, description="A base image of your own instead of the table's")


class Spec(_Strict):
    """A deliverable, as its author describes it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="The folder's name")
    profile: Literal[tuple(LAYOUTS)] = Field(  # type: ignore[valid-type]  # the known layouts, as a closed set
        default="npu_deliverables", description="Layout of the deliverable; see profiles.md; or PROFILE=…"
    )
    adapter: str = Field(description="timm:<model>, transformers:<owner/name> …, or an adapter.py beside the spec")
    task: Task = Field(description="What the outputs mean")
    model: Model = Field(description="Facts of the model for the report")
    weights: Weights = Field(default=Weights(), description="Which weights")
    num_classes: int | None = Field(
        default=None, ge=0, description="Outputs of a timm: or torchvision: classifier; 0 (timm): features alone"
    )
    labels: str | None = Field(default=None, description="Its labels beside the spec: a name a line, or JSON")
    words: list[str] | str | None = Field(
        default=None,
        description="What a model that is asked looks for, e.g. shoe, person; coco80: COCO's names",
    )
    inputs: list[str] | None = Field(default=None, description="Photos or folders beside the spec; default: samples")
    dataset: Dataset | None = Field(default=None, description="A data set on which the model is evaluated")
    requirements: list[str] = Field(default=[], description="Packages that adapter.py imports beyond torch and numpy")
    image: ImageSpec = Field(default=ImageSpec(), description="In which image it runs")
    serve: bool = Field(default=False, description="Add deploy.sh: serve on port 8000, weights from MODEL_PATH")
    evaluation: Evaluation = Field(default=Evaluation(), description="What is run, and how it is judged")

    @model_validator(mode="after")
    def _classes(self) -> Spec:
        if (self.num_classes, self.labels) != (None, None) and not takes_classes(self.adapter):
            raise ValueError("num_classes and labels are for timm: and torchvision:; other models have their own")
        if self.words is not None:
            if ":" in self.adapter:
                raise ValueError("words are for an adapter.py whose model is asked for them, such as sam3's")
            words_of(self.words)
        if self.num_classes == 0 and (self.task != "features" or not self.adapter.startswith("timm:")):
            raise ValueError("num_classes 0 compares the features of a timm: model; its task is features")
        return self

    @property
    def layout(self) -> Layout:
        """Where the files of the deliverable lie."""
        return LAYOUTS[self.profile]

    def criteria(self) -> tuple[Criterion, ...]:
        """The criteria of this deliverable: the spec's or the default profile's, and that on fallbacks to the CPU."""
        if self.evaluation.criteria is None:
            profile = self.evaluation.criteria_profile
            rules = criteria_of(profile, self.task, training=self.evaluation.training is not None)
        else:
            rules = tuple(
                Criterion(
                    id=c.id,
                    metric=c.metric,
                    comparison=Comparison(c.comparison),
                    threshold=c.threshold,
                    why=c.why,
                    outputs=tuple(c.outputs),
                )
                for c in self.evaluation.criteria
            )
        maybe_npu = self.evaluation.device.startswith(("npu", "auto"))
        named = any(rule.metric == NO_FALLBACK.metric for rule in rules)
        add = maybe_npu and self.evaluation.cpu_fallback == "fail" and not named
        return (*rules, NO_FALLBACK) if add else rules

    def timing(self) -> TimingProtocol:
        """The timing protocol as the experiments read it."""
        t = self.evaluation.timing
        return TimingProtocol(
            tier=t.tier, batch_sizes=tuple(t.batch_sizes), limit_s=t.limit_s, warmup_limit_s=t.warmup_limit_s
        )

    def training(self) -> TrainingProtocol | None:
        """The training steps as the experiments read them."""
        t = self.evaluation.training
        if t is None:
            return None
        return TrainingProtocol(steps=t.steps, images=t.images, side=t.side, learning_rate=t.learning_rate)

    def weights_spec(self) -> WeightsSpec:
        """The weights as the experiments read them."""
        w = self.weights
        ema = "" if w.ema is None else EMA_CHOICES[not w.ema]
        return WeightsSpec(source=w.source, sha256=w.sha256, mapping=w.mapping, ema=ema)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A spec and where it lives: ``folder`` is what its relative paths start from, ``output`` the finished folder.

    ``files`` describe the model where its library wants that: a name in the deliverable's `model/` → the file.
    """

    spec: Spec
    folder: Path
    output: Path
    files: Mapping[str, Path] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        """Where the deliverable is made before it replaces ``output``; a broken run is resumed from here."""
        return self.output.with_name(f".{self.output.name}.work")

    @property
    def lock(self) -> Path:
        """The file that one run at a time holds."""
        return self.output.with_name(f".{self.output.name}.lock")


def load(model: str, root: Path, *, overrides: Overrides, output: Path | None = None) -> Job:
    """The job for a model: a folder below ``root`` that holds a spec.yaml, or a generic reference.

    Raises:
        SpecError: no such model, a broken spec, an unknown key, or an override that does not fit.
    """
    library, colon, name = model.partition(":")
    if colon:
        if library not in GENERIC_TASK or not name:
            raise SpecError(
                f"'{model}' is no model reference",
                where="MODEL",
                fix=nearest(library, GENERIC_TASK) + " e.g. timm:resnet50",
            )
        model = references.placed(model, Path())
        folder = root / re.sub(r"[^A-Za-z0-9._-]", "_", references.portable(model))
        values: dict[str, Any] = {
            "name": folder.name,
            "adapter": model,
            "task": references.task_of(model),
            "model": references.facts_of(model),
        }
        where = model
    else:
        folder = root / model
        path = folder / "spec.yaml"
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", model) or not path.is_file():
            known = available(root)
            hint = nearest(model, known) if known else f"{root} holds no model"
            raise SpecError(
                f"there is no model '{model}'", where=str(root), fix=f"{hint} `npu-deliver models` lists them"
            )
        values, where = read_yaml(path), str(path)
    spec = _validate(overridden(values, overrides, where), where)
    made = (output or folder / spec.profile).absolute()
    found = references.describe(
        spec.adapter, spec.weights.source, base=folder, made=made, uses_library="transformers" in spec.requirements
    )
    changes = {"task": found.task, "requirements": [*found.packages]} if colon and found.name else {}
    spec = _placed(spec.model_copy(update=changes), folder, found.weights)
    return Job(spec=spec, folder=folder, output=made, files=found.files)


def available(root: Path) -> tuple[str, ...]:
    """The models below ``root`` that have a spec.yaml."""
    return tuple(sorted(p.parent.name for p in root.glob("*/spec.yaml")))


def json_schema() -> dict[str, Any]:
    """The JSON schema of spec.yaml."""
    return Spec.model_json_schema()


def _placed(spec: Spec, folder: Path, weights: str) -> Spec:
    """The spec with its paths made whole: relative ones start in the spec's folder.

    ``weights`` lie beside the model's configuration; they are its default.
    """
    changes: dict[str, Any] = {"adapter": references.placed(spec.adapter, folder)}
    if spec.labels is not None:
        changes["labels"] = str((folder / spec.labels).absolute())
    source = references.weights_in(spec.weights.source, folder)
    if source != spec.weights.source or (source == "default" and weights):
        changes["weights"] = spec.weights.model_copy(update={"source": weights if source == "default" else source})
    if (data := spec.dataset) is not None:
        against = None if data.against is None else str((folder / data.against).absolute())
        found = {"path": str((folder / data.path).absolute()), "against": against}
        changes["dataset"] = data.model_copy(update=found)
    return spec.model_copy(update=changes)


def _validate(values: dict[str, Any], where: str) -> Spec:
    try:
        return Spec.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            key = str(first["loc"][-1])
            fix = nearest(key, _keys_at(first["loc"][:-1]))
            raise SpecError(f"unknown key '{path}'", where=where, fix=fix) from error
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        given = "" if first["type"] in ("missing", "value_error") else f", found {str(first['input'])[:60]!r}"
        message = first["msg"].removeprefix("Value error, ")
        message = message[0].lower() + message[1:]
        place = f"{path}: " if path else ""
        raise SpecError(f"{place}{message}{given}{more}", where=where, fix="see docs/reference/spec.md") from error


def _keys_at(loc: tuple[int | str, ...]) -> list[str]:
    """The keys that a place of the spec may have."""
    node: Any = Spec
    for part in loc:
        if isinstance(part, int):
            continue
        annotation = node.model_fields[part].annotation
        choices = [annotation, *getattr(annotation, "__args__", ())]
        choices += [inner for c in choices for inner in getattr(c, "__args__", ())]
        node = next(c for c in choices if isinstance(c, type) and issubclass(c, BaseModel))
    return list(node.model_fields)
