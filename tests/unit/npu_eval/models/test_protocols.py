from __future__ import annotations

from dataclasses import replace

import pytest

from npu_eval.errors import ConfigError, RecordError
from npu_eval.models.protocols import DEFAULT_PROTOCOL, PROTOCOLS, check_protocol, protocol_named


def test_each_name_is_a_protocol_that_a_record_may_hold() -> None:
    assert list(PROTOCOLS) == ["coco", "seed", "per-class"]
    assert protocol_named(DEFAULT_PROTOCOL).per_image == 100
    for name, protocol in PROTOCOLS.items():
        assert protocol_named(name) is protocol
        check_protocol(protocol, "data")


def test_a_misspelt_name_is_told() -> None:
    with pytest.raises(ConfigError, match="did you mean 'per-class'"):
        protocol_named("per_class")


@pytest.mark.parametrize("changes", [{"score_floor": 0.5}, {"per_image": 0}, {"score_floor": 1.5}, {"per_class": 7}])
def test_a_record_with_another_protocol_of_that_name_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(RecordError, match="protocol of detection"):
        check_protocol(replace(PROTOCOLS["coco"], **changes), "data")
