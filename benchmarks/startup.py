"""How long the quick commands take: `npu-deliver --help`, and `verify` of a finished deliverable.

    python benchmarks/startup.py deliverables/efficientnet_lite0/npu_deliverables

Prints the median and the range of ten starts each. Both stay below 0.4 s on a quiet two-core machine, because they load
no framework.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 10


def main() -> int:
    program = Path(sys.executable).with_name("npu-deliver")
    commands = {"--help": [program, "--help"]}
    if len(sys.argv) > 1:
        commands["verify"] = [program, "verify", sys.argv[1]]
    for name, command in commands.items():
        times = []
        for _ in range(RUNS):
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times.append(time.perf_counter() - start)
        print(
            f"{name:<8} median {statistics.median(times):.3f} s, {min(times):.3f} to {max(times):.3f} s, {RUNS} starts"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
