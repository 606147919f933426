"""Run the model on photos and draw what it sees.

python inference.py --input photo.jpg --output result.jpg --device auto|cpu|cuda:0|npu:0
python inference.py --input photos/   --output results/   --device npu:0
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))
sys.dont_write_bytecode = True  # a deliverable stays as it was sealed

from npu_eval import inference, session

if __name__ == "__main__":
    sys.exit(session.main(inference, ROOT))
