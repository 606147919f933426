"""What the losses compare a network's outputs with: made from targets alone, so before and apart from the network.

Assigning points and cells, drawing polygons and resizing masks take hundreds of milliseconds an image on one core. A
training makes them in its loader's worker processes, for a whole batch at once, because the places of the outputs
depend on the padded size: the loader's ``collate_fn`` calls the network's `encoder()` and hands the result to `losses`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, Self, TypeVar

import torch
from torch import Tensor

from npu_models.detections import Size, Target, as_targets
from npu_models.precise import precise_type


@dataclass(frozen=True)
class Encoded:
    """What the losses of one batch are computed against; the families' own ones hold tensors, and such classes."""

    @property
    def normalisers(self) -> Tensor:
        """(k,) what the losses of this batch alone are divided by, all of which depends on targets only.

        A training whose global batch is spread over ranks and accumulated steps averages these and hands the mean to
        `losses`: its gradient is then that of one large batch. Empty where the original divides by each rank's own.
        """
        return torch.zeros(0)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Self:
        """The same with every tensor on ``device``."""
        moved: Self = _each(self, lambda tensor: tensor.to(device, non_blocking=non_blocking))
        return moved

    def pin_memory(self) -> Self:
        """The same in page-locked memory; torch's DataLoader calls it by this name."""
        pinned: Self = _each(self, Tensor.pin_memory)
        return pinned


class Encoder(Protocol):
    """A function that can be sent to another process; raises ValueError for targets that lack what is needed."""

    def __call__(
        self, targets: Sequence[Target | Mapping[str, Any]], size: Size, dtype: torch.dtype = torch.float32
    ) -> Encoded:
        """Encode one target an image of a batch whose padded images have ``size``, in floats of ``dtype``."""


E = TypeVar("E", bound=Encoded)


def encoded_for(
    images: Tensor, targets: Sequence[Target | Mapping[str, Any]] | Encoded, encoder: Encoder, kind: type[E]
) -> E:
    """Targets, encoded here unless they already are, on the device of the (N, 3, H, W) ``images``.

    Raises:
        ValueError: they were encoded for another family of networks, or lack what this one needs.
    """
    if not isinstance(targets, Encoded):
        size = (int(images.shape[-2]), int(images.shape[-1]))
        targets = encoder(as_targets(targets), size, precise_type(images))
    if not isinstance(targets, kind):
        raise ValueError(f"the targets are {type(targets).__name__}, of another network's encoder, not {kind.__name__}")
    return targets.to(images.device)


def _each(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """``value`` with ``change`` done to every tensor in it."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Encoded):
        return replace(value, **{field.name: _each(getattr(value, field.name), change) for field in fields(value)})
    if isinstance(value, tuple):
        return tuple(_each(part, change) for part in value)
    return value
