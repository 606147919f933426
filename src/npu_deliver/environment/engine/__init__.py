"""Engines carry out steps: on this machine, in containers, or by replaying what an earlier run found.

The seam is `Engine`: a context manager that runs one step after the other and tells each line of its output. The
container engine, `engine.container`, is the only importer of `docker`; it is loaded only when asked for.
"""

from npu_deliver.environment.engine.base import Engine, Tell
from npu_deliver.environment.engine.local import LocalEngine
from npu_deliver.environment.engine.replay import ReplayEngine

__all__ = ["Engine", "LocalEngine", "ReplayEngine", "Tell"]
