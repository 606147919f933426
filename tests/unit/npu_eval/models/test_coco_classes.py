"""The classes are those that torchvision's COCO models name, in the same order."""

from __future__ import annotations

from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

from npu_eval.models.coco_classes import COCO_CATEGORIES, COCO_IDS, COCO_NAMES


def test_ids_and_names_are_those_of_the_data_set() -> None:
    names = FasterRCNN_ResNet50_FPN_Weights.DEFAULT.meta["categories"]
    expected = {i: name for i, name in enumerate(names) if name not in ("N/A", "__background__")}
    assert expected == COCO_CATEGORIES
    assert (len(COCO_NAMES), COCO_IDS[0], COCO_IDS[-1]) == (80, 1, 90)
