"""The numbers of a clean report: drawn or derived, then rounded as people round, so that it is honest to the last digit."""

from __future__ import annotations

import random
from dataclasses import dataclass

Files = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """One honest measurement: times in milliseconds, rates per second."""

    mean: float
    std: float
    low: float
    p50: float
    p90: float
    p95: float
    p99: float
    high: float
    cpu: float
    batches: tuple[tuple[int, float], ...]
    cosine: float
    relative_l2: float
    mean_abs: float
    max_abs: float
    rms: float
    over: tuple[int, int]
    accuracy: tuple[float, float]
    digits: int


def draw(rng: random.Random) -> Numbers:
    """Numbers that hold together, for one report."""
    mean = rng.uniform(2.0, 90.0)
    spread = mean * rng.uniform(0.004, 0.03)
    steps = sorted(rng.uniform(0.2, 3.0) for _ in range(5))
    per_image = mean
    batches = []
    for batch in (1, 2, 4, 8):
        batches.append((batch, per_image * batch))
        per_image *= rng.uniform(0.78, 1.02)
    error = 10 ** rng.uniform(-5, -2.3)
    rms = rng.uniform(0.5, 3.0)
    total = rng.randrange(10_000, 3_000_000)
    accuracy = rng.uniform(60, 85)
    return Numbers(
        mean=mean,
        std=spread,
        low=mean - 1.5 * spread,
        p50=mean - 0.05 * spread,
        p90=mean + steps[0] * spread,
        p95=mean + steps[1] * spread,
        p99=mean + steps[2] * spread,
        high=mean + steps[4] * spread,
        cpu=mean * rng.uniform(5, 300),
        batches=tuple(batches),
        cosine=1 - error * error / 2,
        relative_l2=error,
        mean_abs=error * rms * 0.7,
        max_abs=error * rms * rng.uniform(4, 9),
        rms=rms,
        over=(rng.randrange(total // 200), total),
        accuracy=(accuracy, accuracy - rng.uniform(-0.2, 0.3)),
        digits=rng.choice((2, 3, 3, 4)),
    )


def cut(value: float, digits: int) -> str:
    """A number as printed with so many decimals."""
    return f"{value:.{digits}f}"


def stack(rng: random.Random) -> tuple[str, str, str, str]:
    """(torch, torch_npu, CANN, Python) that go together."""
    return rng.choice(
        (
            ("2.9.0+cpu", "2.9.0.post1+gitee7ba04", "8.5.1", "3.11.14"),
            ("2.8.0", "2.8.0.post2", "8.5.0", "3.11.13"),
            ("2.7.1", "2.7.1", "8.3.RC1", "3.10.12"),
            ("2.6.0", "2.6.0", "8.2.RC1", "3.10.12"),
        )
    )
