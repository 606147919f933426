"""The code of a folder is held against that of the release that it names, file by file."""

import pytest

from deliverables import change_file, reseal
from npu_deliver.release import travelling, versions
from npu_deliver.review import verify
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


def test_what_serves_one_system_travels_with_an_adapter_that_names_it(folder, tmp_path):
    layout = read_spec_file(folder / "spec.json").layout
    (tmp_path / "adapter.py").write_text("from npu_eval.sam3 import corrections\n", encoding="utf-8")
    found = travelling.code("adapter.py", tmp_path / "adapter.py", layout)
    assert {"npu_eval/sam3/__init__.py", "npu_eval/sam3/image_network.py"} <= found.keys()
    others = [travelling.code("adapter.py", folder / "adapter.py", layout), travelling.code("timm:x", None, layout)]
    assert not any(name.startswith("npu_eval/sam3/") for code in others for name in code)


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
