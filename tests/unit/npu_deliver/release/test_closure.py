"""What a program needs of our packages is found in its source, and nothing is imported for it."""

import pytest

from npu_deliver.release.closure import closure, needed


@pytest.fixture
def files(tmp_path):
    """A small package: `a` imports `b` in a function and starts `c` by name; `d` nobody needs."""
    contents = {
        "npu_eval/__init__.py": "",
        "npu_eval/LICENSE.txt": "free\n",
        "npu_eval/a.py": "def f():\n    if True:\n        from npu_eval.room import b\n\nNAME = 'npu_eval.room.c'\n",
        "npu_eval/d.py": "",
        "npu_eval/room/__init__.py": "",
        "npu_eval/room/__main__.py": "import npu_eval.room.e\n",
        "npu_eval/room/b.py": "import npu_eval.a\n",
        "npu_eval/room/c.py": "",
        "npu_eval/room/e.py": "",
        "npu_eval/room/drawings/x.png": "",
    }
    found = {}
    for name, text in contents.items():
        found[name] = tmp_path / name
        found[name].parent.mkdir(parents=True, exist_ok=True)
        found[name].write_text(text, encoding="utf-8")
    return found


def test_a_module_comes_with_what_it_imports_what_it_starts_and_the_packages_around(files):
    assert closure(["npu_eval.a"], files) == files.keys() - {"npu_eval/d.py"}


def test_a_name_in_a_module_leads_to_the_module(files):
    assert closure(["npu_eval.d.Thing"], files) == {"npu_eval/__init__.py", "npu_eval/LICENSE.txt", "npu_eval/d.py"}


def test_what_leads_to_no_file_is_somebody_else_s(files):
    assert closure(["torch.nn", "npu_models", "../npu_eval/d", ""], files) == frozenset()


@pytest.mark.parametrize(
    ("program", "names"),
    [
        (b"import os, npu_eval.d", {"os", "npu_eval.d"}),
        (b"try:\n    pass\nexcept ValueError:\n    from npu_eval import (\n        d,\n        e as f,\n    )",
         {"npu_eval.d", "npu_eval.e"}),
        (b"match 1:\n    case 1:\n        import npu_eval.d", {"npu_eval.d"}),
        (b"async def f():\n    with x:\n        import npu_eval.d", {"npu_eval.d"}),
        (b"start('npu_eval.room.c', 'npu_eval', 'npu_eval/d.py', 'say npu_eval.d')", {"npu_eval.room.c"}),
        (b"from . import d", set()),
        (b'exec "$P" npu_eval/isolation.py npu_eval.room --port 1 $X/npu_eval.d', {"npu_eval.room"}),
        (b"\0", set()),
        (b"(" * 100_000, set()),
    ],
)  # fmt: skip
def test_imports_wherever_they_stand_and_whole_names_are_needs(program, names):
    assert needed(program) == names
