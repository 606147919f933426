from __future__ import annotations

import pytest

from npu_models import Network, UnknownModelError, build, known_models


def test_an_unknown_name_lists_the_known_ones_and_suggests_the_nearest():
    with pytest.raises(UnknownModelError, match=r"did you mean 'fcos/r50_caffe_fpn_gn-head_1x'\?") as caught:
        build("fcos/r50_caffe_fpn_gn_head_1x")
    assert all(name in str(caught.value) for name in known_models())
    assert isinstance(caught.value, ValueError)


def test_models_are_built_in_evaluation_mode(fresh):
    for name in ("fcos/r50_caffe_fpn_gn-head_1x", "blendmask/R_50_1x", "solov2/r50_fpn_1x"):
        assert isinstance(fresh(name), Network)
        assert not fresh(name).training


@pytest.mark.parametrize(("small", "large"), [("fcos/r50_caffe_fpn_gn-head_1x", "fcos/r101_caffe_fpn_gn-head_1x")])
def test_the_deeper_sibling_has_17_blocks_more_and_else_the_same_names(small, large, fresh):
    shallow, deep = set(fresh(small).state_dict()), set(build(large).state_dict())
    assert shallow < deep
    assert {key.split(".")[1] for key in deep - shallow} == {"layer3"}
    assert {int(key.split(".")[2]) for key in deep - shallow} == set(range(6, 23))


def test_every_name_belongs_to_one_of_three_families():
    assert {name.split("/")[0] for name in known_models()} == {"blendmask", "fcos", "solov2"}
