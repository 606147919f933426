from __future__ import annotations

import torch
from torch import nn

from npu_models.fpn import FPN, DetectronFPN, top_down


def test_each_level_adds_all_the_coarser_ones():
    laterals = [torch.ones(1, 2, 8, 12), torch.full((1, 2, 4, 6), 10.0), torch.full((1, 2, 2, 3), 100.0)]
    assert [float(x.unique()) for x in top_down(laterals)] == [111.0, 110.0, 100.0]


def test_upsampling_reaches_odd_sizes():
    laterals = [torch.zeros(1, 1, 5, 7), torch.arange(12.0).view(1, 1, 3, 4)]
    assert top_down(laterals)[0][0, 0, :, 0].tolist() == [0, 0, 4, 4, 8]


def test_extra_levels_are_strided_convolutions_of_the_last_finished_level():
    torch.manual_seed(0)
    neck = FPN((4, 8), channels=6, extra=2)
    features = [torch.randn(1, 4, 16, 16), torch.randn(1, 8, 8, 8)]
    levels = neck(features)
    assert [x.shape[-1] for x in levels] == [16, 8, 4, 2]
    torch.testing.assert_close(levels[2], neck.fpn_convs[2](levels[1]))
    torch.testing.assert_close(levels[3], neck.fpn_convs[3](levels[2].relu()))


def test_both_dialects_compute_the_same_pyramid():
    torch.manual_seed(1)
    mmdet, detectron = FPN((512, 1024, 2048), extra=2), DetectronFPN(nn.Identity())
    for index, stage in enumerate((3, 4, 5)):
        detectron.get_submodule(f"fpn_lateral{stage}").load_state_dict(mmdet.lateral_convs[index].conv.state_dict())
        detectron.get_submodule(f"fpn_output{stage}").load_state_dict(mmdet.fpn_convs[index].conv.state_dict())
    for index, name in ((3, "p6"), (4, "p7")):
        detectron.top_block[name].load_state_dict(mmdet.fpn_convs[index].conv.state_dict())
    features = [torch.randn(1, width, side, side) for width, side in ((512, 8), (1024, 4), (2048, 2))]
    for mine, other in zip(mmdet(features), detectron(features), strict=True):
        assert torch.equal(mine, other)
