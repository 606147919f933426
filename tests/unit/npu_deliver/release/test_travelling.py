"""The code of a folder is held against that of the release that it names, file by file."""

import ast
import subprocess
import sys

import pytest

from deliverables import change_file, reseal
from npu_deliver.release import travelling, versions
from npu_deliver.review import verify
from npu_eval.asked.layout import NPU_DELIVERABLES
from npu_eval.asked.spec import read_spec_file


def differing(folder):
    spec = read_spec_file(folder / "spec.json")
    return travelling.differences(folder, spec.evaluation.adapter, spec.layout)


def test_a_staged_folder_holds_the_release_s_code(folder):
    assert differing(folder) == ()


def test_an_edited_line_is_named_with_what_the_release_has(folder):
    path = folder / "npu_eval/agreement/compare.py"
    number = path.read_text(encoding="utf-8").splitlines().index("CHUNK = 1 << 20") + 1
    change_file(path, "CHUNK = 1 << 20", "CHUNK = 1 << 21")
    (found,) = differing(folder)
    assert (found.file, found.how, found.line) == ("npu_eval/agreement/compare.py", "changed", number)
    assert str(found).endswith(f"line {number} is 'CHUNK = 1 << 21', the release has 'CHUNK = 1 << 20'")


def test_a_line_at_the_end_is_one_that_the_release_does_not_have(folder):
    with (folder / "inference.py").open("a", encoding="utf-8") as stream:
        stream.write("print('more')\n")
    (found,) = differing(folder)
    assert (found.file, found.found, found.release) == ("inference.py", "print('more')", "")


@pytest.mark.parametrize("name", ["npu_eval/extra.py", "npu_eval/data.bin", "evaluation/eval_more.py", "run.sh"])
def test_code_that_the_release_does_not_have_is_named(folder, name):
    (folder / name).write_bytes(b"x = 1\n")
    assert [(each.file, each.how) for each in differing(folder)] == [(name, "added")]


def test_the_author_s_own_files_are_let_be(folder):
    change_file(folder / "adapter.py", "nobody calls", "somebody calls")
    (folder / "model").mkdir()
    (folder / "model/more.py").write_text("x = 1\n", encoding="utf-8")
    assert differing(folder) == ()


def test_what_an_editor_or_a_desktop_leaves_in_the_release_does_not_travel(tmp_path, monkeypatch):
    package = tmp_path / "npu_eval"
    package.mkdir()
    for name in ("__init__.py", ".units.py.swp", ".DS_Store", ".partial-12"):
        (package / name).touch()
    monkeypatch.setattr(travelling, "source", lambda name: package)
    assert list(travelling._package("npu_eval")) == ["npu_eval/__init__.py"]


def test_an_author_s_adapter_brings_what_it_imports_and_no_more(folder, tmp_path):
    layout = read_spec_file(folder / "spec.json").layout
    (tmp_path / "adapter.py").write_text("def f():\n    from npu_eval.sam3 import image_network\n", encoding="utf-8")
    found = travelling.code("adapter.py", tmp_path / "adapter.py", layout)
    assert {"npu_eval/sam3/__init__.py", "npu_eval/sam3/image_network.py"} <= found.keys()
    assert "npu_eval/sam3/video_network.py" not in found
    others = [travelling.code("adapter.py", folder / "adapter.py", layout), travelling.code("timm:x", None, layout)]
    assert not any(name.startswith("npu_eval/sam3/") for code in others for name in code)


def test_an_adapter_that_cannot_be_read_brings_what_the_scripts_need(folder, tmp_path):
    layout = read_spec_file(folder / "spec.json").layout
    (tmp_path / "adapter.py").write_bytes(b"def f(:\n\0")
    assert travelling.code("adapter.py", tmp_path / "adapter.py", layout) == travelling.code("", None, layout)


ADAPTERS = ["timm:resnet18", "torchvision:resnet18", "transformers:a/b", "npu_models:fcos/R_50_1x", "adapter.py"]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_what_a_copied_file_imports_is_copied(adapter, tmp_path):
    (tmp_path / "adapter.py").write_text("import npu_models\n", encoding="utf-8")
    own = None if ":" in adapter else tmp_path / adapter
    found = travelling.code(adapter, own, NPU_DELIVERABLES, without=["evaluation/eval_training.py"])
    every = travelling._packages()
    for path in found.values():
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(path.read_bytes())):
                names = {f"{name}.py" for name in _imported(node)} | {f"{name}/__init__.py" for name in _imported(node)}
                assert (names & every.keys()) <= found.keys(), path


