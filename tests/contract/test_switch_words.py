"""Every reason that a switch gives for not being tried is said from a code: pages of both languages say it."""

from __future__ import annotations

import shutil

import pytest
from torch import nn

import samples
from npu_deliver.words import phrase_words
from npu_eval.machine import memory as host_memory
from npu_eval.notation.phrases import AS_WRITTEN, Phrase
from npu_eval.under_test.switches import SWITCHES, Place


@pytest.mark.parametrize("kind", ["cpu", "cuda:0", "npu:0"])
def test_reasons_are_told_in_chinese(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(host_memory, "library", lambda name: "")
    monkeypatch.setattr(host_memory, "tells_usage", lambda: False)
    facts = samples.cpu_facts() if kind == "cpu" else samples.device_facts(name=kind, kind=kind.partition(":")[0])
    place = Place(device=facts, network=nn.Identity(), dtype="float16", threads=1)
    reasons = [why for switch in SWITCHES if (why := switch.needs(place))]
    assert len(reasons) >= 8
    for why in reasons:
        assert isinstance(why, Phrase)
        assert why.code != AS_WRITTEN
        assert phrase_words(why, "en") == str(why)
        assert phrase_words(why, "zh") != str(why)
