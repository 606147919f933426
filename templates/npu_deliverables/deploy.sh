#!/usr/bin/env bash
# Serve the model on port 8000: POST a photo, GET /health. MODEL_PATH is the weights file, or the folder that holds it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec "${PYTHON:-python3}" -B -m npu_eval.serving --weights "${MODEL_PATH:-}" --host 0.0.0.0 --port "${PORT:-8000}" --device "${DEVICE:-auto}"
