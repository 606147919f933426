"""Which of a detector's answers count as its detections, by name. Standard library only.

An average precision means nothing without it: the list's length and the score at which it ends move AP by points.
"""

from __future__ import annotations

from dataclasses import dataclass

from npu_eval.errors import ConfigError, RecordError, nearest


@dataclass(frozen=True, kw_only=True)
class DetectionProtocol:
    """What of the scored answers of an image is kept: those of ``score_floor`` and above, then the best ``per_class``
    of each class, then the best ``per_image`` of all; None where there is no such limit."""

    name: str
    score_floor: float
    per_class: int | None
    per_image: int | None


PROTOCOLS = {
    one.name: one
    for one in (
        # sam3/eval/coco_writer.py with maxdets=100, behind PostProcessImage(detection_threshold=-1)
        DetectionProtocol(name="coco", score_floor=0.0, per_class=None, per_image=100),
        DetectionProtocol(name="seed", score_floor=0.01, per_class=None, per_image=None),
        # pycocotools' own limit (Params.maxDets) is per image and category
        DetectionProtocol(name="per-class", score_floor=0.0, per_class=100, per_image=None),
    )
}
"""By name: the 100 best of an image, as SAM 3's authors evaluate; every answer from 0.01 on, as scripts around its
`post_process_instance_segmentation` do; the 100 best of an image and class."""

DEFAULT_PROTOCOL = "coco"


def protocol_named(name: str) -> DetectionProtocol:
    """The protocol of a name.

    Raises:
        ConfigError: there is none.
    """
    if name not in PROTOCOLS:
        raise ConfigError(f"'{name}' is no protocol of detection", where="protocol", fix=nearest(name, PROTOCOLS))
    return PROTOCOLS[name]


def check_protocol(found: DetectionProtocol, where: str) -> None:
    """Refuse a stored protocol that is not what its name says here, or that keeps nothing.

    Raises:
        RecordError: it is none.
    """
    limits = [limit for limit in (found.per_class, found.per_image) if limit is not None]
    if not 0.0 <= found.score_floor <= 1.0 or any(limit < 1 for limit in limits):
        raise RecordError("a protocol of detection keeps nothing", where=where)
    if PROTOCOLS.get(found.name, found) != found:
        raise RecordError(f"'{found.name}' is another protocol of detection", where=where)
