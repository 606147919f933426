"""The switches that may make a model quicker: data with a probe each. A new one is one declaration in `SWITCHES`.

A switch says what it sets in the environment before a process starts or changes in the process, what it needs, what its
default is on each SoC, and how its value is read back inside the process. A reading that is not the wanted one means
that the switch did not take: nothing is claimed for it.

Defaults of variables are those of `npu.environment`, those of HF32 are of `sources.TORCH_NPU_MODES`; the others are
what PyTorch does untold. SoC families are those that torch_npu's documentation tells apart.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from npu_eval.machine import memory as host_memory
from npu_eval.models import autocasting
from npu_eval.notation.phrases import NOTHING, Phrase, said
from npu_eval.npu import environment as npu_environment
from npu_eval.records.provenance import DeviceFacts
from npu_eval.under_test import compiling
from npu_eval.under_test.bench import Bench
from npu_eval.under_test.folding import fold, is_norm

Environment = Mapping[str, str]

_FAMILIES = (("Ascend910_93", "A3"), ("Ascend910B", "A2"), ("Ascend310P", "310P"), ("Ascend910", "910"))
"""How the names of a family begin, the longer ones first."""


@dataclass(frozen=True)
class Place:
    """Where a switch would be turned on: known before any process is started for it.

    ``dtype`` is the model's, or ``autocast`` and the format that the spec has it cast to.
    """

    device: DeviceFacts
    network: nn.Module
    dtype: str
    threads: int

    @property
    def kind(self) -> str:
        """``cpu``, ``cuda`` or ``npu``."""
        return self.device.kind

    @property
    def family(self) -> str:
        """The SoC's family as torch_npu's documentation names it, else the device's kind."""
        name = self.device.soc or ""
        return next((family for start, family in _FAMILIES if name.startswith(start)), self.kind)


def _anywhere(place: Place) -> Phrase:
    del place
    return NOTHING


def _nothing(place: Place) -> Environment:
    del place
    return {}


def _as_it_is(bench: Bench) -> None:
    del bench


@dataclass(frozen=True, kw_only=True)
class Switch:
    """One thing that can be turned on.

    Args:
        group: of one group a combination holds one switch only.
        settles: further groups about which it decides, so that a combination with it holds no switch of these.
        needs: the reason why it cannot be turned on at a place, in words or as a phrase; empty where it can.
        default: value without us, by SoC family or device kind; ``*`` is any other.
        environment: variables that are set before the process starts.
        turn_on: changes the bench, after the model is loaded and before anything is timed.
        probe: its value, read back in the process after the warm-up.
        wanted: what the probe says where the switch took.
        upload: whether the way of the batch from the host is part of the call, with and without the switch.
        pipelined: whether calls are submitted one after the other, with and without it, instead of waited for each.
    """

    name: str
    group: str
    probe: Callable[[Bench], str]
    wanted: Callable[[str], bool]
    default: Mapping[str, str] = field(default_factory=lambda: {"*": "off"})
    needs: Callable[[Place], Phrase | str] = _anywhere
    environment: Callable[[Place], Environment] = _nothing
    turn_on: Callable[[Bench], None] = _as_it_is
    upload: bool = False
    pipelined: bool = False
    settles: tuple[str, ...] = ()

    @property
    def groups(self) -> frozenset[str]:
        """Every group about which it decides."""
        return frozenset((self.group, *self.settles))

    def default_at(self, place: Place) -> str:
        """Its documented value at a place without us."""
        return self.default.get(place.family) or self.default.get(place.kind) or self.default["*"]


@runtime_checkable
class SupportsSwitches(Protocol):
    """An adapter that knows how its own model is made quicker declares switches of its own."""

    def switches(self) -> tuple[Switch, ...]:
        """They are tried before the general ones."""
        ...


def _on(reading: str) -> bool:
    return reading == "on"


def _positive(reading: str) -> bool:
    return reading not in ("", "0", "off")


def _is(text: str) -> Callable[[str], bool]:
    return lambda reading: reading == text


