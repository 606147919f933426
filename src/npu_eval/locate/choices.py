"""Operators that choose or order elements, compared as sets: ties may come in another order on another device."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch

from npu_eval.locate.measure import relative_error
from npu_eval.notation.phrases import NOTHING, Phrase, said

SAMPLE = 1 << 20
"""Rows of indices compared as sets at most; beyond, in order."""


def judge_choice(
    name: str, args: tuple[Any, ...], references: list[torch.Tensor], candidates: list[torch.Tensor]
) -> tuple[float, Phrase]:
    """The error of a choice and what it looks like.

    Values that were chosen (top-k, sort, median …) are compared as numbers, with the indices checked to lead to them;
    indices alone (arg-max, nonzero, NMS) as sets, where the error is the share chosen by one side only.
    """
    if name in ("aten::argmax", "aten::argmin", "aten::argsort"):
        return _through_indices(args, references[0], candidates[0])
    if references[0].dtype.is_floating_point and len(references) == 2:
        return _values(args, references, candidates)
    return _sets(references[0], candidates[0])


def _values(
    args: tuple[Any, ...], references: list[torch.Tensor], candidates: list[torch.Tensor]
) -> tuple[float, Phrase]:
    error = relative_error(references[0], candidates[0])
    if references[1].shape != candidates[1].shape:
        return error, said("chooses", ours=candidates[1].numel(), theirs=references[1].numel())
    differ = int((references[1] != candidates[1]).sum())
    if not differ:
        return error, NOTHING
    dim = _dimension(args, references[1])
    led = args[0].gather(dim, candidates[1].long()) if args[0].dim() and args[0].dim() == candidates[1].dim() else None
    if led is not None:
        error = max(error, relative_error(references[0], led))
    return error, said("indices-differ", wrong=differ, length=references[1].numel())


def _dimension(args: tuple[Any, ...], indices: torch.Tensor) -> int:
    """The dimension that a choice runs along: the one whose size changed, else the last whole number among the args."""
    sizes = [i for i, (a, b) in enumerate(zip(args[0].shape, indices.shape, strict=False)) if a != b]
    if sizes:
        return sizes[0]
    given = [
        a for a in args[1:] if isinstance(a, int) and not isinstance(a, bool) and -args[0].dim() <= a < args[0].dim()
    ]
    return given[-1] if given else -1


def _through_indices(args: tuple[Any, ...], reference: torch.Tensor, candidate: torch.Tensor) -> tuple[float, Phrase]:
    """Compare what the indices lead to, so that either of two equal values will do."""
    if reference.shape != candidate.shape:
        return 1.0, said("other-shape", ours=tuple(candidate.shape), theirs=tuple(reference.shape))
    differ = int((reference != candidate).sum())
    if not differ:
        return 0.0, NOTHING
    source = args[0]
    if len(args) < 2 or args[1] is None:
        led = [source.reshape(-1)[index.long()] for index in (reference, candidate)]
    else:
        dim = args[1] if isinstance(args[1], int) and not isinstance(args[1], bool) else -1
        keep = reference.dim() == source.dim()
        led = [source.gather(dim, i.long() if keep else i.long().unsqueeze(dim)) for i in (reference, candidate)]
    words = said("indices-differ", wrong=differ, length=reference.numel())
    return relative_error(led[0].float(), led[1].float()), words


def _sets(reference: torch.Tensor, candidate: torch.Tensor) -> tuple[float, Phrase]:
    if max(reference.shape[:1].numel(), candidate.shape[:1].numel()) > SAMPLE and reference.shape == candidate.shape:
        differ = int((reference != candidate).sum())
        words = said("places-differ", wrong=differ, length=reference.numel()) if differ else NOTHING
        return differ / reference.numel(), words
    ours, theirs = _rows(reference), _rows(candidate)
    only_reference, only_candidate = sum((ours - theirs).values()), sum((theirs - ours).values())
    total = sum((ours | theirs).values())
    if not only_reference and not only_candidate:
        return 0.0, NOTHING
    words = said("chosen-by-one", reference=only_reference, candidate=only_candidate)
    return (only_reference + only_candidate) / total, words


def _rows(tensor: torch.Tensor) -> Counter[Any]:
    rows = tensor.reshape(tensor.shape[0], -1).tolist() if tensor.dim() else [[tensor.item()]]
    return Counter(tuple(row) for row in rows)
