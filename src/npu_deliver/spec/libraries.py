"""Models by reference: which libraries there are, what their models are for, and the files that describe one.

A model of transformers is described by a configuration, which belongs to it as its code belongs to another: it is taken
from the hub or from a folder when the spec is read, and travels in the deliverable.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from npu_deliver.errors import SpecError
from npu_eval.asked.architectures import CONFIG, DESCRIBING, MODEL_FOLDER, architecture_of, packages_of
from npu_eval.asked.architectures import task_of as task_of_architecture
from npu_eval.errors import WeightsError
from npu_eval.weights import shards
from npu_eval.weights.download import HttpStatusError
from npu_eval.weights.fetch import fetch
from npu_eval.weights.naming import parse

Task = Literal["classification", "detection", "instance-segmentation", "semantic-segmentation", "features"]

GENERIC_TASK: dict[str, Task] = {
    "timm": "classification",
    "torchvision": "classification",
    "transformers": "features",
    "npu_models": "instance-segmentation",
    "npu_models:fcos/": "detection",
}
"""Libraries whose models need no adapter, and the task of their models, or of those whose reference begins so, unless
a spec says otherwise. A model of transformers has the task that its architecture tells."""

TRANSFORMERS = "transformers:"
_PUBLISHED = DESCRIBING[:2]
"""Of the hub's files only these two are taken, which every vision model needs; from a folder all that describe one."""
_HUB = re.compile(r"\w[\w.-]*/\w[\w.-]*(@\w[\w.+-]*)?", re.A)
_MAX_CONFIG_BYTES = 64 * 2**20  # a tokenizer has some MiB


@dataclass(frozen=True, kw_only=True)
class Described:
    """The files of a model, by the names they have in the deliverable's `model/`, and what they say.

    ``name`` is how the deliverable calls the model: never a path of this machine. ``weights`` is a reference to the
    weights beside the files, or "".
    """

    name: str = ""
    files: Mapping[str, Path] = field(default_factory=dict)
    task: str = "features"
    packages: tuple[str, ...] = ()
    weights: str = ""


def takes_classes(reference: str) -> bool:
    """Whether a model by this reference is built with any number of classes."""
    return reference.startswith(("timm:", "torchvision:"))


def task_of(reference: str) -> Task:
    """The task of a generic reference: that of the longest known beginning."""
    return GENERIC_TASK[max((known for known in GENERIC_TASK if reference.startswith(known)), key=len)]


def facts_of(reference: str) -> dict[str, str]:
    """What a generic reference tells of its model for the report: its name and, of the hub's, its page."""
    name = portable(reference).partition(":")[2]
    hub = reference.startswith(TRANSFORMERS) and _HUB.fullmatch(name) is not None
    return {"title": name, **({"source": f"https://huggingface.co/{name.partition('@')[0]}"} if hub else {})}


def portable(adapter: str) -> str:
    """An adapter's reference without a path of this machine."""
    if not adapter.startswith(TRANSFORMERS):
        return adapter
    name = adapter.removeprefix(TRANSFORMERS)
    return f"{TRANSFORMERS}{Path(name).name}" if _is_path(name) else adapter


def placed(reference: str, base: Path) -> str:
    """A reference whose folder, if it names one, starts from the root instead of from ``base``."""
    name = reference.removeprefix(TRANSFORMERS)
    if not reference.startswith(TRANSFORMERS) or not _is_path(name):
        return reference
    return f"{TRANSFORMERS}{(base / Path(name).expanduser()).resolve()}"


def describe(adapter: str, weights: str, *, base: Path, made: Path, uses_library: bool = False) -> Described:
    """The files that describe a model; none for a library whose models need none.

    Args:
        adapter: the spec's; of ``transformers:…`` the files are looked for where its name says.
        uses_library: an adapter.py that uses transformers: the configuration beside its weights is its model's.
        weights: the reference of the weights. Where these come from a hub, the configuration comes from beside them.
        base: the folder that relative paths start from.
        made: the finished deliverable; its own files serve where nobody else has any.

    Raises:
        SpecError: a folder is not there, or holds no configuration; a configuration is not readable.
        WeightsError: a hub does not give the configuration.
    """
    name = adapter.removeprefix(TRANSFORMERS) if adapter.startswith(TRANSFORMERS) else ""
    if _is_path(name):
        return _from_folder(base / Path(name).expanduser(), where=adapter)
    beside = _folder_of(weights, base) if name or uses_library else None
    if beside is not None and (beside / CONFIG).is_file():
        return _from_folder(beside, where=weights, name=name)
    if not name:
        return Described()
    if "/" not in name:
        return Described(name=name, task=task_of_architecture(name), packages=packages_of({"architectures": [name]}))
    return _from_hub(name, weights, made / MODEL_FOLDER)


