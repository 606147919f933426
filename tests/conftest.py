"""Settings of every test run: two cores are shared by several processes, and no test may touch the user's caches."""

import os

# Spinning OpenMP threads of parallel test processes slow each other down many times over.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "agg")
