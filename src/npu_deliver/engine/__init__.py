"""Engines carry out steps: on this machine, in containers, or by replaying what an earlier run found.

The seam is `Engine`: a context manager that runs one step after the other and tells each line of its output. The
container engine, `npu_deliver.engine.container`, is the only importer of `docker`; it is loaded only when asked for.
"""

from npu_deliver.engine.base import Engine, Tell
from npu_deliver.engine.local import LocalEngine
from npu_deliver.engine.replay import ReplayEngine

__all__ = ["Engine", "LocalEngine", "ReplayEngine", "Tell"]
