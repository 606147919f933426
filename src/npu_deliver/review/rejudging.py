"""Judge finished records again under other criteria: no new run, nothing in the folder is changed.

Criteria that are chosen when the numbers are known prove less than those that were fixed before, and whoever reads the
result must see that. So it is never written into a deliverable, and every form of it says when the rules were chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from npu_deliver.errors import ConfigError, RecordError
from npu_deliver.experiments.registry import KINDS, OPTIONAL, asked, read_record
from npu_deliver.release import versions
from npu_deliver.review import bounds, verify
from npu_deliver.review.otherwise import Changed, said
from npu_deliver.seal import manifest
from npu_eval.asked.criteria import NO_FALLBACK, Criterion
from npu_eval.asked.profiles import criteria_of, profile_of
from npu_eval.asked.spec import SpecFile, read_spec_file
from npu_eval.experiments.dataset.data import DatasetData
from npu_eval.experiments.precision.data import PrecisionData
from npu_eval.jsonio import canonical_sha256
from npu_eval.records.record import Record
from npu_eval.records.stamps import stamps_of
from npu_eval.records.verdict import Status, Verdict, judge_all, overall

AFTER = "after the fact: these criteria were chosen when the numbers were known; the folder is not changed"
BEFORE = "these are the criteria that were fixed before the run"


@dataclass(frozen=True, kw_only=True)
class Rejudgement:
    """What a profile says of finished records. ``after_the_fact`` unless the profile's rules are the spec's own.

    ``fixed_profile`` is the profile that was fixed before the run, None where the rules were the author's own or are
    not known; ``contradictions`` counts what `verify` finds in the folder (None: records alone cannot be verified).
    ``other_version`` says which version made the folder where it is another than this one, whose rules judge here;
    ``changed`` are the verdicts that this one derives otherwise under the folder's own criteria.
    """

    folder: str
    profile: str
    criteria_sha256: str
    fixed_profile: str | None
    after_the_fact: bool
    contradictions: int | None
    stamps: tuple[str, ...]
    overall: Status
    verdicts: tuple[Verdict, ...]
    other_version: str | None = None
    changed: tuple[Changed, ...] = ()

    @property
    def label(self) -> str:
        """When the criteria were chosen, in words."""
        return AFTER if self.after_the_fact else BEFORE


def rejudge(folder: Path, profile: str) -> Rejudgement:
    """The verdicts of a profile on a deliverable's folder, or on a folder of records alone.

    Raises:
        ConfigError: there is no such folder or profile.
        VerifyError: there are links or pipes in the deliverable.
        RecordError: there is no record in it, one cannot be read, or they were made under different specs.
    """
    if not folder.is_dir():
        raise ConfigError("there is no such folder", where=str(folder), fix="name a deliverable or a folder of records")
    bounds.require(folder)
    whole = (folder / "spec.json").is_file()
    if whole or (folder / "spec.json").exists():
        manifest.require_plain(folder)
    with versions.reading(folder):
        spec_file = read_spec_file(folder / "spec.json") if whole else None
        records = _records(folder, spec_file)
    spec = spec_file.evaluation if spec_file else None
    task = spec.task if spec else _task(records)
    training = "training" in records if spec is None else spec.training is not None
    rules = criteria_of(profile, task, training=training)
    if any(record.provenance.device.kind == "npu" for record in records.values()):
        rules = (*rules, NO_FALLBACK)
    verdicts = judge_all(records, rules)
    report = verify.verify(folder) if whole else None
    other = report.other if report is not None and not report.other.told.ours else None
    return Rejudgement(
        folder=str(folder),
        profile=profile,
        criteria_sha256=canonical_sha256(rules),
        fixed_profile=profile_of(spec.criteria, task, training=training) if spec else None,
        after_the_fact=spec is None or not _fixed(rules, spec.criteria),
        contradictions=len(report.findings) if report else None,
        stamps=tuple(map(str, stamps_of(record.provenance for record in records.values()))),
        overall=overall(verdicts),
        verdicts=verdicts,
        other_version=said(other.told) if other else None,
        changed=other.verdicts if other else (),
    )


def _fixed(rules: tuple[Criterion, ...], before: tuple[Criterion, ...]) -> bool:
    return set(rules) <= set(before)


def _records(folder: Path, spec_file: SpecFile | None) -> dict[str, Record]:
    """The records of a folder by their kind; files that are no records of an experiment's name are left alone."""
    kinds = (*asked(spec_file.evaluation), *OPTIONAL) if spec_file else tuple(KINDS)
    wanted = spec_file.evaluation.sha256 if spec_file else None
    paths = {kind: folder / (spec_file.layout.record(kind) if spec_file else f"{kind}.json") for kind in kinds}
    records = {kind: read_record(path, spec_sha256=wanted) for kind, path in paths.items() if path.is_file()}
    if not records:
        raise RecordError("holds no record", where=str(folder), fix="name a deliverable or a folder of its records")
    first = next(iter(records.values()))
    for kind, record in records.items():
        if record.spec_sha256 != first.spec_sha256:
            raise RecordError(
                "was made under another spec than the others", where=f"{kind}.json", fix="judge the records of one run"
            )
    return records


def _task(records: Mapping[str, Record]) -> str:
    """The task of a model by what its records hold, where no spec says it."""
    for record in records.values():
        data = record.data
        if isinstance(data, PrecisionData) and data.detections:
            masks = any(pair.mask_iou is not None for c in data.detections for pair in c.pairs)
            return "instance-segmentation" if masks else "detection"
        classes = isinstance(data, PrecisionData) and data.rankings
        if classes or (isinstance(data, DatasetData) and data.classification is not None):
            return "classification"
    return "features"
