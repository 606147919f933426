"""Which versions a page states, and of which environment."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npu_deliver.lint.reading.environment.versions import Use, environments, versions
from npu_deliver.lint.reading.folder.files import decode
from npu_deliver.lint.reading.folder.submission import Document, document


def _page(text: str) -> Document:
    raw, _ = decode(text.encode("utf-8"), "README.md")
    assert raw is not None
    return document(raw, "README.md")


def _named(text: str) -> list[tuple[str, str, str]]:
    return [(v.component, v.text, v.use.value) for v in versions(_page(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- CANN：8.5.1\n", ("cann", "8.5.1", "stated")),
        ("- torch==2.1.0\n", ("torch", "2.1.0", "stated")),
        ("- torch_npu：2.9.0.post1+gitee7ba04\n", ("torch_npu", "2.9.0.post1+gitee7ba04", "stated")),
        ("- CANN 版本：6.3.RC2\n", ("cann", "6.3.RC2", "stated")),
        ("- PyTorch 1.8\n", ("torch", "1.8", "stated")),
        ("- **PyTorch**: `2.1.0`\n", ("torch", "2.1.0", "stated")),
        ("- TorchNPU：26.0.0\n", ("plugin", "26.0.0", "stated")),
        ("- torch-npu：7.1.0\n", ("plugin", "7.1.0", "stated")),
        ("- FrameworkPTAdapter：5.0.rc2\n", ("plugin", "5.0.rc2", "stated")),
        ("- Ascend Extension for PyTorch：6.0.RC3\n", ("plugin", "6.0.RC3", "stated")),
        ("**框架（Framework）：PyTorch 1.7**\n", ("torch", "1.7", "stated")),
        ("- Python：3.8 及以上\n", ("python", "3.8", "supported")),
        ("- torch>=1.5.1\n", ("torch", "1.5.1", "supported")),
        ("- PyTorch：2.1.0/2.6.0\n", ("torch", "2.1.0", "alternative")),
        ("- 当前模型支持的 PyTorch 版本：PyTorch 2.1\n", ("torch", "2.1", "mentioned")),
        ("更新pytorch1.8版本，重新发布。\n", ("torch", "1.8", "mentioned")),
        ("## 导出（Torch 1.11.0环境）\n", ("torch", "1.11.0", "mentioned")),
        ("pip install torch==2.1.0 即可\n", ("torch", "2.1.0", "mentioned")),
        ("| 软件 | 首次支持版本 |\n|---|---|\n| CANN | 8.1.RC1 |\n", ("cann", "8.1.RC1", "supported")),
        ("| 配套      |   版本    |\n|---|---|\n|   CANN    |  6.3.RC2   |\n", ("cann", "6.3.RC2", "stated")),
        ("| 配套 | 版本 |\n|---|---|\n| CANN | [5.1.RC2](https://a.b/1.0.16) |\n", ("cann", "5.1.RC2", "stated")),
        ("| Torch_Version | 依赖 |\n|---|---|\n| PyTorch 1.8 | pillow==9.1.0 |\n", ("torch", "1.8", "alternative")),
    ],
)
def test_a_version_is_read_with_what_is_said_of_it(text: str, expected: tuple[str, str, str]) -> None:
    assert expected in _named(f"# 某模型\n\n{text}")


def test_two_names_and_two_versions_in_one_row() -> None:
    text = "| 项目 | 详情 |\n|---|---|\n| torch / torch_npu | 2.8.0 / 2.8.0.post2 |\n"
    assert _named(text) == [("torch", "2.8.0", "stated"), ("torch_npu", "2.8.0.post2", "stated")]


@pytest.mark.parametrize(
    "text", ["- torchmetrics 1.2.0\n", "- pytorch-lightning==1.5\n", "见 https://a.b/torch/1.8.1\n"]
)
def test_another_package_is_not_the_framework(text: str) -> None:
    assert "torch" not in {name for name, _, _ in _named(text)}


def test_two_columns_are_two_environments() -> None:
    text = (
        "| 组件 | 训练 | 推理 |\n|---|---|---|\n| CANN | 8.1.RC1 | 8.5.0 |\n"
        "| torch_npu | 2.1.0.post12 | 2.8.0.post2 |\n"
    )
    read = [{v.component: v.text for v in one} for one in environments(_page(text))]
    assert read == [
        {"cann": "8.1.RC1", "torch_npu": "2.1.0.post12"},
        {"cann": "8.5.0", "torch_npu": "2.8.0.post2"},
    ]


def test_each_row_of_a_table_of_machines_is_an_environment() -> None:
    text = "| 机器 | CANN | torch |\n|---|---|---|\n| A | 8.1.RC1 | 2.1.0 |\n| B | 8.5.0 | 2.8.0 |\n"
    assert len(environments(_page(text))) == 2
    assert {use for _, _, use in _named(text)} == {"alternative"}


def test_what_is_stated_in_several_tables_is_one_environment() -> None:
    table = "| 组件 | 版本 |\n|---|---|\n| CANN | 8.5.1 |\n"
    text = f"# 报告\n\n## 软件\n\n{table}\n## 其它\n\n- torch_npu：2.9.0.post1\n"
    (one,) = environments(_page(text))
    assert {v.component for v in one} == {"cann", "torch_npu"}


def test_a_shorter_form_agrees_and_a_longer_number_does_not() -> None:
    short, long, other = versions(_page("- torch：2.1\n- torch：2.1.0+cpu\n- torch：2.10.0\n"))
    assert short.agrees(long)
    assert not short.agrees(other)


@given(st.text(alphabet="torch_npuCAN 0123456789.:|-\n(=/rc post`", max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_text_is_read(text: str) -> None:
    for version in versions(_page(text)):
        assert version.text[0].isdigit()
        assert version.use in Use


@pytest.mark.parametrize("piece", ["torch ", "torch 1.", "CANN8.0.RC1/", "1.2.", "torch_npu(", "python :="])
def test_a_long_line_has_a_bounded_number_of_versions(piece: str) -> None:
    assert len(versions(_page(f"# 报告\n\n- {piece * 20_000}\n"))) <= 20_000
