"""Try what may make the model quicker on this machine, within a budget of time, and compare every answer.

python eval_optimisation.py --device auto|cpu|cuda:0|npu:0 --budget 10m
"""

import sys
from pathlib import Path

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "npu_eval").is_dir())
sys.path.insert(0, str(ROOT))
sys.dont_write_bytecode = True  # a deliverable stays as it was sealed

from npu_eval import optimisation, session

if __name__ == "__main__":
    sys.exit(session.main(optimisation, ROOT))
