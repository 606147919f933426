"""Run the tests of what travels with another torch, and with the torch_npu that belongs to it.

    python3 scripts/test_on_torch.py 2.7.1

The environment is made once, in .venv-torch-<version>; the first time it loads several GB. torch_npu itself is fetched
by the tests' simulator. Needs Python 3.11 and a package index.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TORCHVISION = {"2.7.1": "0.22.1"}
"""torch -> the torchvision of the same release."""
PACKAGES = ("timm", "safetensors", "numpy", "pillow", "pydantic", "matplotlib", "pyyaml", "jinja2", "typer", "rich",
            "markdown-it-py", "docker", "pytest", "pytest-xdist", "hypothesis", "jsonschema", "setuptools")  # fmt: skip
TESTS = ("tests/simnpu", "tests/unit/npu_eval/device/test_device.py", "tests/unit/npu_eval/device/test_modes.py",
         "tests/unit/npu_eval/npu/test_fallback.py", "tests/unit/npu_eval/device/test_operator_calls.py",
         "tests/unit/npu_eval/npu/test_probe.py", "tests/unit/npu_eval/agreement/test_compare.py",
         "tests/unit/npu_eval/experiments/precision/test_run.py", "tests/unit/npu_eval/references/test_tensor_file.py",
         "tests/unit/npu_eval/references/test_outputs.py")  # fmt: skip


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in TORCHVISION:
        print(f"usage: test_on_torch.py {{{','.join(TORCHVISION)}}} [options of pytest]", file=sys.stderr)
        return 2
    version, options = sys.argv[1], sys.argv[2:]
    folder = Path(os.environ.get("NPU_DELIVER_TORCH_VENV", ROOT / f".venv-torch-{version}"))
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"torch=={version}",
         f"torchvision=={TORCHVISION[version]}", *PACKAGES], check=True,
    )  # fmt: skip
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.run([str(python), "-m", "pytest", "-q", *TESTS, *options], cwd=ROOT, env=variables).returncode


if __name__ == "__main__":
    sys.exit(main())
