"""Number formats that devices round operands to, imitated in float32 on the CPU.

A float32 convolution or product on an accelerator may take its operands in a shorter format and still add up in
float32; that is what is imitated. Sources of the widths: CANN's documentation of HF32 (11 explicit mantissa bits),
NVIDIA's of TF32 (10, as many as IEEE half precision), and bfloat16 (7).
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from npu_eval.agreement.levels import FORMATS

MANTISSA_BITS = dict(zip(FORMATS, (11, 10, 7), strict=True))
"""Format → explicit mantissa bits. TF32 and half precision differ in range only, so they share a name."""

UNIT_ROUNDOFF = {"fp32": 2.0**-24, **{name: 2.0 ** -(bits + 1) for name, bits in MANTISSA_BITS.items()}}
"""The largest relative error of one rounding."""

HALF_TYPES = {torch.bfloat16: "bf16", torch.float16: "tf32-or-fp16"}

CHUNK = 1 << 18
"""Elements rounded at once: 1 MiB of float32."""

Rounding = Callable[[torch.Tensor], torch.Tensor]


def rounded(values: torch.Tensor, bits: int) -> torch.Tensor:
    """A float32 copy with ``bits`` explicit mantissa bits, to nearest and ties to even; infinities and NaN stay."""
    return _with_bits(values, bits, nearest=True)


def truncated(values: torch.Tensor, bits: int) -> torch.Tensor:
    """The same towards zero, as hardware does that drops the low bits."""
    return _with_bits(values, bits, nearest=False)


def through_half(values: torch.Tensor) -> torch.Tensor:
    """A float32 copy that went through IEEE half precision: its short range overflows and underflows."""
    return values.to(torch.float16).to(torch.float32)


def _with_bits(values: torch.Tensor, bits: int, *, nearest: bool) -> torch.Tensor:
    result = values.detach().to(torch.float32, copy=True)
    if not _is_dense(result):
        result = result.contiguous()
    words = result.as_strided((result.numel(),), (1,), result.storage_offset()).view(torch.int32)
    drop = 23 - bits
    for piece in words.split(CHUNK):
        special = (piece & 0x7F800000) == 0x7F800000
        kept = piece[special]
        if nearest:
            piece.add_(((piece >> drop) & 1) + ((1 << (drop - 1)) - 1))
        piece.bitwise_and_(-(1 << drop))
        piece[special] = kept
    return result


def _is_dense(values: torch.Tensor) -> bool:
    """Whether the elements fill one stretch of memory without gaps or overlaps, in whatever order."""
    expected = 1
    for stride, size in sorted(zip(values.stride(), values.shape, strict=True)):
        if size > 1:
            if stride != expected:
                return False
            expected *= size
    return True