def weights_in(source: str, base: Path) -> str:
    """A reference to the weights; of a folder to the file in it that holds them."""
    folder = _folder_of(source, base)
    if folder is None or not (base / Path(parse(source).path).expanduser()).is_dir():
        return source
    found = _weights_beside(folder)
    if not found:
        inside = ", ".join(sorted(entry.name for entry in folder.iterdir())[:5]) or "nothing"
        raise SpecError(
            f"the folder holds none of {', '.join(shards.IN_FOLDERS)}",
            where=str(folder),
            fix=f"it holds {inside}; name the file itself",
        )
    return found


def _is_path(name: str) -> bool:
    return name.startswith((".", "/", "~"))


def _folder_of(weights: str, base: Path) -> Path | None:
    """The folder in which weights of this machine lie."""
    if weights in ("", "default"):
        return None
    named = parse(weights)
    if named.scheme != "file":
        return None
    try:
        path = base / Path(named.path).expanduser()
    except RuntimeError:  # the home of nobody known here: told where the weights are fetched
        return None
    return path if path.is_dir() else path.parent if path.is_file() else None


def _from_folder(folder: Path, *, where: str, name: str = "") -> Described:
    if not folder.is_dir():
        raise SpecError("there is no such folder", where=where, fix="name a folder with config.json, or owner/name")
    if not (folder / CONFIG).is_file():
        inside = ", ".join(sorted(entry.name for entry in folder.iterdir())[:5]) or "nothing"
        raise SpecError(f"the folder holds no {CONFIG}", where=where, fix=f"it holds {inside}")
    files = {file: folder / file for file in DESCRIBING if (folder / file).is_file()}
    return _described(name or folder.resolve().name, files, weights=_weights_beside(folder))


def _weights_beside(folder: Path) -> str:
    found = shards.weights_of(folder)
    return "" if found is None else f"file:{found.absolute()}"


def _from_hub(name: str, weights: str, made: Path) -> Described:
    """The configuration from the hub that has the weights, by default Hugging Face."""
    if _HUB.fullmatch(name) is None:
        raise SpecError(
            f"'{name}' is no owner/name of the hub",
            where=f"{TRANSFORMERS}{name}",
            fix="e.g. transformers:facebook/convnextv2-tiny-1k-224, or a folder as ./folder",
        )
    source = parse(weights) if weights not in ("", "default") else None
    hub = f"hf:{name}"
    if source is not None and source.scheme in ("hf", "modelscope"):
        hub = f"{source.scheme}:{source.name}{'@' if source.version else ''}{source.version}"
    files = {}
    say = logging.getLogger("npu_deliver").info
    for file in _PUBLISHED:
        try:
            found = fetch(f"{hub}/{file}", sha256=None, base=Path(), say=say)
        except WeightsError as error:
            if file != CONFIG and _absent(error):
                say(f"{hub}: has no {file}; the defaults of its kind of model are used")
                continue
            if (made / CONFIG).is_file():
                say(f"{hub}: {error.what}; the configuration in the finished deliverable is used")
                return _described(name, {f: made / f for f in DESCRIBING if (made / f).is_file()})
            fix = f"put its {' and '.join(_PUBLISHED)} into a folder and name that: transformers:./folder"
            raise WeightsError(f"{file} cannot be had: {error.what}", where=hub, fix=_fix(error, fix)) from error
        assert found is not None
        files[file] = found.path
    return _described(name, files)


def _fix(error: WeightsError, ways: str) -> str:
    """What to do, with a hub's word on access first; the ways for weights are none for a configuration."""
    gated = error.fix.partition(";")[0] if "gated" in error.fix else ""
    return "; ".join(filter(None, [gated, ways]))


def _absent(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, HttpStatusError):
            return cause.status == 404
        cause = cause.__cause__
    return False


def _described(name: str, files: Mapping[str, Path], weights: str = "") -> Described:
    config = _json(files[CONFIG])
    task = task_of_architecture(architecture_of(config))
    return Described(name=name, files=files, task=task, packages=packages_of(config), weights=weights)


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_CONFIG_BYTES:
            raise SpecError("is too large for a configuration", where=str(path), fix="fetch it again")
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpecError(f"is not readable as JSON ({error})", where=str(path), fix="fetch it again") from error
    if not isinstance(content, dict):
        raise SpecError("holds no keys", where=str(path), fix="fetch it again")
    return content
