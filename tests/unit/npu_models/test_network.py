from __future__ import annotations

import pytest
import torch

FCOS = "fcos/r50_caffe_fpn_gn-head_1x"
ALL = (FCOS, "blendmask/R_50_1x", "solov2/r50_fpn_1x")


def test_preprocess_normalises_then_pads_with_zeros(fresh, noise_image):
    image = noise_image(20, 40)
    batch = fresh(FCOS).preprocess([image], resize=False)
    assert batch.tensor.shape == (1, 3, 32, 64)
    assert batch.image_sizes == batch.output_sizes == ((20, 40),)
    mean = torch.tensor(fresh(FCOS).preprocessing.mean)
    torch.testing.assert_close(batch.tensor[0, :, :20, :40].permute(1, 2, 0), image.float() - mean)
    assert not bool(batch.tensor[..., 20:, :].any())
    assert not bool(batch.tensor[..., 40:].any())


def test_preprocess_turns_the_channels_round_for_networks_that_want_rgb(fresh):
    image = torch.tensor([10, 20, 30], dtype=torch.uint8).expand(32, 32, 3)
    tensor = fresh("solov2/r50_fpn_1x").preprocess([image], resize=False).tensor
    expected = (torch.tensor([30.0, 20.0, 10.0]) - torch.tensor([123.675, 116.28, 103.53])) / torch.tensor(
        [58.395, 57.12, 57.375]
    )
    torch.testing.assert_close(tensor[0, :, 0, 0], expected)


def test_preprocess_resizes_and_puts_images_of_several_sizes_into_one_batch(fresh, noise_image):
    batch = fresh(FCOS).preprocess([noise_image(60, 80), noise_image(30, 20)])
    assert batch.image_sizes == ((800, 1067), (1200, 800))
    assert batch.output_sizes == ((60, 80), (30, 20))
    assert batch.tensor.shape == (2, 3, 1216, 1088)


@pytest.mark.parametrize(
    "image", [torch.zeros(4, 4, 3), torch.zeros(3, 4, 4, dtype=torch.uint8), torch.zeros(0, 4, 3, dtype=torch.uint8)]
)
def test_preprocess_refuses_what_is_no_image(fresh, image):
    with pytest.raises(ValueError, match=r"must be \(H, W, 3\) uint8"):
        fresh(FCOS).preprocess([image])
    with pytest.raises(ValueError, match="at least one image"):
        fresh(FCOS).preprocess([])


@pytest.mark.parametrize("name", ALL)
def test_a_batch_and_its_tensor_give_the_same_outputs(fresh, noise_image, name):
    batch = fresh(name).preprocess([noise_image(50, 64)], resize=False)
    with torch.inference_mode():
        by_batch, by_tensor = fresh(name).raw_outputs(batch), fresh(name)(batch.tensor)
    assert by_batch.keys() == by_tensor.keys()
    assert all(torch.equal(by_batch[key], by_tensor[key]) for key in by_batch)


@pytest.mark.parametrize("name", ALL)
def test_a_one_pixel_image_goes_through(fresh, name):
    image = torch.full((1, 1, 3), 128, dtype=torch.uint8)
    (found,) = fresh(name).detect([image], resize=False)
    assert found.boxes.shape == (len(found), 4)
    assert found.masks is None or found.masks.shape == (len(found), 1, 1)


@pytest.mark.parametrize("name", ALL)
def test_images_of_a_batch_do_not_influence_each_other(lively, noise_image, name):
    model = lively(name)
    first, second = noise_image(64, 96, 1), noise_image(96, 64, 2)
    batch = model.preprocess([first, second], resize=False)
    with torch.inference_mode():
        together = model.raw_outputs(batch)
        alone = model.raw_outputs(batch.tensor[1:])
    for key, value in alone.items():
        limit = 1e-5 * value.abs().max().item()
        assert (together[key][1:] - value).abs().max().item() <= limit, key
    found = model.postprocess(together, batch.image_sizes, batch.output_sizes)
    assert [len(one) > 0 for one in found] == [True, True]
    if found[0].masks is not None:
        assert [tuple(one.masks.shape[1:]) for one in found] == [(64, 96), (96, 64)]


def test_float64_weights_give_float64_outputs_and_float32_detections(lively, noise_image):
    model = lively(FCOS)
    image = noise_image(64, 64)
    with torch.inference_mode():
        single = model.raw_outputs(model.preprocess([image], resize=False))
        model.double()
        batch = model.preprocess([image], resize=False)
        double = model.raw_outputs(batch)
    assert double["p3"].dtype == torch.float64
    assert (double["p3"] - single["p3"]).abs().max().item() <= 1e-5 * double["p3"].abs().max().item()
    assert model.postprocess(double, batch.image_sizes, batch.output_sizes)[0].boxes.dtype == torch.float32
