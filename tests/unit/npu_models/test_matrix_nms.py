from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from npu_models.matrix_nms import decayed_scores


def written_out(masks, classes, scores):
    """The definition, pair by pair."""
    count = len(scores)
    iou = [
        [
            float((masks[i] & masks[j]).sum() / (masks[i] | masks[j]).sum())
            if i < j and classes[i] == classes[j]
            else 0.0
            for j in range(count)
        ]
        for i in range(count)
    ]
    worst = [max(row[j] for row in iou) for j in range(count)]
    return [
        float(scores[j]) * min(math.exp(-2 * iou[i][j] ** 2) / math.exp(-2 * worst[i] ** 2) for i in range(count))
        for j in range(count)
    ]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 9))
def test_it_is_the_definition(seed, count):
    generator = torch.Generator().manual_seed(seed)
    masks = torch.rand(count, 40, generator=generator) > 0.4
    masks[:, 0] = True
    classes = torch.randint(0, 3, (count,), generator=generator)
    scores = torch.rand(count, generator=generator).sort(descending=True).values
    mine = decayed_scores(masks, masks.sum(1).float(), classes, scores)
    assert mine.tolist() == pytest.approx(written_out(masks, classes, scores), rel=1e-4)


def test_a_copy_of_a_better_mask_is_decayed_and_one_of_another_class_is_not():
    masks = torch.ones(3, 8, dtype=torch.bool)
    scores = torch.tensor([0.9, 0.8, 0.7])
    mine = decayed_scores(masks, masks.sum(1).float(), torch.tensor([1, 1, 2]), scores)
    assert mine.tolist() == pytest.approx([0.9, 0.8 * math.exp(-2), 0.7])
