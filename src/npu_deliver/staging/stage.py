"""Lay out a deliverable's folder: the code that will run, what it runs on, and what is asked of it.

The folder is complete before anything runs in it: what runs is what ships. Staging twice gives the same bytes.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from npu_deliver import log
from npu_deliver.environment import requirements
from npu_deliver.environment.image import Image
from npu_deliver.errors import ConfigError, SpecError
from npu_deliver.plan import INPUTS, RESULTS, scripts_left_out
from npu_deliver.release import versions
from npu_deliver.release.travelling import code
from npu_deliver.seal import manifest
from npu_deliver.spec.labels import read_labels, words_of
from npu_deliver.spec.libraries import portable
from npu_deliver.spec.spec import Job, Spec
from npu_deliver.staging.samples import sample_photos
from npu_eval.asked.architectures import MODEL_FOLDER
from npu_eval.asked.layout import Layout
from npu_eval.asked.spec import SCHEMA, Classes, EvalSpec, InputFile, ModelFacts, Side, SpecFile, WeightsSpec, check
from npu_eval.experiments.dataset.coco_folder import listing, refuse_several
from npu_eval.jsonio import TEMPORARY_PREFIX, dumps, file_sha256, write_atomic
from npu_eval.models.photo_files import file_names, find_photos
from npu_eval.process.visible import visible
from npu_eval.records.codehash import CACHE, code_sha256
from npu_eval.weights.fetch import FetchedWeights, parse

MAX_INPUTS = 64
MAX_INPUT_BYTES = 64 * 2**20
"""Inputs travel in the deliverable; more than a mail attachment's worth belongs into a data set evaluation."""


@dataclass(frozen=True, kw_only=True)
class Staged:
    """A folder that is ready to run. ``weights_sha256`` is None where no file was fetched beforehand.

    ``logs_ours`` is false for the code of another version, which writes its logs as it does.
    """

    folder: Path
    spec: SpecFile
    code_sha256: str
    weights_sha256: str | None
    logs_ours: bool = True


def stage(job: Job, image: Image, weights: FetchedWeights | None) -> Staged:
    """Lay out the working folder of a job. Finished records in it stay; files of an earlier layout go.

    Args:
        weights: the file that the spec's reference led to; None for random weights and for the adapter's default,
            which only the model library knows.

    Raises:
        SpecError: an input is missing or no photo, there are too many, or the adapter does not exist.
        ConfigError: the output folder holds something that is not this model's deliverable, or cannot be written.
    """
    refuse_foreign(job.output, job.spec.name)
    _check_data(job)
    folder = job.work / job.spec.profile
    if not _holds(folder, job.spec.name):
        shutil.rmtree(folder, ignore_errors=True)
    files: dict[str, Path | str] = dict(_verbatim(job))
    inputs = _inputs(job)
    files |= {f"{INPUTS}/{name}": path for name, path in inputs.items()}
    files["requirements.txt"] = requirements.pinned(job.spec, image)
    spec = _spec_file(job, inputs, weights, image)
    files["spec.json"] = dumps(spec)
    _lay_out(folder, files, job.spec.layout)
    return Staged(
        folder=folder,
        spec=spec,
        code_sha256=code_sha256(folder),
        weights_sha256=weights.sha256 if weights else None,
    )


def lay_out_code(job: Job, folder: Path) -> None:
    """Lay out the code alone, without inputs and spec.

    Raises:
        SpecError: the adapter does not exist.
    """
    _lay_out(folder, dict(_verbatim(job)), job.spec.layout)


def _check_data(job: Job) -> None:
    """What the evaluation on a data set will read is there, told before anything runs."""
    if (data := job.spec.dataset) is None:
        return
    if not Path(data.path).is_dir():
        raise SpecError(
            "there is no such folder", where=data.path, fix="name the data set's folder with DATA=… (--data)"
        )
    if data.annotations is None:
        refuse_several(Path(data.path))
    elif not (Path(data.path) / data.annotations).is_file():
        raise SpecError(
            f"has no annotation file {data.annotations}",
            where=data.path,
            fix=f"found {listing(Path(data.path))}; the name starts in the data set's folder",
        )
    if data.against is not None and not Path(data.against).is_file():
        raise SpecError("there are no such results", where=data.against, fix="name the dataset.jsonl of another run")


