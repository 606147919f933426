"""Check this folder against itself with nothing but Python 3.9 or newer: python verify_deliverable.py [FOLDER]

Every file against MANIFEST.json, and that against the in-toto Statement; the spec, the criteria and the code against
the hashes in the records; records and logs against summary.json and against each other; the ledger of the runs against
itself, the criteria and the records; pictures against what they were drawn from; inputs against the spec; verdicts
against the criteria and their values, means and errors against the raw samples and sums; verdicts and measured numbers
of the pages against summary.json. Runs nothing from the folder; checks no signature. Exits with 0 when it holds
together, with 8 after one line for each contradiction; with 10 when nothing contradicts anything, but another version
than this file's made summary and pages anew, and otherwise. `npu-deliver verify` derives the statistics again too.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
    del sys.path[0]  # this folder: a json.py in it is looked at, and never imported

import ast
import base64
import functools
import hashlib
import itertools
import json
import math
import operator
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

MANIFEST = "MANIFEST.json"
STATEMENT, SIGNED = "statement.intoto.json", "statement.dsse.json"
SUMMARY, LEDGER, PICTURES, REPORT = "summary.json", "evaluation/ledger.jsonl", "evaluation/screenshots", "readme"
MOVED = {  # where these lie in the layouts in which they do not lie there
    "eval_results": {LEDGER: "ledger.jsonl", PICTURES: "assets"},
    "flat": {SUMMARY: "logs/summary.json", LEDGER: "ledger.jsonl", PICTURES: "screenshots", REPORT: "README"},
    "model_zoo": {REPORT: "adaptation_report"},
}
CACHE, SOURCE = "__pycache__", re.compile(r".+\.pyw?")
COMPILED = re.compile(r".+\.(py[cod]|so([.]\d+)*|dll|dylib|pth|egg(-link)?|whl|pyz|zip)", re.IGNORECASE)
SCRIPT = re.compile(r"(inference|verify_deliverable|adapter|(.+/)?(eval_[a-z_]+|make_reference))\.py")
KNOWN = re.compile(  # what else a deliverable may hold, in any layout
    r"(evaluation/)?ledger\.jsonl|(logs/)?summary\.json|spec\.json|requirements\.txt|deploy\.sh|.+\.py"
    r"|(readme|README|OPTIMIZATION_RECORD|adaptation_report)(\.simulated)?\.md"
    r"|((evaluation/)?(records|logs|screenshots|results)|assets|outputs|inputs|model|npu_eval|npu_models)/.+"
)
ENDS, GONE = ("finished", "failed"), ("discarded",)
FIXED = {"14.1 %", "4.5 %", "1.41 %"}  # measured-looking numbers of the page's own words: what a cosine stands for
TIERS = {"smoke": "1.00 s", "standard": "10.00 s", "publish": "60.00 s"}  # how long each batch size is timed at least
WORDS = "npu_eval/records/stamps.py"  # words the stamps of the pages; it is read, never run
HOLDS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
WORSE = ("PASS", "NOT_MEASURED", "FAIL")
LAYOUT = "folder"  # stands for a file where the folder is not laid out as this version lays one out
MIB = 2**20
MOST_FILES, MOST_DEEP, MOST_NESTED, MOST_VALUES, MOST_RECORDS = 10_000, 16, 64, 2_000_000, 20
MOST_TOLD = 500  # lines about contradictions; so many are a stranger's
MOST_LOOKED_FOR = 500  # so many words of a page that stand for no number are looked for in names and reasons
MOST = {"": 512 * MIB, ".json": 16 * MIB, ".md": MIB, ".log": 4 * MIB, ".txt": 4 * MIB, ".py": 4 * MIB,
        ".png": 64 * MIB, "ledger.jsonl": 4 * MIB, "record": 64 * MIB, "all": 1024 * MIB}  # fmt: skip
STRANGE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    MemoryError,
)
Finding = tuple[str, str]


def beyond(folder: Path) -> Iterator[Finding]:
    """What is no plain file or larger than a deliverable needs, by names and sizes alone; nothing is opened."""
    waiting, count, total = [("", 0)], 0, 0
    while waiting:
        inside, depth = waiting.pop()
        try:
            entries = os.scandir(folder / inside)
        except OSError as error:
            yield inside or ".", f"cannot be read ({error.strerror})"
            return
        with entries:
            for entry in entries:
                name, count = f"{inside}/{entry.name}".lstrip("/"), count + 1
                if count > MOST_FILES or depth >= MOST_DEEP:
                    yield inside or ".", f"holds more than {MOST_FILES} files, or folders more than {MOST_DEEP} deep"
                    return
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((name, depth + 1))
                    continue
                try:
                    facts = entry.stat()
                except OSError:  # a link that leads nowhere
                    continue
                if not os.access(entry.path, os.R_OK):
                    yield name, "cannot be read (no permission)"
                    return
                total += facts.st_size
                if facts.st_size > most(name) or total > MOST["all"]:
                    yield name, f"has {facts.st_size} bytes, {total} with all before it; {most(name)} is the most"
                    return


def most(name: str) -> int:
    """How many bytes a file of some name may have."""
    path = PurePosixPath(name)
    if path.parts[0] in ("model", "inputs"):  # they are hashed, and not read
        return MOST[""]
    kind = path.name if path.name in MOST else path.suffix
    if path.parent.name in ("records", "results") and kind == ".json":
        kind = "record"
    return MOST.get(kind, MOST[""])


def inside(folder: Path, name: Any) -> Path:
    """The file that a name means, which must lie in the folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or folder.resolve() not in (folder / path).resolve().parents:
        raise ValueError(f"{name} lies elsewhere")
    return folder / path


