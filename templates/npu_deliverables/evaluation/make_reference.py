"""Record the reference's outputs on a CPU or GPU machine, to compare an NPU with them elsewhere.

python make_reference.py --device auto|cpu|cuda:0 --output reference
"""

import sys
from pathlib import Path

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "npu_eval").is_dir())
sys.path.insert(0, str(ROOT))
sys.dont_write_bytecode = True  # a deliverable stays as it was sealed

from npu_eval import make_reference

if __name__ == "__main__":
    sys.exit(make_reference.main(ROOT))
