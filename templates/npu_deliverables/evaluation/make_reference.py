"""Record the reference's outputs on a CPU or GPU machine, to compare an NPU with them elsewhere.

python make_reference.py --device auto|cpu|cuda:0 --output reference
"""

import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = HERE if os.path.isdir(os.path.join(HERE, "npu_eval")) else os.path.dirname(HERE)
RULES = {"__name__": "isolation"}
with open(os.path.join(ROOT, "npu_eval", "isolation.py"), encoding="utf-8") as code:
    exec(code.read(), RULES)
RULES["enter"](ROOT)  # from here on only this folder's sources and the installed packages are imported

from pathlib import Path

from npu_eval.references import make as make_reference

if __name__ == "__main__":
    sys.exit(make_reference.main(Path(ROOT)))