def opened(path: Path) -> Any:
    """A file, open for reading bytes; no link or pipe that took its place after `beyond` and `special` looked at it."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError("is no plain file")
    return os.fdopen(handle, "rb")


def text_of(path: Path, errors: str = "strict") -> str:
    """A text in UTF-8, with the line ends that a text file is read with."""
    with opened(path) as stream:
        return str(stream.read().decode("utf-8", errors)).replace("\r\n", "\n").replace("\r", "\n")


@functools.cache
def sha256(path: Path) -> str:
    """sha256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with opened(path) as stream:
        for piece in iter(lambda: stream.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()


def canonical(value: Any) -> str:
    """sha256 of a value's canonical JSON: sorted keys, no spaces, UTF-8."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def at(told: Any, name: str) -> str:
    """Where a file lies in the layout that spec.json or summary.json names."""
    return MOVED.get(str(told.get("profile")), {}).get(name, name)


def files_of(folder: Path) -> dict[str, Path]:
    """Relative path -> path of everything but folders; links are listed and not followed."""
    found = {}
    for where, folders, names in os.walk(folder):
        paths = [Path(where, name) for name in names]
        paths += [path for path in (Path(where, name) for name in folders) if path.is_symlink()]
        found.update({path.relative_to(folder).as_posix(): path for path in paths})
    return {name: found[name] for name in sorted(found, key=lambda name: name.split("/"))}


def special(folder: Path) -> list[Finding]:
    """Links, pipes, sockets and devices: whoever opens one reads elsewhere, or may wait for ever."""
    found = []
    for name, path in files_of(folder).items():
        kind = path.lstat().st_mode
        if stat.S_ISLNK(kind):
            found.append((name, "is a link; a deliverable holds plain files"))
        elif not stat.S_ISREG(kind):
            found.append((name, "is no plain file"))
    return found


def unfit(name: str) -> Finding | None:
    """What lies in no deliverable, whatever its manifest says: compiled code, hidden files, modules in others' way."""
    parts = name.split("/")
    for depth, part in enumerate(parts, start=1):
        place = "/".join(parts[:depth])
        if part == CACHE:
            return (
                place,
                "holds what Python compiled, which it would run unread; delete it, and start scripts with python -B",
            )
        if part.startswith("."):
            return place, "is hidden; a deliverable shows all that it holds: move it out of the folder"
    if COMPILED.fullmatch(parts[-1]):
        return name, "is code that nobody can read, and Python would run it; delete it"
    return None


def in_the_way(name: str, adapter: str) -> bool:
    """Whether a file is Python and neither of the packages nor a script of a deliverable: an import would find it."""
    package = name.startswith(("npu_eval/", "npu_models/"))
    return SOURCE.fullmatch(name) is not None and name != adapter and not package and not SCRIPT.fullmatch(name)


def parsed(text: str) -> Any:
    """The value of a JSON text that has every key once, numbers that are some, and neither too many nor too deep."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a key appears twice")
        return dict(pairs)

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no number")

    if text.count(",") >= MOST_VALUES:
        raise ValueError(f"more than {MOST_VALUES} values")
    value = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    level = [value]
    for _ in range(MOST_NESTED + 1):
        level = [item for each in level if isinstance(each, (dict, list))
                 for item in (each.values() if isinstance(each, dict) else each)]  # fmt: skip
        if not level:
            return value
    raise ValueError(f"more than {MOST_NESTED} lists and objects in each other")


def load(folder: Path, name: str, findings: list[Finding]) -> Any:
    """A JSON file; None, and a finding, where it cannot be read."""
    try:
        path = inside(folder, name)
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError("is no plain file")
        value = parsed(text_of(path))
    except (OSError, TypeError, ValueError, RuntimeError) as error:
        findings.append((str(name), f"cannot be read ({type(error).__name__})"))
        return None
    if not value or not isinstance(value, dict):
        findings.append((name, "holds nothing that is expected there"))
        return None
    return value


def check_manifest(folder: Path, listed: Any, spec: Any, *, whole: bool) -> Iterator[Finding]:
    """Missing, extra, changed and unfit files."""
    entries = listed["files"]
    found = {name: path for name, path in files_of(folder).items() if name not in (MANIFEST, STATEMENT, SIGNED)}
    adapter = str(((spec or {}).get("evaluation") or {}).get("adapter", "adapter.py"))
    for name in sorted(set(entries) - set(found)):
        yield name, "is in the manifest, but not in the folder"
    for name, path in found.items():
        wrong = unfit(name)
        if wrong is not None:
            yield wrong
        elif in_the_way(name, adapter):
            yield name, "is no script of a deliverable, and an import would find it; move it out of the folder"
        elif name not in entries:
            yield name, "is in the folder, but not in the manifest"
        elif whole and name != adapter and not KNOWN.fullmatch(name):
            yield name, "is no part of a deliverable"
        elif sha256(path) != entries[name]["sha256"]:
            yield name, "is not the file that the manifest lists"


def check_statement(
    folder: Path, listed: Any, summary: Any, findings: list[Finding], *, whole: bool
) -> Iterator[Finding]:
    """The in-toto Statement names the manifest and each file, and says what the verdicts say."""
    said = load(folder, STATEMENT, findings)
    if said is None:
        return
    subjects = {each["name"]: each["digest"]["sha256"] for each in said["subject"]}
    if subjects.pop(MANIFEST, None) != sha256(folder / MANIFEST):
        yield MANIFEST, f"is not the manifest that {STATEMENT} names"
    if subjects != {name: entry["sha256"] for name, entry in listed["files"].items()}:
        yield STATEMENT, "does not name the files of the manifest"
    tests: dict[str, list[str]] = {"passedTests": [], "warnedTests": [], "failedTests": []}
    for verdict in summary["verdicts"]:
        passed, missing = verdict["status"] == "PASS", verdict["status"] == "NOT_MEASURED"
        warned = missing or (passed and summary["stamps"])
        tests["warnedTests" if warned else "passedTests" if passed else "failedTests"].append(verdict["criterion"])
    result = "FAILED" if tests["failedTests"] else "WARNED" if tests["warnedTests"] else "PASSED"
    used = [("criteria", summary["criteria_sha256"])]
    used += [(name, subjects.get(name)) for name in ("spec.json", at(summary, LEDGER))]
    configuration: list[Any] = [{"name": name, "digest": {"sha256": digest}} for name, digest in used]
    tool = summary.get("derived_with") if summary.get("measured_with") else None
    if tool:
        digest, version = {"sha256": tool["rules_sha256"]}, {"version": tool["version"]}
        configuration.append({"name": "npu-deliver", "digest": digest, "annotations": version})
    expected = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": said["subject"],
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {"result": result, "configuration": configuration, **tests},
    }
    lasting = (result, *tests.values()), tuple(said["predicate"][key] for key in ("result", *tests))
    if (said != expected) if whole else (lasting[0] != lasting[1]):
        yield STATEMENT, "does not say what the verdicts of summary.json say"
    if (folder / SIGNED).exists():
        signed = load(folder, SIGNED, findings) or {}
        with opened(folder / STATEMENT) as stream:
            statement = stream.read()
        if base64.b64decode(signed.get("payload", "")) != statement:
            yield SIGNED, f"does not hold {STATEMENT}"


def code_of(folder: Path) -> str:
    """The hash of all that Python could import and of the model's configuration, as the records hold it."""
    code = {}
    for name, path in files_of(folder).items():
        folders, _, last = name.rpartition("/")
        compiled = COMPILED.fullmatch(last) and folders.rpartition("/")[2] != CACHE
        if SOURCE.fullmatch(last) or compiled or (folders == "model" and last != CACHE):
            code[name] = sha256(path)
    return canonical(code)


def check_chain(folder: Path, spec: Any, summary: Any, findings: list[Finding]) -> Iterator[Finding]:
    """Spec -> record -> log -> summary, each by the hash of the one before."""
    spec_hash, code_hash = canonical(spec["evaluation"]), code_of(folder)
    if summary["criteria_sha256"] != canonical(spec["evaluation"]["criteria"]):
        yield "spec.json", "its criteria are not those of summary.json"
    if any(summary["model"].get(key, value) != value for key, value in spec["model"].items()):
        yield "spec.json", "tells other facts of the model than summary.json"
    for entry in summary["evidence"][:MOST_RECORDS]:
        record = load(folder, entry["record"], findings)
        if record is not None:
            yield from check_record(folder, entry, record, (spec_hash, code_hash))
    for each in spec["evaluation"]["inputs"]:
        path = inside(folder, each["path"])
        if not path.is_file() or sha256(path) != each["sha256"]:
            yield each["path"], "is not the input that spec.json names"


def check_record(folder: Path, entry: Any, record: Any, made_with: tuple[str, str]) -> Iterator[Finding]:
    """One experiment's record and log."""
    if record["spec_sha256"] != made_with[0]:
        yield entry["record"], "was made under another spec than spec.json"
    if record["code_sha256"] != made_with[1]:
        yield entry["record"], "was made by other code or model files than the folder's"
    if sha256(inside(folder, entry["record"])) != entry["record_sha256"]:
        yield entry["record"], "is not the record that summary.json was made from"
    log = inside(folder, entry["log"])
    if not log.is_file():
        yield entry["log"], "is missing"
    elif sha256(log) != entry["log_sha256"]:
        yield entry["log"], "is not the log that summary.json names"
    elif entry["record_sha256"] not in text_of(log, "replace"):
        yield entry["log"], "does not name its record"


def check_ledger(folder: Path, spec: Any, summary: Any) -> Iterator[Finding]:
    """The chain of the runs: each line holds the hash of the one before, the first one the criteria."""
    previous, entries = None, []
    name = at(summary, LEDGER)
    text = text_of(folder / name) if (folder / name).is_file() else ""
    for number, line in enumerate(text.split("\n")[:-1]):
        entry = parsed(line)
        if (
            entry.get("previous") != previous
            or entry["number"] != number
            or (entry["event"] == "opened") != (number == 0)
        ):
            yield name, f"line {number + 1} does not follow the line before: the chain is broken"
            return
        previous = hashlib.sha256(line.encode("utf-8")).hexdigest()
        entries.append(entry)
    if not entries or not text.endswith("\n"):
        yield name, "is missing, or ends with half a line"
        return
    if entries[0]["criteria_sha256"] != canonical(spec["evaluation"]["criteria"]):
        yield name, "its first entry fixes other criteria than those of spec.json"
    if previous != summary["runs"]["head_sha256"]:
        yield name, "is not the ledger that summary.json tells of"
    yield from ((name, what) for what in check_runs(entries, summary))


def check_runs(entries: list[Any], summary: Any) -> Iterator[str]:
    """Each start has an end; each record is reported or was discarded; summary.json counts them."""
    ends = {kind: [entry["of"] for entry in entries if entry["event"] in kind] for kind in (ENDS, GONE)}
    gone = set(ends[GONE])
    starts = [entry["number"] for entry in entries if entry["event"] == "started"]
    if sorted(ends[ENDS]) != starts:
        yield "a run started and did not end, or ended and never started"
    held = [entry for entry in entries if entry["event"] in ("finished", "adopted")]
    standing = {(e["experiment"], e["record_sha256"]) for e in held if e["number"] not in gone}
    if standing != {(entry["experiment"], entry["record_sha256"]) for entry in summary["evidence"]}:
        yield "the records that it says are reported are not those of summary.json"
    for event in ("started", "finished", "failed", "discarded", "adopted"):
        if (found := sum(entry["event"] == event for entry in entries)) != summary["runs"][event]:
            yield f"tells of {found} {event}, summary.json of {summary['runs'][event]}"


def png_source(data: bytes) -> str:
    """The text Source-SHA256 of a PNG; empty where there is none."""
    match = re.search(rb"tEXtSource-SHA256\x00([0-9a-f]{64})", data)
    return match.group(1).decode("ascii") if match else ""


def check_pictures(folder: Path, summary: Any, *, whole: bool) -> Iterator[Finding]:
    """Each picture names what it was drawn from; in the whole check also which picture of that it is."""
    known = {canonical(summary)}
    by_name = {"precision_chart": canonical(summary)}
    for entry in summary["evidence"]:
        known |= {entry["log_sha256"], entry["record_sha256"]}
        by_name[entry["experiment"] + "_report"] = entry["log_sha256"]
        if entry["experiment"] == "performance":
            by_name["performance_chart"] = by_name["batch_chart"] = entry["record_sha256"]
    for path in sorted((folder / at(summary, PICTURES)).glob("*.png")):
        with opened(path) as stream:
            data = stream.read()
        source = png_source(data)
        if whole and b"tEXtName\0" + path.name.encode("utf-8") not in data:
            yield path.relative_to(folder).as_posix(), "is no picture of that name"
        if source not in known or (whole and source != by_name.get(path.name.split(".")[0], source)):
            yield (
                path.relative_to(folder).as_posix(),
                "was not drawn from a log, a record or the summary of this folder",
            )


def written(value: Any) -> Iterator[str]:
    """How the pages may write a number."""
    if isinstance(value, dict):
        for item in value.values():
            yield from written(item)
    elif isinstance(value, list):
        for item in value:
            yield from written(item)
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2.0**63:
        yield "%.3f ms" % (value * 1e3)
        yield f"{value:.2f} s"
        yield f"{value:.2f} /s"
        yield "%.2f %%" % (value * 100)
        yield "%.2e %%" % (value * 100)
        yield f"{value:.1f} dB"
        yield "%.1f MiB" % (value / 2**20)
        yield "%.1f GiB" % (value / 2**30)
        yield "%.2f M" % (value / 1e6)
        yield f"{value:.3e}"


MEASURED = re.compile(
    r"(?<![\w.])-?\d+\.\d+(?:e[-+]\d+)? (?:ms|s|/s|%|dB|MiB|GiB|M)(?![\w/])|(?<![\w.])\d\.\d{3}e[-+]\d\d(?![\w ])"
)
STATE = re.compile(r"\*\*(PASS|FAIL|NOT_MEASURED)\b")


def check_verdicts(spec: Any, summary: Any) -> Iterator[Finding]:
    """Each criterion has its verdict, none passes against its own value, and the worst of them is the whole's."""
    name, verdicts = at(summary, SUMMARY), {verdict["criterion"]: verdict for verdict in summary["verdicts"]}
    asked = {criterion["id"]: criterion for criterion in spec["evaluation"]["criteria"]}
    for criterion in sorted(set(asked) ^ set(verdicts)):
        yield name, f"{criterion} is a criterion without a verdict, or a verdict without a criterion"
    for criterion in sorted(set(asked) & set(verdicts)):
        verdict, rule = verdicts[criterion], asked[criterion]
        if any(verdict[key] != rule[key] for key in ("metric", "comparison", "threshold")):
            yield name, f"the verdict of {criterion} is of another rule than spec.json's"
        value = verdict["value"]
        if verdict["status"] == "PASS" and (value is None or not HOLDS[rule["comparison"]](value, rule["threshold"])):
            yield name, f"{criterion} passes with {value}, and asks for {rule['comparison']} {rule['threshold']}"
    worst = max((WORSE.index(verdict["status"]) for verdict in verdicts.values()), default=1)
    if summary["overall"] != WORSE[worst]:
        yield name, f"overall is {summary['overall']}, the worst verdict {WORSE[worst]}"


def check_facts(folder: Path, summary: Any) -> Iterator[Finding]:
    """What follows from the records in whatever version: the stamps, means of samples, errors from sums."""
    name = at(summary, SUMMARY)
    for entry in summary["evidence"][:MOST_RECORDS]:
        record = parsed(text_of(inside(folder, entry["record"])))
        made = record["provenance"]
        if made["device"]["kind"] != "npu" and summary["hardware"] is not None:
            yield name, f"says hardware {summary['hardware']}, {entry['record']} ran on {made['device']['kind']}"
        called_for = {"no-npu": made["device"]["kind"] != "npu", "random-weights": made["weights"]["random"],
                      "replayed": made.get("replayed_from") is not None}  # fmt: skip
        for stamp in (stamp for stamp, wanted in called_for.items() if wanted and stamp not in summary["stamps"]):
            yield name, f"does not carry the stamp '{stamp}' that {entry['record']} calls for"
        checked = {"performance": check_times, "precision": check_errors}.get(entry["experiment"])
        for what in checked(record["data"], summary[entry["experiment"]]) if checked else ():
            yield name, f"{what} that {entry['record']} gives"


def same(told: Any, found: float) -> bool:
    """Whether a number is the one found, but for the order of a sum."""
    return math.isclose(told, found, rel_tol=1e-9, abs_tol=1e-300)


def check_times(data: Any, told: Any) -> Iterator[str]:
    """Counts, means and extremes of the latencies; seconds and rates of the throughput."""
    runs = {run["batch_size"]: run["samples_s"] for run in data["runs"] if run["samples_s"]}
    for run in told["runs"]:
        samples = runs.get(run["batch_size"], [math.inf])
        found = {"sample_count": len(samples), "mean_s": math.fsum(samples) / len(samples), "min_s": min(samples),
                 "max_s": max(samples)}  # fmt: skip
        for key in (key for key, value in found.items() if not same(run.get(key, value), value)):
            yield f"batch {run['batch_size']}: {key} is {run[key]}, not the {found[key]}"
    windows = {run["batch_size"]: run for run in data.get("throughput", ())}
    for run in told.get("throughput", ()):
        raw, size = windows.get(run["batch_size"], {"windows_s": [math.inf], "calls": 0}), run["batch_size"]
        seconds, images = math.fsum(raw["windows_s"]), size * raw["calls"] * len(raw["windows_s"])
        if not same(run["seconds"], seconds) or not same(run["images_per_s"], images / seconds):
            yield f"batch {size}: {run['images_per_s']} images a second are not the {images / seconds}"


def check_errors(data: Any, told: Any) -> Iterator[str]:
    """The relative L2 error and the largest difference of each output."""
    found = {(each["input"], each["output"]): each for each in data["differences"]}
    for each in told["agreements"]:
        raw = found.get((each["input"], each["output"]))
        if raw is None:
            yield f"{each['input']} {each['output']} is no output"
        elif not same(each["max_abs_diff"], raw["max_abs_diff"]):
            yield f"{each['input']} {each['output']}: max_abs_diff is not the {raw['max_abs_diff']}"
        elif raw["sum_sq_reference"] and not same(
            each["relative_l2"], error := math.sqrt(raw["sum_sq_diff"] / raw["sum_sq_reference"])
        ):
            yield f"{each['input']} {each['output']}: relative_l2 is {each['relative_l2']}, not the {error}"


def check_pages(folder: Path, summary: Any, *, whole: bool = True) -> Iterator[Finding]:
    """The pages that must be there, and each page; numbers and hashes of pages are looked for in the whole check."""
    for stem in (at(summary, REPORT), "OPTIMIZATION_RECORD"):
        if not any((folder / (stem + suffix)).is_file() for suffix in (".md", ".simulated.md")):
            yield stem + ".md", "is missing"
    protocol = (summary.get("performance") or {}).get("protocol") or {}
    allowed = set(written(summary)) | FIXED | {TIERS.get(protocol.get("tier"), "")}
    stamps = stamps_of(folder) if whole and summary["stamps"] else {}
    words = json.dumps(summary, ensure_ascii=False)  # numbers may also stand inside names and reasons
    for page in sorted(folder.glob("*.md")):
        text = text_of(page, "replace")
        found = [*check_states(text, summary)]
        found += [*check_words(text, summary, stamps, words), *check_numbers(text, allowed, words)] if whole else []
        for what in found:
            yield page.name, what


def stamps_of(folder: Path) -> dict[str, list[str]]:
    """Stamp -> how a page may say it, from the literal WORDS of the folder's own code."""
    text = text_of(folder / WORDS)
    for node in ast.walk(ast.parse(text)) if len(text) < 100_000 else ():
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "WORDS":
            words = ast.literal_eval(node.value) if node.value else {}
            return {
                stamp: [
                    "{} - {}".format(said["en"][0], said["en"][1].upper()),
                    "{}: {}".format(*said["en"]),
                    "{}：{}".format(*said["zh"]),
                ]
                for stamp, said in words.items()
            }
    raise ValueError(f"{WORDS} does not word the stamps")


def check_words(text: str, summary: Any, stamps: dict[str, list[str]], words: str) -> Iterator[str]:
    """Stamps and hashes of a page."""
    for stamp in summary["stamps"]:
        if not any(phrase in text for phrase in stamps.get(stamp, ())):
            yield f"does not carry the stamp '{stamp}'"
    hashes = set(re.findall(r"[0-9a-f]{64}", words))
    tokens = set(re.findall(r"(?<![0-9a-z])(?:[0-9a-f]{64}|[0-9a-f]{12})(?![0-9a-z])", text))
    for token in sorted(tokens - hashes - {each[:12] for each in hashes})[:MOST_LOOKED_FOR]:
        if token not in words:
            yield f"{token} is no hash of summary.json"


def check_numbers(text: str, allowed: set[str], words: str) -> Iterator[str]:
    """Measured numbers of a page."""
    lines = enumerate(text.splitlines(), start=1)
    stray = ((number, found) for number, line in lines for found in MEASURED.findall(line) if found not in allowed)
    for number, found in itertools.islice(stray, MOST_LOOKED_FOR):
        if found not in words:
            yield f"line {number}: {found} is no number of summary.json"


def check_states(text: str, summary: Any) -> Iterator[str]:
    """Verdicts of a page."""
    verdicts = {verdict["criterion"]: verdict["status"] for verdict in summary["verdicts"]}
    for number, line in enumerate(text.splitlines(), start=1):
        criterion = line.split("|")[1].strip() if line.startswith("|") and line.count("|") > 2 else ""
        state = STATE.search(line)
        if state and criterion in verdicts and state.group(1) != verdicts[criterion]:
            yield f"line {number}: {criterion} is {verdicts[criterion]}"


def check(folder: Path, *, whole: bool = True) -> list[Finding]:
    """Every contradiction of a folder, or only what is one whatever version made it.

    Findings about `LAYOUT` are what could not be read: a contradiction where this file's own version made the folder.
    """
    sha256.cache_clear()
    findings: list[Finding] = list(beyond(folder)) or special(folder)
    if findings:
        return findings
    listed, spec = (load(folder, name, findings) for name in (MANIFEST, "spec.json"))
    summary = load(folder, at(spec or {}, SUMMARY), findings)
    checks = [check_manifest(folder, listed, spec, whole=whole)] if listed else []
    checks += [check_chain(folder, spec, summary, findings)] if spec and summary else []
    checks += [check_ledger(folder, spec, summary)] if spec and summary else []
    checks += [check_verdicts(spec, summary), check_facts(folder, summary)] if spec and summary else []
    checks += [check_statement(folder, listed, summary, findings, whole=whole)] if listed and summary else []
    pages = (check_pictures(folder, summary, whole=whole), check_pages(folder, summary, whole=whole)) if summary else ()
    checks += pages
    for each in checks:
        try:
            findings += list(each)
        except STRANGE as error:
            findings.append((LAYOUT, f"is not laid out as expected ({type(error).__name__}: {error})"))
    return list(dict.fromkeys(findings))


def versions(folder: Path) -> tuple[Any, Any]:
    """The versions of npu-deliver that a folder names: which came with this file, and which made summary and pages."""
    if next(beyond(folder), None):
        return None, None
    spec = load(folder, "spec.json", []) or {}
    return spec.get("measured_with"), (load(folder, at(spec, SUMMARY), []) or {}).get("derived_with")


def named(version: Any) -> str:
    """A version in words; whatever cannot be shown on a terminal is left out."""
    told = version if isinstance(version, dict) else {}
    number, rules, commit = (
        re.sub(r"[^\w.+!/-]", "", str(told.get(key, "")))[:80] for key in ("version", "rules_sha256", "commit")
    )
    commit = f", commit {commit}" if commit else ""
    return f"npu-deliver {number} (rules {rules[:12]}{commit})" if number else "a version that does not name itself"


def say(line: str) -> None:
    """Print a line; what a terminal would obey, or show otherwise than it is, is spelled out."""
    print("".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line))


