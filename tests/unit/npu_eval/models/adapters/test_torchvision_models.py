from __future__ import annotations

import pytest
import torch

from npu_eval.asked.spec import Classes
from npu_eval.errors import AdapterError
from npu_eval.models.adapters.torchvision_models import create_adapter


def test_a_model_that_was_trained_on_other_classes() -> None:
    adapter = create_adapter("squeezenet1_1", Classes(count=3, names=("a", "b", "c")))
    assert adapter.class_names == ("a", "b", "c")
    assert adapter.forward(adapter.build(), torch.zeros(1, 3, 64, 64))["logits"].shape == (1, 3)
    assert create_adapter("squeezenet1_1", Classes(count=2)).class_names == ("class 0", "class 1")
    assert create_adapter("squeezenet1_1").class_names[0] == "tench"


def test_a_classifier_has_classes() -> None:
    with pytest.raises(AdapterError, match="a classifier of torchvision has classes"):
        create_adapter("squeezenet1_1", Classes(count=0))


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(AdapterError, match="did you mean 'resnet18'"):
        create_adapter("resnet_18")
