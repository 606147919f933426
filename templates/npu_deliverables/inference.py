"""Run the model on photos and draw what it sees.

python inference.py --input photo.jpg --output result.jpg --device auto|cpu|cuda:0|npu:0
python inference.py --input photos/   --output results/   --device npu:0
"""

import os
import sys

ROOT = os.path.dirname(os.path.realpath(__file__))
RULES = {"__name__": "isolation"}
with open(os.path.join(ROOT, "npu_eval", "isolation.py"), encoding="utf-8") as code:
    exec(code.read(), RULES)
RULES["enter"](ROOT)  # from here on only this folder's sources and the installed packages are imported

from pathlib import Path

from npu_eval.experiments.inference import run as inference
from npu_eval.session import script as session

if __name__ == "__main__":
    sys.exit(session.main(inference, Path(ROOT)))
