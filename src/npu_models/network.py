"""What the three networks have in common: pictures in, named tensors in the middle, detections out.

The middle is the seam. `raw_outputs` is the network proper: shapes that depend on the input size alone, nothing that an
NPU lacks. `postprocess` is everything whose shapes depend on the data, and takes tensors made anywhere. `preprocess`
repeats the original's resizing to the bit. `detect` is the three in a row, and may leave out what nobody looks at.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name the field uses

from npu_models.detections import Batch, Detections, Size, Target
from npu_models.optimise import optimise
from npu_models.resize import Library, Resizer, keep_ratio, resize_as, shortest_edge
from npu_models.training.encoded import Encoded, Encoder
from npu_models.training.sync_norm import synchronise

DIVISOR = 32  # padded sizes are multiples of the coarsest stride of the backbone, in all three originals


@dataclass(frozen=True)
class Preprocessing:
    """How a checkpoint wants its pictures.

    ``mean`` and ``std`` in the channel order of the network, which is RGB if ``rgb`` and else BGR; ``library`` whose
    bilinear resizing it was trained with; ``short_side`` and ``long_side`` the bounds of the resized picture.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    rgb: bool
    library: Library
    short_side: int = 800
    long_side: int = 1333

    def size_of(self, size: Size) -> Size:
        """Height and width of an image → those at which the network is used, without padding."""
        rule = shortest_edge if self.library == "pillow" else keep_ratio
        return rule(size, self.short_side, self.long_side)

    def resized(self, image: Tensor, resizer: Resizer = resize_as) -> Tensor:
        """(H, W, 3) uint8 → the same at the size the network is used at."""
        return resizer(image, self.size_of((int(image.shape[0]), int(image.shape[1]))), self.library)

    def normalised(self, image: Tensor, like: Tensor) -> Tensor:
        """(H, W, 3) uint8 BGR → (3, H, W), with the device and, from float32 up, the type of ``like``."""
        image = image.flip(-1) if self.rgb else image
        dtype = torch.promote_types(like.dtype, torch.float32)
        pixels = image.to(like.device).permute(2, 0, 1).to(dtype)
        mean, std = (torch.tensor(v, dtype=dtype, device=like.device).view(3, 1, 1) for v in (self.mean, self.std))
        return (pixels - mean) / std


def make_batch(
    images: Sequence[Tensor],
    preprocessing: Preprocessing,
    like: Tensor,
    resize: bool = True,
    resizer: Resizer = resize_as,
) -> Batch:
    """(H, W, 3) uint8 BGR images of any sizes → one padded batch with the device and the type of ``like``.

    ``resizer`` may be another way to the same bits: this package's own needs no library, and takes its time.

    Raises ValueError for anything that is not such an image.
    """
    if not images:
        raise ValueError("preprocess needs at least one image")
    for image in images:
        if image.dtype != torch.uint8 or image.dim() != 3 or image.shape[-1] != 3 or 0 in image.shape:
            raise ValueError(f"an image must be (H, W, 3) uint8 in BGR order, not {tuple(image.shape)} {image.dtype}")
    ready = [preprocessing.resized(image, resizer) if resize else image for image in images]
    sizes = tuple((int(image.shape[0]), int(image.shape[1])) for image in ready)
    height, width = (-(-max(side) // DIVISOR) * DIVISOR for side in zip(*sizes, strict=True))
    padded = [
        F.pad(preprocessing.normalised(image, like), (0, width - size[1], 0, height - size[0]))
        for image, size in zip(ready, sizes, strict=True)
    ]
    originals = tuple((int(image.shape[0]), int(image.shape[1])) for image in images)
    return Batch(torch.stack(padded).to(like.dtype), sizes, originals)


class Network(nn.Module, ABC):
    """A detector with the interface of this package."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.optimised = False

    def preprocess(self, images: Sequence[Tensor], resize: bool = True) -> Batch:
        """(H, W, 3) uint8 BGR images of any sizes → one padded batch on the device of the weights.

        With ``resize`` False the pictures keep their size and are only normalised and padded. Raises ValueError for
        anything that is not such an image.
        """
        return make_batch(images, self.preprocessing, next(self.parameters()), resize)

    def forward(self, batch: Batch | Tensor) -> dict[str, Tensor]:
        """The same as `raw_outputs`, so that hooks and tracers see it."""
        return self.raw_outputs(batch)

    def detect(self, images: Sequence[Tensor], resize: bool = True) -> list[Detections]:
        """Pictures in, detections out, without gradients."""
        with torch.inference_mode():
            batch = self.preprocess(images, resize)
            return self.postprocess(self.raw_outputs(batch), batch.image_sizes, batch.output_sizes)

    def optimise(self) -> Self:
        """Fold the norms and rearrange the weights for inference, in place.

        Load the checkpoint first: afterwards the names are the originals' no more. Outputs agree with the plain
        network's to 1e-5 of their largest value.
        """
        if not self.optimised:
            self.eval()
            optimise(self)
            self.optimised = True
        return self

    def norms_over_ranks(self) -> tuple[str, ...]:
        """The names of the batch norms that the original computes over all ranks in training; most have none."""
        return ()

    def synchronise_norms(self) -> Self:
        """Let those norms be computed over all ranks, in place.

        To be called on the device of the training, before the network is wrapped for it. Parameters and buffers keep
        their names; without a process group nothing else changes either.
        """
        synchronise(self, self.norms_over_ranks())
        return self

    @abstractmethod
    def raw_outputs(self, batch: Batch | Tensor) -> dict[str, Tensor]:
        """The network: a batch or a normalised (N, 3, H, W) tensor → named dense tensors."""

    @abstractmethod
    def postprocess(
        self, raw: dict[str, Tensor], image_sizes: Sequence[Size], output_sizes: Sequence[Size]
    ) -> list[Detections]:
        """Raw outputs, made here or elsewhere → the detections of each image, in pixels of its output size."""

    @abstractmethod
    def encoder(self) -> Encoder:
        """A function from targets to what `losses` compares with; it holds no weights and may go to another process."""

    @abstractmethod
    def losses(
        self,
        batch: Batch | Tensor,
        targets: Sequence[Target | Mapping[str, Any]] | Encoded,
        normalisers: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The original's training losses, by their original names; their plain sum is what training minimises.

        One target an image, a `Target` or a dictionary with its fields, or all of them as `encoder` made them. Works
        in training and in evaluation mode. ``normalisers`` are what the losses are divided by where that is not this
        batch's own: `Encoded.normalisers` averaged over the parts of a global batch. Without them they are averaged
        here, over the ranks of the process group if there is one, and then every rank has to come here.

        Raises:
            ValueError: a target lacks what the losses need, or was encoded for another family of networks.
        """
