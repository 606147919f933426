"""Settings of every test run: two cores are shared by several processes, and no test may touch the user's caches."""

import os
import signal

# Spinning OpenMP threads of parallel test processes slow each other down many times over.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "agg")
# Tests that want containers say so; for the others an engine that happens to answer changes nothing.
os.environ["NPU_DELIVER_ENGINE"] = "local"
# A shell's background job is born deaf to Ctrl-C, and so would be every command that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure() -> None:
    """Examples have no deadline, as time is never asserted; where a change is judged they are the same each time."""
    from hypothesis import settings

    settings.register_profile("project", deadline=None, derandomize="CI" in os.environ)
    settings.load_profile("project")