def _only(*kinds: str) -> Callable[[Place], Phrase]:
    return lambda place: NOTHING if place.kind in kinds else said("not-on", kind=place.kind)


def _unless(there: bool, code: str, **about: object) -> Phrase:
    return NOTHING if there else said(code, **about)


def _rearranges(place: Place) -> Phrase:
    return _unless(callable(getattr(place.network, "optimise", None)), "no-optimise")


def _has_norms(place: Place) -> Phrase:
    return _unless(any(is_norm(m) for m in place.network.modules()), "no-norm")


def _has_convolutions(place: Place) -> Phrase:
    return _unless(any(isinstance(m, nn.Conv2d) for m in place.network.modules()), "no-convolution")


# --- the model -------------------------------------------------------------------------------------------------------


def _fold(bench: Bench) -> None:
    bench.model.__dict__["folded_norms"] = fold(bench.model, lambda: bench.outputs(bench.batch(1)))


def _rearrange(bench: Bench) -> None:
    network: Any = bench.model
    network.optimise()


def _channels_last(bench: Bench) -> None:
    bench.memory_format = torch.channels_last
    bench.model.to(memory_format=torch.channels_last)


def _layout(bench: Bench) -> str:
    weights = [p for p in bench.model.parameters() if p.dim() == 4 and min(p.shape[1:]) > 1]
    return "on" if weights and weights[0].is_contiguous(memory_format=torch.channels_last) else "off"


def _compiler(place: Place) -> Phrase:
    """On a CPU inductor writes C++; elsewhere its first small graph tells what is missing."""
    if place.kind == "cpu":
        return _unless(bool(shutil.which("g++") or shutil.which("clang++")), "no-compiler")
    return compiling.refusal(compiling.INDUCTOR)


def _compile(bench: Bench) -> None:
    if bench.kind == "npu":
        compiling.turn_on(bench, compiling.INDUCTOR)
    else:
        bench.forward = compiling.INDUCTOR.compiled(bench.context.adapter.forward)


def _compile_with(backend: compiling.Backend) -> Switch:
    return Switch(
        name=f"compile-{backend.full_name}",
        group="compile",
        needs=lambda place: _only("npu")(place) or compiling.refusal(backend),
        turn_on=lambda bench: compiling.turn_on(bench, backend),
        probe=lambda bench: compiling.reading(bench, backend),
        wanted=compiling.took,
    )


# --- formats ---------------------------------------------------------------------------------------------------------


def _full(dtype: torch.dtype) -> Callable[[Bench], None]:
    def turn_on(bench: Bench) -> None:
        bench.dtype = dtype
        bench.model.to(dtype)

    return turn_on


def _autocast(dtype: str) -> Callable[[Bench], None]:
    return lambda bench: autocasting.carry(bench.model, bench.kind, dtype)


def _parameters(bench: Bench) -> str:
    return str(next(p.dtype for p in bench.model.parameters() if p.is_floating_point())).removeprefix("torch.")


def _casting(bench: Bench) -> str:
    return autocasting.reading(bench.model)


def _float32(place: Place) -> Phrase:
    return _unless(place.dtype == "float32", "runs-in", dtype=place.dtype)


def _hf32(part: str) -> tuple[Callable[[Bench], None], Callable[[Bench], str]]:
    """Turning HF32 round for convolutions or matrix products of an NPU, and reading it back."""

    def turn_on(bench: Bench) -> None:
        del bench
        options: Any = getattr(torch.get_device_module("npu"), part)
        options.allow_hf32 = True

    return turn_on, lambda bench: bench.context.device.numeric_modes().get(
        "hf32_conv" if part == "conv" else "hf32_matmul", "off"
    )


def _tf32(bench: Bench) -> None:
    del bench
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True


# --- the host --------------------------------------------------------------------------------------------------------


def _allocator(name: str) -> dict[str, Any]:
    return {
        "group": "allocator",
        "needs": lambda place: _unless(bool(host_memory.library(name)), "no-library", name=name),
        "environment": lambda place: {"LD_PRELOAD": host_memory.library(name)},
        "probe": lambda bench: "on" if host_memory.is_loaded(name) else "off",
        "wanted": _on,
    }


