"""Series of seconds that nobody had to wait for."""

from __future__ import annotations

import random


def latency_samples(count: int = 70, centre_s: float = 0.0215, seed: int = 0) -> tuple[float, ...]:
    """A quiet series: a fixed pattern of less than two per cent around its centre, and nanoseconds that never repeat.

    ``seed`` tells one series of the same calls from another; nobody sees it but who looks at the nanoseconds.
    """
    chance = random.Random(seed)
    noise = (chance.uniform(-1e-6, 1e-6) for _ in range(count))
    return tuple(round(centre_s * (1 + 0.001 * ((i * 7) % 17 - 8) + n), 9) for i, n in enumerate(noise))