def refuse_foreign(output: Path, name: str) -> None:
    """Refuse a folder that holds another model's files, or files that this tool did not write.

    Raises:
        ConfigError: naming one such file.
    """
    if not output.exists():
        return
    if not output.is_dir():
        raise ConfigError("is a file", where=str(output), fix="name another folder with --output")
    if not any(output.iterdir()):
        return
    if special := manifest.not_plain(output):
        name_there, what = special[0]
        raise ConfigError(f"holds '{visible(name_there)}', which {what}", where=str(output), fix="move it away first")
    if not _holds(output, name):
        owner = _owner(output)
        what = f"holds the deliverable of '{owner}'" if owner else "holds files that are no deliverable"
        raise ConfigError(
            f"{what}, not of '{name}'", where=str(output), fix="name another folder with --output, or move it away"
        )
    foreign = manifest.foreign_files(output)
    if foreign:
        raise ConfigError(
            f"holds '{visible(foreign[0])}', which is not in its manifest", where=str(output), fix="move it away first"
        )


def _owner(folder: Path) -> str | None:
    """The model whose deliverable a folder holds, by its spec.json; None when it holds none."""
    try:
        name = json.loads((folder / "spec.json").read_text(encoding="utf-8"))["evaluation"]["name"]
    except (OSError, ValueError, KeyError, TypeError):  # absent or not ours
        return None
    return str(name)


def _holds(folder: Path, name: str) -> bool:
    return _owner(folder) == name


def _verbatim(job: Job) -> Iterator[tuple[str, Path]]:
    """Relative path → file for everything that is copied byte for byte."""
    own = None if ":" in job.spec.adapter else job.folder / job.spec.adapter
    if own is not None and not own.is_file():
        raise SpecError(
            f"the adapter '{job.spec.adapter}' does not exist", where=str(job.folder), fix="correct 'adapter'"
        )
    yield from code(job.spec.adapter, own, job.spec.layout, without=scripts_left_out(job.spec)).items()
    yield from ((f"{MODEL_FOLDER}/{name}", path) for name, path in job.files.items())
    if own is not None:
        yield own.name, own


def _inputs(job: Job) -> dict[str, Path]:
    """File name → photo; names that a system, a page or a terminal could stumble over are replaced, and said so."""
    if job.spec.inputs is None:
        photos = list(sample_photos())
    else:
        photos = [photo for entry in job.spec.inputs for photo in _photos(job.folder / entry, entry)]
    twins = [name for name, count in Counter(photo.name for photo in photos).items() if count > 1]
    if twins:
        raise SpecError(f"two inputs are called '{visible(twins[0])}'", where="inputs", fix="rename one")
    taken = file_names(photo.name for photo in photos)
    names = {taken[photo.name]: photo for photo in photos}
    for given, name in taken.items():
        if given != name:
            log.get().info("the photo '%s' is laid out as '%s'", visible(given), name)
    size = sum(photo.stat().st_size for photo in photos)
    if len(photos) > MAX_INPUTS or size > MAX_INPUT_BYTES:
        raise SpecError(
            f"{len(photos)} photos of {size / 2**20:.0f} MiB are too much to travel in a deliverable",
            where="inputs",
            fix=f"choose at most {MAX_INPUTS} photos and {MAX_INPUT_BYTES // 2**20} MiB",
        )
    for photo in photos:
        _check_photo(photo)
    return names


def _photos(path: Path, given: str) -> tuple[Path, ...]:
    found = find_photos(path, shown=given)
    if found.note:
        log.get().info("%s: %s", given, found.note)
    return found.photos


def _check_photo(photo: Path) -> None:
    """Decode a photo once: a corrupt one is told before anything runs, not after minutes."""
    from PIL import Image as Pillow

    try:
        with Pillow.open(photo) as image:
            image.load()
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError) as error:
        raise SpecError(f"not a readable image ({error})", where=visible(str(photo)), fix="replace the file") from error


