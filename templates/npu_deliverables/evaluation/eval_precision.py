"""Compare every output of the model on a device with the reference, by the criteria fixed in spec.json.

python eval_precision.py --device auto|cpu|cuda:0|npu:0
"""

import sys
from pathlib import Path

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "npu_eval").is_dir())
sys.path.insert(0, str(ROOT))
sys.dont_write_bytecode = True  # a deliverable stays as it was sealed

from npu_eval import precision, session

if __name__ == "__main__":
    sys.exit(session.main(precision, ROOT))
