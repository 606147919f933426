"""Measure the latency of the model's forward pass, by the timing protocol fixed in spec.json.

python eval_performance.py --device auto|cpu|cuda:0|npu:0
"""

import sys
from pathlib import Path

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "npu_eval").is_dir())
sys.path.insert(0, str(ROOT))
sys.dont_write_bytecode = True  # a deliverable stays as it was sealed

from npu_eval import performance, session

if __name__ == "__main__":
    sys.exit(session.main(performance, ROOT))
