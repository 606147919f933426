"""How often identical code is called quicker or slower, and how often a planted slow-down is found, under load.

    python benchmarks/speedups.py                      # 40 A/A comparisons, 10 of 3 % and 10 of 10 %, four pairs each
    python benchmarks/speedups.py --comparisons 12 --planted 4 --pairs 3

The same raw times are judged by this project's rule, by pyperf's significance test, by asv's comparison (with and
without its factor of 1.1) and by comparing means. pyperf and asv are only needed here: pip install pyperf asv.
On two CPUs with one busy process beside it the default takes about 35 minutes.
"""

from __future__ import annotations

import argparse
import importlib
import math
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from npu_eval.asked.spec import EvalSpec, InputFile, Side, TimingProtocol, WeightsSpec
from npu_eval.experiments.optimisation import effects
from npu_eval.experiments.optimisation.data import Trial
from npu_eval.experiments.optimisation.search import Arm, Search, State
from npu_eval.jsonio import dumps, file_sha256
from npu_eval.machine import load as machine
from npu_eval.under_test.messages import Role

ADAPTER = """
import time

import torch
from torch import nn

from npu_eval.under_test.switches import Switch


def slower(share):
    def turn_on(bench):
        forward = bench.context.adapter.forward

        def longer(model, batch):
            start = time.perf_counter()
            outputs = forward(model, batch)
            end = start + (time.perf_counter() - start) * (1 + share)
            while time.perf_counter() < end:
                pass
            return outputs

        bench.forward = longer

    return turn_on


class Adapter:
    task = "features"

    def build(self):
        return nn.Sequential(*(nn.Conv2d(16 if i else 3, 16, 3, padding=1) for i in range(6))).eval()

    def preprocess(self, photos):
        return torch.zeros(len(photos), 3, 64, 64)

    def forward(self, model, batch):
        return {"features": model(batch)}

    def switches(self):
        on = {"group": "x", "probe": lambda bench: "on", "wanted": lambda reading: reading == "on"}
        return (
            *(Switch(name=f"same-{i}", **on) for i in range(200)),
            *(Switch(name=f"slower-3-{i}", turn_on=slower(0.03), **on) for i in range(100)),
            *(Switch(name=f"slower-10-{i}", turn_on=slower(0.10), **on) for i in range(100)),
        )


def create_adapter():
    return Adapter()
"""
MIN_EFFECT = 0.02


def spec_of(root: Path) -> EvalSpec:
    (root / "adapter.py").write_text(ADAPTER, encoding="utf-8")
    Image.new("RGB", (64, 64)).save(root / "photo.png")
    return EvalSpec(
        name="noise", adapter="adapter.py", task="features", weights=WeightsSpec(source="random"),
        inputs=(InputFile(path="photo.png", sha256=file_sha256(root / "photo.png")),),
        reference=Side(device="cpu", dtype="float32"), candidate=Side(device="cpu", dtype="float32"),
        seed=0, repeats=2, timing=TimingProtocol(batch_sizes=(1,)), criteria=(),
    )  # fmt: skip


def load(seed: int) -> None:
    """Work for a while, rest for a while, as other people's work comes and goes."""
    rng = random.Random(seed)  # noqa: S311  a load, not a secret
    while True:
        end = time.monotonic() + rng.expovariate(2.0)
        while time.monotonic() < end:
            math.sqrt(2.0)
        time.sleep(rng.expovariate(2.0))


def sides(trial: Trial) -> tuple[list[float], list[float]]:
    off = [s for pair in trial.pairs for b in pair.bursts if not b.on for s in b.samples_s]
    on = [s for pair in trial.pairs for b in pair.bursts if b.on for s in b.samples_s]
    return off, on


def by_means(off: Sequence[float], on: Sequence[float]) -> bool:
    return abs(statistics.fmean(on) / statistics.fmean(off) - 1) > MIN_EFFECT


