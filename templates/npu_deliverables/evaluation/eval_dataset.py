"""Evaluate the model on a data set: COCO box and mask AP for detectors, top-1 and top-5 for classifiers.

python eval_dataset.py --data /path/to/coco2017 --limit 100 --device auto|cpu|cuda:0|npu:0
"""

import sys
from pathlib import Path

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "npu_eval").is_dir())
sys.path.insert(0, str(ROOT))
sys.dont_write_bytecode = True  # a deliverable stays as it was sealed

from npu_eval import dataset, session

if __name__ == "__main__":
    sys.exit(session.main(dataset, ROOT))