def main() -> int:
    """Print the versions and every contradiction; 8 when there is one."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    if not folder.is_dir():
        say(f"{folder}: there is no such folder")
        return 2
    measured, derived = versions(folder)
    rules = [each.get("rules_sha256") if isinstance(each, dict) else None for each in (measured, derived)]
    other = rules[0] != rules[1]
    whole = check(folder)
    findings = [each for each in check(folder, whole=False) if each[0] != LAYOUT] if other else whole
    known = set(findings)
    otherwise = [each for each in whole if each not in known]
    say(f"made with {named(measured)}" + (f"; summary and pages with {named(derived)}" if other else ""))
    for mark, each in (("", findings), ("~ ", otherwise)):
        for file, what in each[:MOST_TOLD]:
            say(f"{mark}{file}: {what}")
        if len(each) > MOST_TOLD:
            say(f"{mark}and {len(each) - MOST_TOLD} more")
    state = f"contradicts itself in {len(findings)} places" if findings else "holds together"
    if otherwise and not findings:
        state = f"contradicts itself nowhere; {len(otherwise)} things are not as the version of this file writes them"
    say("pages and pictures: made again and compared by `npu-deliver verify` alone, not by this file")
    if (folder / SIGNED).exists():
        say(f"{SIGNED}: not checked by this file, but by `npu-deliver verify --public-key`")
    say(f"{folder}: {state}")
    return 8 if findings else 10 if otherwise else 0


if __name__ == "__main__":
    sys.exit(main())
