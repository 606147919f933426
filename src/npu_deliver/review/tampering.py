"""Damage copies of a deliverable, one way each, and count whether the audit names the right file.

Half of the damages leave the manifest as it was; the others seal the folder anew, as somebody would who knows how, so
that only what the files say of each other can tell.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from npu_deliver.plan import RESULTS
from npu_deliver.report.figures import FOLDER
from npu_deliver.review.audit import audit
from npu_deliver.seal import manifest
from npu_deliver.spec.profiles import layout_of
from npu_deliver.words import LANGUAGES
from npu_eval.asked.spec import read_spec_file
from npu_eval.jsonio import dumps, file_sha256
from npu_eval.records.stamps import Stamp, stamp_words

CLEAN_COPIES = 100
_TEXT = {".md", ".json", ".jsonl", ".log", ".txt", ".py"}
_CODE = (
    "npu_eval/",
    "npu_models/",
    "evaluation/eval_",
    "evaluation/make_reference.",
    "inference.py",
    "adapter.py",
    "verify_deliverable.py",
)
"""Code: where it was changed and sealed anew, the records name it, by one hash over all of it."""
_STRANGERS = ("notes.txt", "evaluation/extra.log", "results.json", f"{FOLDER}/more.png")
_NEEDED = ("evaluation/logs/", "evaluation/records/", "inputs/", "readme.")


@dataclass(frozen=True, kw_only=True)
class Damage:
    """What was done to a copy: the files of which one must be named."""

    kind: str
    files: tuple[str, ...]
    sealed_anew: bool


@dataclass(frozen=True, kw_only=True)
class Tried:
    """Every damage with the files that the audit named, and how many untouched copies it found fault with."""

    damages: tuple[tuple[Damage, frozenset[str]], ...]
    clean: int
    blamed: int

    @property
    def missed(self) -> list[tuple[Damage, frozenset[str]]]:
        """Damages for which the right file was not named."""
        return [(damage, named) for damage, named in self.damages if not set(damage.files) & named]

    @property
    def holds(self) -> bool:
        """Whether everything was found and nothing else blamed."""
        return not self.missed and not self.blamed


def try_out(folder: Path, count: int, seed: int, *, clean: int = CLEAN_COPIES) -> Tried:
    """Damage copies of a folder and audit each; then audit untouched copies."""
    rng = random.Random(seed)  # noqa: S311  examples are drawn, no secret
    damages: list[tuple[Damage, frozenset[str]]] = []
    blamed = 0
    with tempfile.TemporaryDirectory(prefix="npu-deliver-audit-") as temporary:
        copy = Path(temporary) / folder.name
        while len(damages) < count:
            _fresh(folder, copy)
            damage = _DAMAGES[len(damages) % len(_DAMAGES)](copy, rng)
            if damage is not None:
                if damage.sealed_anew:
                    seal_anew(copy)
                damages.append((damage, audit(copy).named))
            else:
                damages += _instead(folder, copy, rng)
        for _ in range(clean):
            _fresh(folder, copy)
            blamed += not audit(copy).holds
    return Tried(damages=tuple(damages), clean=clean, blamed=blamed)


def seal_anew(copy: Path) -> None:
    """Make the manifest anew, and the statement's digests with it, as somebody would who knows how."""
    manifest.seal(copy)
    told = json.loads((copy / manifest.STATEMENT).read_text(encoding="utf-8"))
    digests = {manifest.NAME: file_sha256(copy / manifest.NAME)}
    digests |= {name: entry.sha256 for name, entry in manifest.read(copy).files.items()}
    told["subject"] = [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in digests.items()]
    for each in told["predicate"]["configuration"]:
        each["digest"]["sha256"] = digests.get(each["name"], each["digest"]["sha256"])
    (copy / manifest.STATEMENT).write_text(dumps(told), encoding="utf-8")


def _instead(folder: Path, copy: Path, rng: random.Random) -> Iterator[tuple[Damage, frozenset[str]]]:
    """A changed digit, where a folder has nothing of the kind that was to be damaged."""
    _fresh(folder, copy)
    damage = _digit(copy, rng)
    if damage is not None:
        yield damage, audit(copy).named


def _fresh(folder: Path, copy: Path) -> None:
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy, symlinks=True)


def _names(copy: Path, keep: Callable[[str], bool]) -> list[str]:
    return [name for name in manifest.files_of(copy) if keep(name)]


def _digit(copy: Path, rng: random.Random, *, anew: bool = False) -> Damage | None:
    """One digit of one text becomes another."""
    code = tuple(map(layout_of(copy).at, _CODE))
    known = _names(
        copy, lambda n: Path(n).suffix in _TEXT and not (anew and (n.startswith(code) or n == "requirements.txt"))
    )
    name = rng.choice([*known, manifest.NAME, manifest.STATEMENT] if not anew else known)
    text = (copy / name).read_text(encoding="utf-8")
    places = [i for i, c in enumerate(text) if c.isascii() and c.isdigit()]
    if not places:
        return None
    at = rng.choice(places)
    new = rng.choice([d for d in "0123456789" if d != text[at]])
    changed = text[:at] + new + text[at + 1 :]
    (copy / name).write_text(changed, encoding="utf-8")
    return Damage(kind="digit", files=(name,), sealed_anew=anew)


