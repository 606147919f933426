#!/usr/bin/env bash
# Serve the model on port 8000: POST a photo, GET /health. MODEL_PATH is the weights file, or the folder that holds it.
# A test of availability asks from outside, so it listens at every address; LISTEN=127.0.0.1 keeps it to this machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec "${PYTHON:-python3}" -P -B npu_eval/isolation.py npu_eval.serving --weights "${MODEL_PATH:-}" --host "${LISTEN:-0.0.0.0}" --port "${PORT:-8000}" --device "${DEVICE:-auto}"
