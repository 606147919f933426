"""A reference bundle: what a model gives on a machine that one trusts, to be held against elsewhere.

An NPU and a GPU seldom share a machine, and a big network in float64 takes long on the host of an NPU. So the reference
can be computed where that is easy and carried over: a folder with `bundle.json`, which says what was asked and who
answered, and *members*, the files that it lists with their sizes and hashes. Standard library only, because a bundle is
checked before anything is started.

One member of the kind ``input`` for each input holds, in the safetensors format (`tensor_file`), ``input`` (the batch
as the network saw it, float32) and ``<dtype>/<output>`` for each output and each dtype it was computed in.

On request two members of the kind ``operators`` hold the reference's operators (`references.operators`). Others may add
members of their own kinds, which readers that do not know them pass by:

    while it is made    make_reference.run() has a `BundleWriter`; writer.add(name, kind, write)
                        calls write(path), then lists the file with its size and hash
    when it is used     session.Context.bundle is the open `Bundle`, or None;
                        for member in bundle.members(kind): bundle.path(member), which is proven by its hash
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npu_eval.asked.metrics import METRICS, Of
from npu_eval.asked.spec import EvalSpec
from npu_eval.errors import ConfigError, RecordError
from npu_eval.jsonio import (
    TEMPORARY_PREFIX,
    canonical_sha256,
    dumps,
    file_sha256,
    from_json,
    loads,
    to_json,
    write_atomic,
)
from npu_eval.limits import MAX_RECORD_BYTES, read_text
from npu_eval.records.provenance import BundleOrigin, Provenance

SCHEMA = "npu-deliver/reference/1"
DESCRIPTION = "bundle.json"
INPUT_KIND = "input"
OPERATORS_KIND = "operators"

_COPY_AGAIN = "copy the bundle again from where it was made"
_MAKE_AGAIN = "make a bundle for this spec with `npu-deliver reference`"
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file of a bundle. Readers pass by the kinds that they do not know."""

    name: str
    kind: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class BundledInput:
    """What a bundle holds of one input: the photo's path and hash, and the outputs and dtypes in its member."""

    path: str
    sha256: str
    member: str
    outputs: tuple[str, ...]
    dtypes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Description:
    """The content of `bundle.json`, apart from its own hash.

    ``state_sha256`` is of everything that the network held after loading, so that it knows seeded random weights too;
    ``criteria_sha256`` of the criteria that judge outputs (`output_criteria_sha256`).
    """

    schema: str
    name: str
    adapter: str
    task: str
    seed: int
    spec_sha256: str
    criteria_sha256: str
    code_sha256: str
    state_sha256: str
    command: tuple[str, ...]
    made_at: str
    provenance: Provenance
    inputs: tuple[BundledInput, ...]
    members: tuple[Member, ...]


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle whose description has been read and proven; its members are proven when they are asked for."""

    folder: Path
    description: Description
    sha256: str

    def members(self, kind: str) -> tuple[Member, ...]:
        """The members of one kind."""
        return tuple(member for member in self.description.members if member.kind == kind)

    def path(self, member: Member) -> Path:
        """Where a member lies, after its size and its hash were compared.

        Raises:
            RecordError: it is missing, cut short or altered.
        """
        path = self.folder / member.name
        where = f"{self.folder.name}/{member.name}"
        if not path.is_file():
            raise RecordError("is missing from the reference bundle", where=where, fix=_COPY_AGAIN)
        size = path.stat().st_size
        if size != member.size_bytes:
            how = "is cut short: it has" if size < member.size_bytes else "is altered: it has"
            raise RecordError(f"{how} {size} of {member.size_bytes} bytes", where=where, fix=_COPY_AGAIN)
        if file_sha256(path) != member.sha256:
            raise RecordError("is altered: its sha256 is not the one in bundle.json", where=where, fix=_COPY_AGAIN)
        return path

    def of_input(self, path: str) -> tuple[BundledInput, Member]:
        """What is there of one input.

        Raises:
            RecordError: the input is not in the bundle.
        """
        found = next((one for one in self.description.inputs if one.path == path), None)
        member = next((m for m in self.description.members if found and m.name == found.member), None)
        if found is None or member is None:
            raise RecordError(f"the input '{path}' is not in the bundle", where=self.folder.name, fix=_MAKE_AGAIN)
        return found, member

    def origin(self) -> BundleOrigin:
        """Who made it, where and when, as a record keeps it."""
        made, d = self.description.provenance, self.description
        return BundleOrigin(
            sha256=self.sha256,
            made_at=d.made_at,
            spec_sha256=d.spec_sha256,
            code_sha256=d.code_sha256,
            state_sha256=d.state_sha256,
            device=made.device,
            host=made.host,
            versions=made.versions,
            numeric_modes=made.numeric_modes,
            environment=made.environment,
            image=made.image,
        )


def open_bundle(folder: Path) -> Bundle:
    """The bundle in a folder.

    Raises:
        ConfigError: there is no bundle.
        RecordError: its description is cut short, altered, or of another schema.
    """
    path, where = folder / DESCRIPTION, f"{folder.name}/{DESCRIPTION}"
    if not path.is_file():
        what = "is no reference bundle: it holds no bundle.json" if folder.exists() else "there is no such folder"
        raise ConfigError(what, where=str(folder), fix="name a folder that `npu-deliver reference` made")
    try:
        text = read_text(path, MAX_RECORD_BYTES, follow=True)
    except OSError as error:
        raise RecordError(f"cannot be read ({error.strerror})", where=where, fix=_COPY_AGAIN) from error
    except UnicodeDecodeError as error:
        raise RecordError("is altered: it is not text in UTF-8", where=where, fix=_COPY_AGAIN) from error
    value = loads(text, where)
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA:
        fix = "use the npu-deliver that made it, or make the bundle again"
        raise RecordError(f"schema '{schema}' is not '{SCHEMA}'", where=where, fix=fix)
    claimed = value.pop("sha256", None)
    if claimed != canonical_sha256(value) or text != _text(value, claimed):
        raise RecordError("is altered: its content is not that of its own sha256", where=where, fix=_COPY_AGAIN)
    description = from_json(Description, value, where)
    for member in description.members:
        if not _FILE_NAME.fullmatch(member.name):
            raise RecordError(f"member '{member.name}' is no plain file name", where=where, fix=_COPY_AGAIN)
    return Bundle(folder=folder, description=description, sha256=claimed)


def open_whole(folder: Path) -> Bundle:
    """The bundle in a folder, every member proven.

    Raises:
        ConfigError: there is no bundle.
        RecordError: its description or a member is missing, cut short or altered.
    """
    bundle = open_bundle(folder)
    check_whole(bundle)
    return bundle


def check_whole(bundle: Bundle) -> None:
    """Prove every member.

    Raises:
        RecordError: one is missing, cut short or altered.
    """
    for member in bundle.description.members:
        bundle.path(member)


def operator_members(bundle: Bundle) -> tuple[Member, ...]:
    """The members that hold the reference's operators.

    Raises:
        RecordError: there are none.
    """
    found = bundle.members(OPERATORS_KIND)
    if not found:
        raise RecordError(
            "holds no operators of the reference",
            where=bundle.folder.name,
            fix="make the bundle again with `npu-deliver reference --operators`",
        )
    return found


def check_asked(bundle: Bundle, spec: EvalSpec) -> None:
    """Refuse a bundle that answers another question than the spec asks.

    The candidate's device and dtype, the timing and the weights' address may differ; what the network held is compared
    once it is loaded.

    Raises:
        RecordError: naming what differs.
    """
    made, where = bundle.description, bundle.folder.name
    for what, theirs, ours in (
        ("model", made.adapter, spec.adapter),
        ("task", made.task, spec.task),
        ("seed", made.seed, spec.seed),
    ):
        if theirs != ours:
            raise RecordError(f"was made with another {what}: '{theirs}', not '{ours}'", where=where, fix=_MAKE_AGAIN)
    for entry in spec.inputs:
        found, _ = bundle.of_input(entry.path)
        if found.sha256 != entry.sha256:
            what = f"was made with another photo as '{entry.path}': its sha256 differs"
            raise RecordError(what, where=where, fix=_MAKE_AGAIN)
        if spec.reference.dtype not in found.dtypes:
            what = f"holds no {spec.reference.dtype} outputs of '{entry.path}', but {', '.join(found.dtypes)}"
            raise RecordError(what, where=where, fix="set evaluation.reference.dtype to one of these")
    if made.criteria_sha256 != output_criteria_sha256(spec):
        fix = "take the spec that the bundle was made with, or make the bundle again"
        raise RecordError("was made under other criteria than the spec's", where=where, fix=fix)


def output_criteria_sha256(spec: EvalSpec) -> str:
    """Hash of the criteria that hold outputs against a reference; those on speed and on the NPU itself may differ."""
    judged = [c for c in spec.criteria if c.experiment == "precision" and METRICS[c.metric].of is not Of.RUN]
    return canonical_sha256(judged)


class BundleWriter:
    """A bundle while it is being made: members first, its description last."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self._members: list[Member] = []

    def add(self, name: str, kind: str, write: Callable[[Path], None]) -> Member:
        """Have a file written, and list it.

        Args:
            name: a plain file name that no other member has.
            kind: what readers choose members by.
            write: writes the file at the path that it is given.
        """
        if not _FILE_NAME.fullmatch(name) or name == DESCRIPTION or any(name == m.name for m in self._members):
            raise ValueError(f"'{name}' cannot name a member")
        path = self.folder / name
        write(path)
        member = Member(name=name, kind=kind, size_bytes=path.stat().st_size, sha256=file_sha256(path))
        self._members.append(member)
        return member

    @property
    def members(self) -> tuple[Member, ...]:
        """What was added so far."""
        return tuple(self._members)

    def finish(self, description: Description) -> Bundle:
        """Write the description, which makes the folder a bundle."""
        value: dict[str, Any] = to_json(description)
        sha256 = canonical_sha256(value)
        write_atomic(self.folder / DESCRIPTION, _text(value, sha256))
        return Bundle(folder=self.folder, description=description, sha256=sha256)


def _text(value: dict[str, Any], sha256: str) -> str:
    return dumps({"sha256": sha256, **value})


def refuse_other(output: Path) -> None:
    """Replace nothing but an earlier bundle.

    Raises:
        ConfigError: the folder holds something else.
    """
    empty = not output.exists() or (output.is_dir() and not any(output.iterdir()))
    if not empty and not (output / DESCRIPTION).is_file():
        raise ConfigError(
            "holds something that is no reference bundle", where=str(output), fix="name another folder with --output"
        )


def put_in_place(made: Path, output: Path) -> None:
    """Put the bundle in the place of an earlier one, which is kept until then."""
    earlier = output.with_name(f"{TEMPORARY_PREFIX}{output.name}.earlier")
    shutil.rmtree(earlier, ignore_errors=True)
    if output.exists():
        output.rename(earlier)
    made.rename(output)
    shutil.rmtree(earlier, ignore_errors=True)
