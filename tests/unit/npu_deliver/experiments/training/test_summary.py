"""The training of a summary is that of the record."""

from __future__ import annotations

import samples
from npu_deliver.experiments.training.summary import summarize_training


def test_every_loss_and_every_part_is_told():
    data = samples.training_data()
    found = summarize_training(data)
    assert [(x.step, x.name, x.reference) for x in found.losses] == [(p.step, p.name, p.reference) for p in data.losses]
    assert {x.relative_error for x in found.losses} == {2.0**-12}
    assert [(g.part, g.relative_l2) for g in found.gradients] == [("backbone", 2.0**-11), ("head", 0.0)]
