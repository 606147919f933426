"""How often a printed percentile lies at or above the true one, for log-normal latencies and few or many calls.

    python benchmarks/percentiles.py

Ours is the early-stopping estimate, printed only where the calls support it (`-` elsewhere); beside it is what most
tools print, an interpolated percentile, for any number of calls. Takes about half a minute.
"""

from __future__ import annotations

import math
import statistics

import numpy as np

from npu_eval.timing.samples import exceedances

COUNTS = (10, 11, 24, 32, 64, 100, 130, 200, 300, 500, 662, 1000)
PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0)
SIGMA = 0.4
RUNS = 4000


def main() -> int:
    rng = np.random.default_rng(0)
    normal = statistics.NormalDist()
    truth = {p: math.exp(SIGMA * normal.inv_cdf(p / 100)) for p in PERCENTILES}
    print("share of runs whose printed percentile is at or above the true one: ours / interpolated")
    print(f"log-normal, sigma {SIGMA}, {RUNS} runs each; ours claims at least 99 %\n")
    print(f"{'calls':>6}" + "".join(f"{f'p{p:g}':>18}" for p in PERCENTILES))
    worst = 1.0
    for count in COUNTS:
        runs = np.sort(rng.lognormal(0.0, SIGMA, size=(RUNS, count)), axis=1)
        cells = []
        for p in PERCENTILES:
            interpolated = float(np.mean(np.percentile(runs, p, axis=1) >= truth[p]))
            beyond = exceedances(count, p)
            ours = "-"
            if beyond:
                covered = float(np.mean(runs[:, count - beyond] >= truth[p]))
                worst = min(worst, covered)
                ours = f"{covered:.1%}"
            cells.append(f"{ours:>9} /{interpolated:>6.1%}")
        print(f"{count:>6}" + "".join(f"{cell:>18}" for cell in cells))
    print(f"\nlowest coverage of a percentile that is printed: {worst:.2%}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