def peers() -> dict[str, Callable[[Sequence[float], Sequence[float]], bool]]:
    found: dict[str, Callable[[Sequence[float], Sequence[float]], bool]] = {"means differ by 2 %": by_means}
    try:
        significant = importlib.import_module("pyperf._utils").is_significant
        found["pyperf (t-test, 95 %)"] = lambda off, on: bool(significant(off, on)[0])
    except ImportError:
        print("pyperf is not installed: left out")
    try:
        different = importlib.import_module("asv._stats").is_different
        ratio = lambda off, on: statistics.median(on) / statistics.median(off)  # noqa: E731
        asv = lambda off, on: bool(different(list(off), list(on), None, None))  # noqa: E731
        found["asv (Mann-Whitney, p < 0.002)"] = asv
        found["asv, and its factor of 1.1"] = lambda off, on: asv(off, on) and not 1 / 1.1 < ratio(off, on) < 1.1
    except ImportError:
        print("asv is not installed: left out")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=40)
    parser.add_argument("--planted", type=int, default=10, help="comparisons of each planted slow-down")
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--load", type=int, default=1, help="busy processes beside it")
    parser.add_argument("--raw", type=Path, help="file for every raw time, as JSON")
    asked = parser.parse_args()
    workers = [multiprocessing.Process(target=load, args=(seed,), daemon=True) for seed in range(asked.load)]
    for worker in workers:
        worker.start()
    names = [f"same-{i}" for i in range(asked.comparisons)]
    names += [f"slower-{share}-{i}" for share in (3, 10) for i in range(asked.planted)]
    before, started = machine.reading(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        spec = spec_of(Path(folder))
        role = Role(root=folder, spec=spec, device="cpu", switches=())
        search = Search(role=role, size=1, reference="", min_effect=MIN_EFFECT, deadline=time.monotonic() + 1e6,
                        say=lambda text: None, chance=random.Random(0))  # noqa: S311  # fmt: skip
        states = [State(stage="a/a", arm=Arm(), against=Arm(), defaults={})]
        states += [State(stage="single", arm=Arm(switches=(n,)), against=Arm(), defaults={}) for n in names]
        for number in range(asked.pairs):
            search.run_block(states)
            print(f"block {number + 1} of {asked.pairs}: {time.monotonic() - started:.0f} s", flush=True)
    for worker in workers:
        worker.terminate()
    trials = [state.trial() for state in states]
    if asked.raw:
        asked.raw.write_text(dumps(trials), encoding="utf-8")
    busy = machine.state("during", before, machine.reading())
    print(f"others, with the load of this benchmark, kept {busy.foreign_cpus or 0:.2f} of {busy.cpus} CPUs busy")
    show(trials)
    return 0


def show(trials: Sequence[Trial]) -> None:
    known = effects.noise(trials)
    aa = effects.aa_range(trials, known)
    groups = {"A/A": "same-", "3 % slower": "slower-3-", "10 % slower": "slower-10-"}
    print(f"A/A range of the campaign: a factor of {aa:.4f}; one pair varies by {math.sqrt(known.variance):.2%}")
    rows: dict[str, list[str]] = {}
    for group in groups.values():
        chosen = [t for t in trials if t.switches and t.switches[0].startswith(group)]
        ours = [effects.outcome(effects.effect(t, known), aa=aa, min_effect=MIN_EFFECT) for t in chosen]
        called = sum(o in (effects.Outcome.GAIN, effects.Outcome.LOSS) for o in ours)
        rows.setdefault("this project", []).append(f"{called}/{len(chosen)}")
        for name, rule in peers().items():
            rows.setdefault(name, []).append(f"{sum(rule(*sides(t)) for t in chosen)}/{len(chosen)}")
    print(f"\n{'called a gain or a loss':<34}" + "".join(f"{g:>14}" for g in groups))
    for name, cells in rows.items():
        print(f"{name:<34}" + "".join(f"{cell:>14}" for cell in cells))
    pairs = len(trials[0].pairs)
    calls = len(sides(trials[0])[0]) // max(1, pairs)
    print(f"\npairs per comparison: {pairs}; calls per pair: {calls} a side")


if __name__ == "__main__":
    raise SystemExit(main())