def _digit_anew(copy: Path, rng: random.Random) -> Damage | None:
    return _digit(copy, rng, anew=True)


def _added(copy: Path, rng: random.Random) -> Damage:
    name = layout_of(copy).at(rng.choice(_STRANGERS))
    (copy / name).parent.mkdir(parents=True, exist_ok=True)
    (copy / name).write_text("21.65 ms\n", encoding="utf-8")
    return Damage(kind="file added", files=(name,), sealed_anew=rng.random() < 0.5)


def _removed(copy: Path, rng: random.Random) -> Damage:
    anew = rng.random() < 0.5
    needed = tuple(map(layout_of(copy).at, _NEEDED))
    name = rng.choice(_names(copy, lambda n: not anew or n.startswith(needed)))
    (copy / name).unlink()
    return Damage(kind="file removed", files=(name,), sealed_anew=anew)


def _swapped(copy: Path, rng: random.Random) -> Damage | None:
    folder = layout_of(copy).at(rng.choice(("evaluation/logs/", "evaluation/records/", f"{FOLDER}/")))
    names = _names(copy, lambda n: n.startswith(folder))
    if len(names) < 2:
        return None
    first, second = rng.sample(names, 2)
    kept = (copy / first).read_bytes()
    if kept == (copy / second).read_bytes():
        return None
    (copy / first).write_bytes((copy / second).read_bytes())
    (copy / second).write_bytes(kept)
    return Damage(kind="files swapped", files=(first, second), sealed_anew=rng.random() < 0.5)


def _picture(copy: Path, rng: random.Random) -> Damage | None:
    at = layout_of(copy).at
    names = _names(copy, lambda n: n.startswith(at(f"{FOLDER}/")))
    inputs = _names(copy, lambda n: n.startswith(("inputs/", at(f"{RESULTS}/"))))
    if not names or not inputs:
        return None
    name = rng.choice(names)
    (copy / name).write_bytes((copy / rng.choice(inputs)).read_bytes())
    return Damage(kind="picture replaced", files=(name,), sealed_anew=rng.random() < 0.5)


def _threshold(copy: Path, rng: random.Random) -> Damage:
    """A criterion is loosened in spec.json; every hash that follows from it is computed anew by whoever reads it."""
    path = copy / "spec.json"
    spec = json.loads(path.read_text(encoding="utf-8"))
    criterion = rng.choice(spec["evaluation"]["criteria"])
    criterion["threshold"] = criterion["threshold"] * rng.choice((2, 10, 0.5)) + 0.125
    path.write_text(json.dumps(spec, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    read_spec_file(path)
    return Damage(kind="threshold changed", files=("spec.json",), sealed_anew=rng.random() < 0.5)


def _stamp(copy: Path, rng: random.Random) -> Damage | None:
    pages = _names(copy, lambda n: n.endswith(".md"))
    rng.shuffle(pages)
    for name in pages:
        text = (copy / name).read_text(encoding="utf-8")
        for words in (stamp_words(stamp, lang) for lang in LANGUAGES for stamp in Stamp):
            if words in text:
                (copy / name).write_text(text.replace(words, ""), encoding="utf-8")
                return Damage(kind="stamp removed", files=(name,), sealed_anew=rng.random() < 0.5)
    return None


_DAMAGES: tuple[Callable[[Path, random.Random], Damage | None], ...] = (
    _digit,
    _digit_anew,
    _digit,
    _digit_anew,
    _added,
    _removed,
    _swapped,
    _picture,
    _threshold,
    _stamp,
)


def told(tried: Tried) -> Iterator[str]:
    """How many damages of each kind were tried and found, then what was missed."""
    kinds = Counter((d.kind, d.sealed_anew) for d, _ in tried.damages)
    missed = Counter((d.kind, d.sealed_anew) for d, _ in tried.missed)
    for (kind, anew), number in sorted(kinds.items()):
        seal, hit = "sealed anew" if anew else "seal left", number - missed[kind, anew]
        yield f"{kind:<18} {seal:<12} {number:>5} tried, {hit:>5} found with the right file named"
    total, passed = len(tried.damages), tried.clean - tried.blamed
    yield f"{total} damages, {total - len(tried.missed)} found with the right file named"
    yield f"{passed} of {tried.clean} untouched copies pass"
    for damage, named in tried.missed[:40]:
        seal, which = " (sealed anew)" if damage.sealed_anew else "", ", ".join(sorted(named)[:4])
        yield f"  missed: {damage.kind} in {', '.join(damage.files)}{seal}; named {which or 'nothing'}"
