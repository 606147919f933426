"""Evaluate the model on a data set: COCO box and mask AP for detectors, top-1 and top-5 for classifiers.

python eval_dataset.py --data /path/to/coco2017 --limit 100 --device auto|cpu|cuda:0|npu:0
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

from npu_eval.experiments.dataset import run as dataset
from npu_eval.session import script as session

if __name__ == "__main__":
    sys.exit(session.main(dataset, Path(ROOT)))
