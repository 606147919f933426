"""An operator once more on the CPU, with its operands in another format: what error that format is expected to cause.

Convolutions and products are done in tiles, of their weights too, so that an emulation holds a few MiB whatever the
operator's size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  the name everybody knows it by
from torch.utils._pytree import tree_flatten, tree_map_only

from npu_eval.locate.operators import CONVOLUTIONS, OPERANDS, base_name

TILE = 1 << 19
"""Elements of input and output that a tile of a convolution or product holds, about: 4 MiB in float64."""

Index = tuple[slice, ...] | None
Convert = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Call:
    """An operator with the reference's arguments, all on the CPU."""

    func: torch._ops.OpOverload
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @property
    def name(self) -> str:
        """The operator's name without the underscore of an in-place variant."""
        return base_name(self.func)

    @property
    def contracts(self) -> bool:
        """Whether the operator multiplies and adds, so that a device may take its operands in a shorter format."""
        return self.name in OPERANDS


def emulate(call: Call, operand: Convert, other: Convert) -> Iterator[tuple[Index, list[torch.Tensor]]]:
    """The operator's outputs with ``operand`` applied to its operands and ``other`` to its other tensors.

    Yields parts of the first output with their place, or all outputs at once with None for the place. Arguments that
    the operator writes to are copied first.
    """
    positions = OPERANDS.get(call.name, ())
    tiled = _tiled(call)
    last: dict[int, tuple[Any, Any]] = {}

    def converted(i: int, value: Any) -> Any:
        return tree_map_only(torch.Tensor, operand if i in positions or not positions else other, value)

    def tile(i: int, value: Any) -> Any:
        """The same, once for as long as the parts share it: tiles of weights outlast those of inputs."""
        if i not in last or last[i][0] is not value:
            last.pop(i, None)  # before the next is made
            last[i] = (value, converted(i, value))
        return last[i][1]

    args = tuple(value if i in tiled else converted(i, value) for i, value in enumerate(call.args))
    kwargs = tree_map_only(torch.Tensor, other if positions else operand, call.kwargs)
    for place, part in _parts(Call(call.func, args, kwargs)) if tiled else [(None, Call(call.func, args, kwargs))]:
        given = tuple(tile(i, value) if i in tiled else value for i, value in enumerate(part.args))
        own_args, own_kwargs = _own(call, given, part.kwargs)
        result = call.func(*own_args, **own_kwargs)
        yield place, [t for t in tree_flatten(result)[0] if isinstance(t, torch.Tensor)]


def _tiled(call: Call) -> tuple[int, ...]:
    """The positions of the arguments that are taken a tile at a time; the others are converted once."""
    if call.func._schema.is_mutable:  # noqa: SLF001  it writes to an argument as a whole
        return ()
    if call.name in CONVOLUTIONS and call.args[0].dim() == 4 and not call.args[6]:
        return (0, 1, 2)
    if call.name == "aten::addmm" and not (call.args[0].dim() == 2 and call.args[0].shape[0] > 1):
        return (0, 1, 2)
    return (0, 1) if call.name in ("aten::mm", "aten::bmm") else ()


def _own(call: Call, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """Copies of the tensors that were not converted, when the operator may write to them."""
    if not call.func._schema.is_mutable and "batch_norm" not in call.name:  # noqa: SLF001
        return args, kwargs
    given = {id(t) for t in tree_flatten((call.args, call.kwargs))[0] if isinstance(t, torch.Tensor)}
    copied: tuple[Any, Any] = tree_map_only(torch.Tensor, lambda t: t.clone() if id(t) in given else t, (args, kwargs))
    return copied


def _parts(call: Call) -> Iterator[tuple[Index, Call]]:
    return _convolution_rows(call) if call.name in CONVOLUTIONS else _product_rows(call)


def _blocks(count: int, each: int) -> list[slice]:
    """A number of things of some elements each, in blocks of a tile; all of them at once where they fit."""
    step = max(1, min(count, TILE // max(1, each)))
    return [slice(start, min(count, start + step)) for start in range(0, count, step)]


def _convolution_rows(call: Call) -> Iterator[tuple[Index, Call]]:
    """A 2-D convolution some output channels at a time, image by image, some rows of the output at a time."""
    x, weight, bias, stride, padding, dilation, _, output_padding, groups = call.args[:9]
    steps, spread = _pair(stride), _pair(dilation)
    top, side = _pair(padding)
    reach = spread[0] * (weight.shape[2] - 1) + 1
    height, width = x.shape[2], x.shape[3]
    rows = (height + 2 * top - reach) // steps[0] + 1
    columns = (width + 2 * side - spread[1] * (weight.shape[3] - 1) - 1) // steps[1] + 1
    channels = _blocks(weight.shape[0], weight[0].numel()) if groups == 1 else [slice(0, weight.shape[0])]
    for block in channels:
        kernels = weight[block]
        offsets = None if bias is None else bias[block]
        # in float64 the CPU unfolds its input: each output row reads k x k times its width of every channel
        read = max(columns * kernels[0].numel() * groups, steps[0] * width * x.shape[1])
        per_row = columns * kernels.shape[0] + read
        for image in range(x.shape[0]):
            for lines in _blocks(rows, per_row):
                first, last = lines.start * steps[0] - top, (lines.stop - 1) * steps[0] - top + reach
                part = x[image : image + 1, :, max(0, first) : min(height, last)]
                part = F.pad(part, (0, 0, max(0, -first), max(0, last - height)))
                args = (part, kernels, offsets, stride, [0, side], dilation, False, output_padding, groups)
                yield (slice(image, image + 1), block, lines), Call(call.func, args, call.kwargs)


def _product_rows(call: Call) -> Iterator[tuple[Index, Call]]:
    """A product some columns of the right factor and some rows of the left at a time, or some matrices of a batch."""
    args = list(call.args)
    at = 1 if call.name == "aten::addmm" else 0
    left, right = args[at], args[at + 1]
    if left.dim() == 3:
        for some in _blocks(left.shape[0], left[0].numel() + right[0].numel() + left.shape[1] * right.shape[2]):
            yield (some,), Call(call.func, (left[some], right[some], *args[2:]), call.kwargs)
        return
    for columns in _blocks(right.shape[1], right.shape[0]):
        factor = right[:, columns]
        added = [args[0][..., columns] if args[0].dim() and args[0].shape[-1] > 1 else args[0]] if at else []
        for rows in _blocks(left.shape[0], left.shape[1] + factor.shape[1]):
            part = (*added, left[rows], factor, *args[at + 2 :])
            yield (rows, columns), Call(call.func, part, call.kwargs)


def _pair(value: Any) -> tuple[int, int]:
    values = list(value)
    return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])