def _imported(node):
    if isinstance(node, ast.Import):
        return {alias.name.replace(".", "/") for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        module = node.module.replace(".", "/")
        return {module, *(f"{module}/{alias.name}" for alias in node.names)}
    return set()


def test_a_script_brings_its_experiment_and_is_left_out_with_it():
    optional = {f"evaluation/eval_{name}.py" for name in ("training", "optimisation", "dataset", "localisation")}
    least = travelling.code("timm:x", None, NPU_DELIVERABLES, without={*optional, "deploy.sh"})
    for name in ("training", "optimisation", "dataset", "localisation"):
        mine = f"evaluation/eval_{name}.py"
        more = travelling.code("timm:x", None, NPU_DELIVERABLES, without={*optional - {mine}, "deploy.sh"})
        folder = f"npu_eval/experiments/{name}/"
        assert not any(file.startswith(folder) for file in least)
        assert {f"{folder}run.py", f"{folder}kind.py", mine} <= more.keys() - least.keys()


def test_what_is_loaded_or_started_by_name_travels():
    found = travelling.code("timm:x", None, NPU_DELIVERABLES)
    assert {
        "npu_eval/under_test/worker.py",
        "npu_eval/experiments/dataset/detection.py",
        "npu_eval/experiments/dataset/classification.py",
        "npu_eval/models/adapters/timm_models.py",
        "npu_eval/models/coco_classes.py",
        "npu_eval/serving/__main__.py",
        "npu_eval/fonts/NotoSansSC-gb2312.otf",
        "npu_eval/isolation.py",
    } <= found.keys()
    assert "npu_eval/models/adapters/torchvision_models.py" not in found
    assert "npu_eval/registration.py" not in found


def test_what_travels_can_be_imported_from_the_folder_alone(tmp_path):
    """In a process that sees nothing else of ours; a package of somebody else that is not installed is no matter."""
    found = travelling.code("npu_models:fcos/R_50_1x", None, NPU_DELIVERABLES, without=["evaluation/eval_training.py"])
    travelling.copy_code(found, tmp_path)
    modules = [n.removesuffix(".py").replace("/", ".") for n in found if n.startswith("npu_") and n.endswith(".py")]
    program = f"""
import sys
rules = {{"__name__": "isolation"}}
exec(open({str(tmp_path / "npu_eval/isolation.py")!r}).read(), rules)
rules["enter"]({str(tmp_path)!r})
import importlib
for name in {[name.removesuffix(".__init__") for name in modules]!r}:
    try:
        found = importlib.import_module(name)
        assert found.__file__.startswith({str(tmp_path)!r}), found.__file__
    except ModuleNotFoundError as error:
        assert error.name.partition(".")[0] not in ("npu_eval", "npu_models"), (name, error.name)
print("imported", len(sys.modules))
"""
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("imported"), done.stderr


def test_code_that_no_script_of_a_folder_needs_is_named(folder):
    (folder / "npu_eval/registration.py").write_bytes((travelling.source("npu_eval") / "registration.py").read_bytes())
    assert [str(each) for each in differing(folder)] == [
        "npu_eval/registration.py: is left over: the scripts of this folder run without it"
    ]


def test_a_program_of_ours_brings_what_it_imports():
    found = travelling.brought_by("from npu_eval.experiments.precision import recount\n")
    assert "npu_eval/experiments/precision/recount.py" in found
    assert not any(name.startswith(("npu_models/", "npu_eval/experiments/dataset/")) for name in found)


def test_a_missing_module_is_named(folder):
    (folder / "npu_eval/timing/samples.py").unlink()
    assert [str(each) for each in differing(folder)] == ["npu_eval/timing/samples.py: is missing; the release has it"]


def test_another_file_that_is_no_text_is_told_without_a_line(folder):
    name = "npu_eval/fonts/NotoSansSC-gb2312.otf"
    (folder / name).write_bytes(b"\0")
    assert [str(each) for each in differing(folder)] == [f"{name}: is not the release's: other bytes"]


def test_an_adapter_that_names_the_networks_brings_all_of_them(folder):
    (folder / "adapter.py").write_text("import npu_models\n", encoding="utf-8")
    missing = {each.file for each in differing(folder) if each.how == "missing"}
    assert {"npu_models/__init__.py", "npu_models/fcos.py", "npu_models/solov2.py"} <= missing


def test_a_built_in_network_brings_the_modules_that_it_imports(folder):
    layout = read_spec_file(folder / "spec.json").layout
    found = {name for name in travelling.code("npu_models:fcos/R_50_1x", None, layout) if name.startswith("npu_models")}
    assert {"npu_models/fcos.py", "npu_models/resnet.py"} <= found
    assert "npu_models/solov2.py" not in found


@pytest.mark.parametrize(
    "adapter", ["../../other.py", "/etc/hostname", "absent.py", "x:y", "timm:../../x", "npu_models:../x"]
)
def test_no_adapter_s_name_leads_out_of_the_folder(folder, adapter):
    layout = read_spec_file(folder / "spec.json").layout
    assert all(not each.file.startswith(("/", "..")) for each in travelling.differences(folder, adapter, layout))


def test_every_file_of_the_networks_decides(folder):
    assert {"npu_models/fcos.py", "npu_eval/agreement/compare.py"} <= versions.rules().keys()


def test_verify_names_code_that_is_not_of_the_version_that_a_folder_names(folder):
    (folder / "evaluation/eval_forged.py").write_text("x = 1\n", encoding="utf-8")
    reseal(folder)
    found = {finding.file: finding.what for finding in verify.verify(folder).findings}
    assert found["evaluation/eval_forged.py"] == "is code that is not the release's"
