"""Find the operator at which the model on a device leaves the reference, and why.

python eval_localisation.py --device auto|cpu|cuda:0|npu:0
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

from npu_eval.experiments.localisation import run as localisation
from npu_eval.session import script as session

if __name__ == "__main__":
    sys.exit(session.main(localisation, Path(ROOT)))
