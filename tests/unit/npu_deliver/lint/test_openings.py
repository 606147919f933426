"""Pages that begin something ten thousand times and never end it: reading stays linear in their length."""

import subprocess
import sys

import pytest

SIZE = 200_000
"""Characters of one kind of opening; what goes over them again for each one takes minutes."""
GIVEN_UP_S = 300.0
"""For all openings together, which take less than half a minute of computing."""

OPENINGS = (
    *"[(|`*_#$&<{~%\"'\\=1\t\n（\u3000",
    *("<!--", "```", "![", "[a](", "**", "- ", "* ", "> ", "# ", "$$", "&#", "<a ", "</", "{{", "---", "|-", "| a |\n"),
    *("a: ", "a=", "1.", "1,000", "9 ", "x1", "1x", "1ms ", "FPS ", "mAP 0.", "npu:", "top-", "v1.", "- [ ", "1. "),
    *("\n\n", "::", "//", "http://", "a@"),
)

CODE = """
import sys
from pathlib import Path
from npu_deliver.lint import lint
for page in sorted(Path(sys.argv[1]).iterdir()):
    lint([page])
    print(page.name)
"""


@pytest.mark.slow
def test_a_page_of_openings_is_read_in_time_that_its_length_explains(tmp_path):
    for number, opening in enumerate(OPENINGS):
        in_a_line = (opening * SIZE)[:SIZE]
        in_lines = ((opening * 80)[:80].rstrip("\n") + "\n") * (SIZE // 80)
        for name, text in (("line", in_a_line), ("lines", in_lines)):
            page = tmp_path / f"{number:02}{name}/README.md"
            page.parent.mkdir()
            page.write_text(f"# Adaptation to the NPU\n\n{text}", encoding="utf-8")
    command = [sys.executable, "-c", CODE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=GIVEN_UP_S, check=True)
    assert len(done.stdout.split()) == 2 * len(OPENINGS)
