"""`python -m npu_deliver`: the command line, where the console script is not on the path.

Python looks for modules in the folder where that is typed, which may be a model's with a `random.py` of its own.
"""

import sys
from pathlib import Path

if sys.path and Path(sys.path[0]).resolve() == Path.cwd() != Path(__file__).resolve().parents[1]:
    del sys.path[0]

from npu_deliver.cli import main

main()
