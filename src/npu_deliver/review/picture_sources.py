"""Hold each picture of a folder against the hash of what it was drawn from. Standard library only: none is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from npu_deliver.experiments.registry import PARTS
from npu_deliver.review import bounds
from npu_deliver.review.otherwise import Finding
from npu_deliver.review.png_chunks import chunks
from npu_deliver.summary import Summary, summary_sha256
from npu_eval.asked.layout import SUMMARY
from npu_eval.limits import MAX_PICTURE_BYTES, read_bytes
from npu_eval.records.stamps import Stamp, stamped_name


def _picture_sources(summary: Summary) -> dict[str, tuple[str, str]]:
    """File name of a picture → (what it is drawn from, the hash of that)."""
    simulated = Stamp.SIMULATED in summary.stamps
    of_summary = (summary.layout.at(SUMMARY), summary_sha256(summary))
    sources = {}
    for e in summary.evidence:
        part = PARTS[e.experiment]
        sources[f"{e.experiment}_report"] = (e.log, e.log_sha256)
        if not (part.timed and simulated):
            source = of_summary if part.of_summary else (e.record, e.record_sha256)
            sources |= dict.fromkeys(part.pictures, source)
    return {stamped_name(f"{stem}.png", simulated=simulated): source for stem, source in sources.items()}


def check(folder: Path, summary: Summary, *, hashed: bool) -> Iterator[Finding]:
    """What is wrong with the pictures; ``hashed``: they hold the hashes of their sources as this version takes them."""
    sources = _picture_sources(summary)
    for path in sorted((folder / summary.layout.at("evaluation/screenshots")).glob("*.png")):
        name = path.relative_to(folder).as_posix()
        if path.name not in sources:
            yield Finding(file=name, what="is no picture of this deliverable: nothing here is drawn under that name")
            continue
        try:
            texts = png_texts(read_bytes(path, MAX_PICTURE_BYTES))
        except OSError as error:
            yield Finding(file=name, what=f"cannot be read ({error.strerror})")
            continue
        if texts is None:
            yield Finding(file=name, what="is no whole PNG")
        elif hashed and texts.get("Source-SHA256") != sources[path.name][1]:
            yield Finding(file=name, what=f"was not drawn from {sources[path.name][0]} as it is here")
        elif texts.get("Name") != path.name:
            yield Finding(file=name, what=f"is the picture {texts.get('Name', 'without a name')}")
    known: dict[str, str] = {}
    for result in summary.inference:
        if result.picture is not None and not bounds.holds(folder, result.picture, result.picture_sha256, known):
            yield Finding(file=result.picture, what="is not the picture that the inference record names")


def png_texts(data: bytes) -> dict[str, str] | None:
    """The tEXt chunks of a PNG (ISO/IEC 15948, 11.3.4.3); None unless they are few, and each up to IEND whole."""
    texts: dict[str, str] = {}
    try:
        for kind, content in chunks(data):
            if kind == b"tEXt":
                key, _, value = content.partition(b"\0")
                texts[key.decode("latin-1")] = value.decode("latin-1")
    except ValueError:
        return None
    return texts
