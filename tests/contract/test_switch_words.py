"""Every reason that a switch gives for not being tried has Chinese words: pages of both languages say it."""

from __future__ import annotations

import shutil

import pytest
from torch import nn

import samples
from npu_deliver.words import refusal
from npu_eval import host_memory
from npu_eval.switches import SWITCHES, Place


@pytest.mark.parametrize("kind", ["cpu", "cuda:0", "npu:0"])
def test_reasons_are_told_in_chinese(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(host_memory, "library", lambda name: "")
    monkeypatch.setattr(host_memory, "tells_usage", lambda: False)
    facts = samples.cpu_facts() if kind == "cpu" else samples.device_facts(name=kind, kind=kind.partition(":")[0])
    place = Place(device=facts, network=nn.Identity(), dtype="float16", threads=1)
    reasons = {switch.name: switch.needs(place) for switch in SWITCHES}
    assert {name: why for name, why in reasons.items() if why and refusal(why, "zh") == why} == {}
    assert sum(map(bool, reasons.values())) >= 8
    assert all(refusal(why, "en") == why for why in reasons.values())
