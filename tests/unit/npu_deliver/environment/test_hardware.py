"""What npu-smi prints, in the shapes of several generations, and what it may print instead."""

import stat
import sys
from pathlib import Path

import pytest

from npu_deliver.environment import hardware
from npu_deliver.errors import ConfigError
from npu_eval.npu import smi as npu_smi

CARDS = """\
+------------------------------------------------------------------------------------------------+
| npu-smi 25.5.1                   Version: 25.5.1                                               |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     910B4               | OK            | 81.0        35                0    / 0             |
| 0                         | 0000:C1:00.0  | 0           0    / 0          2826 / 32768         |
+===========================+===============+====================================================+
| 1     910B4               | Warning       | 80.0        36                0    / 0             |
| 0                         | 0000:01:00.0  | 0           0    / 0          2826 / 32768         |
+===========================+===============+====================================================+
"""
A2 = CARDS + (Path(__file__).parents[3] / "npu_smi/processes.txt").read_text(encoding="utf-8")
I310P = """\
| NPU     Name              | Health          | Power(W)     Temp(C)           Hugepages-Usage(page) |
| Chip    Device            | Bus-Id          | AICore(%)    Memory-Usage(MB)                        |
+===========================+=================+======================================================+
| 16      310P3             | OK              | NA           45                0     / 0             |
| 0       0                 | 0000:82:00.0    | 0            1782 / 21527                            |
"""


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """Puts a program called npu-smi in the place of any other."""

    def write(text: str, code: int = 0):
        path = tmp_path / "npu-smi"
        path.write_text(f"#!{sys.executable}\nimport sys\nsys.stdout.write({text!r})\nsys.exit({code})\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(npu_smi, "_USUAL", ())
        return path

    return write


def test_the_soc_of_this_machine(smi):
    smi(A2)
    assert hardware.detected_soc() == "910B4"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "npu-smi names no SoC"),
        ("dcmi module initialize failed. ret is -8005\n", "npu-smi names no SoC"),
        (A2 + I310P, "npu-smi names 310P3, 910B4"),
    ],
)
def test_a_table_without_one_name_is_told(smi, text, told):
    smi(text)
    with pytest.raises(ConfigError, match=f"{told}; name it with --soc"):
        hardware.detected_soc()


def test_without_npu_smi_the_soc_must_be_named(smi, monkeypatch, tmp_path):
    smi(A2).unlink()
    with pytest.raises(ConfigError, match="there is no npu-smi here; name it with --soc"):
        hardware.detected_soc()


def test_a_tool_that_cannot_be_run_is_told(smi):
    smi("").write_text("#!/nowhere/at/all\n")
    with pytest.raises(ConfigError, match="npu-smi does not answer"):
        hardware.detected_soc()
