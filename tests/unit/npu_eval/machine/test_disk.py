"""What would not fit is refused before it is written, with what is needed."""

from pathlib import Path

import pytest

from npu_eval.errors import ConfigError
from npu_eval.machine.disk import check_room


def test_what_does_not_fit_is_refused_with_what_it_needs(tmp_path: Path) -> None:
    def asked(needed: int) -> None:
        check_room(tmp_path, needed, what="recording needs", where=tmp_path, fix="set TMPDIR to a larger disk")

    with pytest.raises(ConfigError, match=r"recording needs 1048576\.00 GiB and .* are free; free some space, set TMP"):
        asked(1 << 50)
    asked(1)