def _told_by_glibc(place: Place) -> Phrase:
    return _only("cpu")(place) or _unless(host_memory.tells_usage(), "no-memory-usage")


def _variable(name: str) -> Callable[[Bench], str]:
    return lambda bench: os.environ.get(name, "")


def _documented(name: str) -> Mapping[str, str]:
    """A variable's default on an NPU; it means nothing elsewhere."""
    return {"npu": npu_environment.DEFAULTS[name] or "-", "*": "-"}


def _set(**variables: str) -> Callable[[Place], Environment]:
    return lambda place: variables


def _fewer_threads(bench: Bench) -> None:
    del bench
    torch.set_num_threads(max(1, torch.get_num_threads() // 2))


def _threads(bench: Bench) -> str:
    """Threads that compute, of the CPUs that this process may use."""
    del bench
    return f"{torch.get_num_threads()} of {len(os.sched_getaffinity(0))}"


def _pin(bench: Bench) -> None:
    """One CPU for each thread that computes, the same from call to call."""
    del bench
    cpus = sorted(os.sched_getaffinity(0))
    own = Path("/proc/self/task")
    for number, task in enumerate(sorted(own.iterdir(), key=lambda p: int(p.name))):
        os.sched_setaffinity(int(task.name), {cpus[number % len(cpus)]})


def _pinned(bench: Bench) -> str:
    del bench
    return "on" if len(os.sched_getaffinity(0)) == 1 else "off"


def _flush(bench: Bench) -> None:
    del bench
    torch.set_flush_denormal(True)


def _flushed(bench: Bench) -> str:
    del bench
    return "on" if (torch.tensor([1e-310], dtype=torch.float64) * 1.0).item() == 0.0 else "off"


def _grants_huge_pages(place: Place) -> Phrase:
    return _only("cpu")(place) or _unless(host_memory.grants_huge_pages(), "no-huge-pages")


def _more_streams(bench: Bench) -> None:
    bench.streams = 2


def _pin_memory(bench: Bench) -> None:
    bench.pinned = True


_HF32_CONV, _HF32_CONV_PROBE = _hf32("conv")
_HF32_MATMUL, _HF32_MATMUL_PROBE = _hf32("matmul")
_REDUCED = (("float16", torch.float16), ("bfloat16", torch.bfloat16))

SWITCHES: tuple[Switch, ...] = (
    Switch(name="network-optimise", group="fold", settles=("layout",), needs=_rearranges, turn_on=_rearrange,
           probe=lambda bench: "on" if getattr(bench.model, "optimised", False) else "off", wanted=_on),
    Switch(name="fold-batch-norm", group="fold", needs=_has_norms, turn_on=_fold, wanted=_positive,
           probe=lambda bench: str(bench.model.__dict__.get("folded_norms", 0))),
    Switch(name="channels-last", group="layout", needs=_has_convolutions, turn_on=_channels_last, probe=_layout,
           wanted=_on),
    Switch(name="TASK_QUEUE_ENABLE=2", group="queue", needs=_only("npu"), default=_documented("TASK_QUEUE_ENABLE"),
           environment=_set(TASK_QUEUE_ENABLE="2"), probe=_variable("TASK_QUEUE_ENABLE"), wanted=_is("2")),
    Switch(name="CPU_AFFINITY_CONF=1", group="affinity", needs=_only("npu"), default=_documented("CPU_AFFINITY_CONF"),
           environment=_set(CPU_AFFINITY_CONF="1,force:1"), probe=_variable("CPU_AFFINITY_CONF"),
           wanted=_is("1,force:1")),
    Switch(name="CPU_AFFINITY_CONF=2", group="affinity", needs=_only("npu"), default=_documented("CPU_AFFINITY_CONF"),
           environment=_set(CPU_AFFINITY_CONF="2,force:1"), probe=_variable("CPU_AFFINITY_CONF"),
           wanted=_is("2,force:1")),
    Switch(name="hf32-conv", group="hf32-conv", needs=_only("npu"), default={"npu": "on", "*": "-"},
           turn_on=_HF32_CONV, probe=_HF32_CONV_PROBE, wanted=_on),
    Switch(name="hf32-matmul", group="hf32-matmul", needs=_only("npu"), default={"npu": "off", "*": "-"},
           turn_on=_HF32_MATMUL, probe=_HF32_MATMUL_PROBE, wanted=_on),
    Switch(name="tf32", group="tf32", needs=_only("cuda"), turn_on=_tf32, wanted=_on,
           probe=lambda bench: bench.context.device.numeric_modes().get("tf32_matmul", "off")),
    Switch(name="keep-freed-memory", group="allocator", needs=_told_by_glibc, environment=_set(**host_memory.KEPT),
           probe=lambda bench: "on" if host_memory.keeps_freed() else "off", wanted=_on),
    Switch(name="tcmalloc", **_allocator("tcmalloc")),
    Switch(name="jemalloc", **_allocator("jemalloc")),
    Switch(name="huge-pages", group="pages", needs=_grants_huge_pages, environment=_set(THP_MEM_ALLOC_ENABLE="1"),
           probe=lambda bench: "on" if host_memory.asks_for_huge_pages() else "off", wanted=_on),
    *(Switch(name=f"autocast-{name}", group="dtype", needs=_float32, turn_on=_autocast(name), probe=_casting,
             wanted=_is(name)) for name, _ in _REDUCED),
    Switch(name="flush-denormal", group="denormal", needs=_only("cpu"), turn_on=_flush, probe=_flushed, wanted=_on),
    Switch(name="pin-threads", group="affinity", needs=_only("cpu"), turn_on=_pin, probe=_pinned, wanted=_on),
    Switch(name="half-the-threads", group="threads", turn_on=_fewer_threads, probe=_threads,
           wanted=lambda reading: int(reading.split(" of ")[0]) < int(reading.split(" of ")[1]), default={"*": "all"},
           needs=lambda place: _only("cpu")(place) or _unless(place.threads > 1, "one-thread")),
    *(Switch(name=name, group="dtype", needs=_float32, default={"*": "float32"}, turn_on=_full(dtype),
             probe=_parameters, wanted=_is(name)) for name, dtype in _REDUCED),
    Switch(name="PYTORCH_NPU_ALLOC_CONF=expandable_segments", group="npu-allocator", needs=_only("npu"),
           environment=_set(PYTORCH_NPU_ALLOC_CONF="expandable_segments:True"),
           probe=_variable("PYTORCH_NPU_ALLOC_CONF"), wanted=_is("expandable_segments:True")),
    Switch(name="pinned-input", group="input", needs=_only("cuda", "npu"), turn_on=_pin_memory, upload=True,
           probe=lambda bench: "on" if bench.batch(1).is_pinned() else "off", wanted=_on),
    Switch(name="two-streams", group="streams", needs=_only("cuda", "npu"), default={"*": "1"}, turn_on=_more_streams,
           pipelined=True, probe=lambda bench: str(bench.streams), wanted=_is("2")),
    Switch(name="compile", group="compile", needs=_compiler, turn_on=_compile,
           probe=lambda bench: compiling.reading(bench, compiling.INDUCTOR), wanted=compiling.took),
)  # fmt: skip
"""The general switches, those that most often help first: a search with little time tries them in this order."""


def switches_of(adapter: object) -> tuple[Switch, ...]:
    """The adapter's own switches, the general ones, and one for each further way to compile on an NPU."""
    own = adapter.switches() if isinstance(adapter, SupportsSwitches) else ()
    return (*own, *SWITCHES, *map(_compile_with, compiling.on_npu()))


def switch_named(name: str, adapter: object) -> Switch:
    """The switch of a name; KeyError when there is none."""
    return {switch.name: switch for switch in switches_of(adapter)}[name]
