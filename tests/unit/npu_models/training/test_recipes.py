from __future__ import annotations

import datetime as dt
from dataclasses import fields, replace

import pytest

from npu_models import known_models
from npu_models.training.recipes import RECIPES, Source, deviations, recipe_of

PARTS = ("images", "annotations", "optimiser", "schedule", "precision", "backbone")


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: f"{recipe.model} {recipe.origin}")
def test_each_part_names_its_file_and_the_day_it_was_read(recipe):
    assert recipe.model in known_models()
    for part in PARTS:
        source = getattr(recipe, part).source
        assert isinstance(source, Source)
        assert source.project
        assert source.file
        assert dt.date.fromisoformat(source.read) >= dt.date(2026, 1, 1)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: f"{recipe.model} {recipe.origin}")
def test_the_digits_of_a_backbones_hash_are_those_in_its_name(recipe):
    prefix = recipe.backbone.sha256_prefix
    assert prefix is None or recipe.backbone.file.endswith(f"-{prefix}.pth")


def test_a_model_has_a_recipe_of_its_own_first():
    assert recipe_of("fcos/r50_caffe_fpn_gn-head_1x").origin == "mmdet"
    assert recipe_of("solov2/r50_fpn_1x", "WXinlong/SOLO").schedule.drops == (9, 11)
    with pytest.raises(KeyError, match=r"no recipe for fcos/none of nobody; known: fcos/r50.* \(mmdet\)"):
        recipe_of("fcos/none", "nobody")


def test_the_ports_deviate_where_they_are_known_to():
    model = "fcos/r50_caffe_fpn_gn-head_1x"
    found = deviations(recipe_of(model, "DrivingSDK"), recipe_of(model))
    assert found == {"optimiser.batch": (16, 32)}  # twice the images at the same rate
    model = "solov2/r50_fpn_1x"
    found = deviations(recipe_of(model, "ModelZoo-PyTorch"), recipe_of(model, "WXinlong/SOLO"))
    assert found == {
        "images.divisor": (32, 1344),  # one shape for every image
        "precision.autocast": (None, "float16"),
        "precision.loss_scale": (None, 128.0),
    }
    found = deviations(recipe_of(model, "WXinlong/SOLO"), recipe_of(model))
    assert found["mask_divisor"] == ("cells", "masks")
    assert found["schedule.drops"] == ((8, 11), (9, 11))


def test_every_changed_field_is_a_deviation_and_a_source_is_none():
    original = recipe_of("blendmask/R_50_1x")
    assert deviations(original, original) == {}
    elsewhere = replace(original.images, source=Source("a fork", "its file"))
    assert deviations(replace(original, images=elsewhere), original) == {}
    for part in PARTS:
        whole = getattr(original, part)
        for field in fields(whole):
            if field.name != "source":
                changed = replace(original, **{part: replace(whole, **{field.name: "another"})})
                assert list(deviations(changed, original)) == [f"{part}.{field.name}"]


def test_the_lengths_are_those_that_were_published():
    one = recipe_of("blendmask/R_50_1x")
    epochs = one.schedule.length * one.optimiser.batch / one.annotations.images
    assert epochs == pytest.approx(12.3, abs=0.05)
    assert -(-recipe_of("solov2/r50_fpn_1x").annotations.images // 16) == 7330