def _spec_file(job: Job, inputs: dict[str, Path], weights: FetchedWeights | None, image: Image) -> SpecFile:
    spec, evaluation = job.spec, job.spec.evaluation
    return SpecFile(
        schema=SCHEMA,
        profile=spec.profile,
        model=ModelFacts(**spec.model.model_dump()),
        requirements=tuple(spec.requirements),
        image=image.facts,
        serve=spec.serve,
        measured_with=versions.current(),
        evaluation=check(
            EvalSpec(
                name=spec.name,
                adapter=portable(spec.adapter) if ":" in spec.adapter else Path(spec.adapter).name,
                task=spec.task,
                weights=portable_weights(spec.weights_spec(), weights),
                inputs=tuple(InputFile(path=f"{INPUTS}/{n}", sha256=file_sha256(p)) for n, p in inputs.items()),
                reference=Side(device=evaluation.reference.device, dtype=evaluation.reference.dtype),
                candidate=Side(device=evaluation.device, dtype=evaluation.dtype),
                seed=evaluation.seed,
                repeats=evaluation.repeats,
                timing=spec.timing(),
                criteria=spec.criteria(),
                training=spec.training(),
                numeric_modes=dict(evaluation.numeric_modes),
                classes=_classes(spec),
            ),
            spec.name,
        ),
    )


def _classes(spec: Spec) -> Classes | None:
    """The classes that the spec gives a model by name, or the words that it gives one that is asked."""
    if spec.words is not None:
        words = words_of(spec.words)
        return Classes(count=len(words), names=words)
    if spec.num_classes is None and spec.labels is None:
        return None
    names = () if spec.labels is None else read_labels(Path(spec.labels))
    return Classes(count=len(names) if spec.num_classes is None else spec.num_classes, names=names)


def portable_weights(wanted: WeightsSpec, found: FetchedWeights | None) -> WeightsSpec:
    """The weights as the deliverable names them: a local file by its name and hash, never by a path of this machine,
    and an address without its query, which can hold a signature.
    """
    if found is None:
        return wanted
    if parse(wanted.source).scheme == "file":
        return replace(wanted, source=f"file:{found.path.name}", sha256=found.sha256)
    return replace(wanted, source=found.source)


def _lay_out(folder: Path, files: dict[str, Path | str], layout: Layout) -> None:
    """Write what differs and remove what an earlier layout left; what the steps made stays."""
    for name, content in files.items():
        target = folder / name
        data = content.encode("utf-8") if isinstance(content, str) else content.read_bytes()
        if not target.is_file() or target.read_bytes() != data:
            write_atomic(target, data)
        if target.suffix == ".sh":
            mode = target.stat().st_mode
            target.chmod(mode | (mode & 0o444) >> 2)  # whoever may read it may run it
    drop_others(folder, files, layout)


def drop_others(folder: Path, files: Collection[str], layout: Layout) -> None:
    """Remove what is neither laid out nor where steps leave what they make: a compiler of operators writes into the
    folder in which a script is started (`kernel_meta`, `fusion_result.json`).
    """
    made = tuple(f"{layout.at(name)}/" for name in _MADE)
    drop_caches(folder)
    for path in sorted(folder.rglob("*"), reverse=True):
        relative = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink():
            if not any(f"{relative}/".startswith(place) or place.startswith(f"{relative}/") for place in made):
                with contextlib.suppress(OSError):  # it holds something
                    path.rmdir()
        elif path.name.startswith(TEMPORARY_PREFIX) or (relative not in files and not relative.startswith(made)):
            path.unlink()


def drop_caches(folder: Path) -> None:
    """Remove what Python compiled in a working folder: it is no part of a deliverable, and nobody's work."""
    for path in list(folder.rglob(CACHE)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)


_MADE = ("evaluation/records", "evaluation/logs", RESULTS)
"""Where steps leave what they make; everything else in the folder is laid out or rendered anew."""
