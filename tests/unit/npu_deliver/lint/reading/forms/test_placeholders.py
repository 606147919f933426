"""What was never filled in, and what only shows a reader where his own value goes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lint_reports import linted
from npu_deliver.lint.reading.folder.files import decode
from npu_deliver.lint.reading.folder.submission import document
from npu_deliver.lint.reading.forms.placeholders import placeholders

FENCE = "```"
DOCUMENTED = {
    "a variable of the page's own command": f"""# 离线推理（昇腾 NPU）

2. 查看芯片名称（${{chip_name}}）。

   {FENCE}
   atc --model=m_bs${{bs}}.onnx --output=m_bs${{bs}} --soc_version=${{chip_name}}
   {FENCE}

   运行成功后生成 m_bs${{bs}}.om 模型文件。
""",
    "a path to be given": "# 训练（昇腾 NPU）\n\n- 单卡：bash test/train_full_1p.sh --data_path=xxx\n",
    "a quoted message": "# 训练（昇腾 NPU）\n\n- 常见问题：日志出现 “xxx **socket timeout** xxx” 怎么办？\n",
    "a path of examples": "# 训练\n\n- 数据集放在 /data/xxx/ 下，权重保存为 xxx.pth 与 `xxx.tar`。\n",
    "a variable that prose defines": "# 推理\n\n- 权重路径：${ckpt}\n\n其中 ${ckpt} 为下载的权重所在目录。\n",
    "an option": "# 推理\n\n- --data_dir：${data_root}\n- output_dir=$out\n",
    "a file pattern in a log list": "# 训练（NPU）\n\n- test/output/train_${device_id}.log # 训练日志\n",
    "a table of options": "# 推理\n\n| 参数 | 默认值 | 说明 |\n|---|---|---|\n"
    "| --ckpt | ${ckpt} | 权重 |\n| bs | <batch> | 批 |\n",
    "a table of variables": "# 数据\n\n| 领域 | 数据集 | 访问变量 |\n|---|---|---|\n"
    "| CV | COCO | $coco_root |\n| CV | VOC | $voc |\n",
    "an environment variable": "# 推理报告\n\n- 权重路径：`$MODEL_PATH`\n",
    "a format of single braces": "# 推理\n\n- 输出：{name}_{index}.jpg，其中 {name} 为图片名。\n",
    "a BibTeX entry": "# Net\n\nbooktitle = {ICCV},\n\ntitle={{RMPE}: Regional Pose},\n",
    "front-end templates": "# 页面\n\nVue 的模板写作 {{ msg }}，Jinja 的写作 {% if x %}。\n",
    "mathematics": "# Net\n\n$\\frac{{a}}{{b}}$，学习率 $lr_i$ 与 $\\alpha$，是否支持 $\\checkmark$\n",
    "crosses for what is not supported": "# Net\n\n| 配置 | FPS | 显存 |\n|---|---|---|\n| a | x | 5170 |\n"
    "| b | 12.1 | x |\n",
    "shapes": "# Net\n\n| 输入 | 类型 | 形状 |\n|---|---|---|\n| x | FLOAT32 | <batch_size> x 3 x 224 x 224 |\n",
    "an e-mail and an address": "# Net\n\n| 用途 | 联系 |\n|---|---|\n| 作者 | <a.b@example.org> |\n"
    "| 主页 | <https://example.org> |\n",
    "a plan of the upstream": "# Net\n\n## TODO\n\n- TODO: support multi-scale\n\n## Roadmap\n\n"
    "TODO: release weights\n",
    "a guide that says what is still to be written": "# Upstream tool\n\nTODO: add more explanation.\n\n"
    "** TODO: bf16 docs **\n",
    "a row that the next one completes": "# 推理（NPU）\n\n| 配套 | 版本 |\n|---|---|\n| CANN | |\n"
    "| CANN | 7.0.RC1 |\n",
    "an instruction": "# 推理（NPU）\n\n请填写实际路径后执行；精度达到 75% 以上即可，例如 xx.xx% 为示例格式。\n",
    "HTML entities": "# Net\n\n运行 &lt;path&gt; 下的脚本，参数为 &lt;name&gt;。\n",
    "work that was done": "# 某模型适配报告\n\n| 优化项 | 说明 |\n|---|---|\n| 算子 | 替换为NPU亲和算子 |\n"
    "| 文档 | 补充说明 |\n",
    "a formula's names": "# 接口\n\n- 计算公式：$scales$表示输入`scales`，$cos$和$sin$为旋转系数。\n",
    "a formula in lines": "# 接口报告\n\ndI\\mathop{{}}\\nolimits_{{t,:}}=Softmax \\left( I\\right)\n",
    "a type": "# 接口\n\n| 类型 | 返回 | `result` type |\n|---|---|---|\n| ANY | 记录 | {Object} |\n",
    "plurals of types": "# API\n\nAll {FileHandle} objects are {EventEmitter}s.\n",
    "the source of a site": f"# 部署指导（NPU）\n\n使用 vLLM {{{{ version }}}}：\n\n{FENCE}\n"
    f"pip install vllm=={{{{ version }}}}\n{FENCE}\n"
    "\n- 版本：{{ version }}\n",
    "a directive of a site": ":::{note}\n说明\n:::\n\n- 版本：{{ version }}\n",
    "a signature": "# 接口报告\n\n- `init(video=None, inference_device=, max_abs_diff=, keep=)`\n",
    "a schema": '# 说明\n\n... "$defs": {\n',
    "a usage's model": "# 推理（NPU）\n\n- 模型：<model_path>\n- version: {version}\n",
    "a form of output": "# 推理（NPU）\n\n运行后打印如下：\n\n精度：xx.xx%\n",
    "a path below a variable": "# 某模型适配报告\n\n- 权重路径：`${HOME}/.cache/x.pth`\n- 输入图片：xxx.jpg\n",
    "a money amount": "# Net\n\n成本：$5\n",
}


@pytest.mark.parametrize("text", DOCUMENTED.values(), ids=DOCUMENTED.keys())
def test_what_a_page_documents_is_no_placeholder(text: str) -> None:
    assert not [f for f in linted(text) if f.rule in ("NPU001", "NPU002")]


TABLE = "| 项目 | 数值 |\n|---|---|\n| 设备 | Ascend 910B4 |\n| FPS | 33.1 |\n"
UNFILLED = {
    "a shell variable in a table": TABLE + "| 真实权重路径 | $weight |\n",
    "a braced variable with a unit": TABLE + "| Top-1 准确率 | ${accuracy}% |\n",
    "a variable as code": TABLE + "| 权重路径 | `$weight` |\n",
    "a variable and a remark": "- 权重路径：$weight （真实权重）\n",
    "a variable in a sentence": "模型精度达到 ${top1}%，满足要求。\n",
    "a template": "- 平均延迟：{{ latency }}\n",
    "a template in a sentence": "本模型 {{ model_name }} 已完成适配。\n",
    "a format string": TABLE + "| 平均延迟 | {latency:.2f} ms |\n",
    "TODO as a value": "- 精度：TODO\n",
    "TODO in a table of several columns": "| 模型 | mAP | FPS |\n|---|---|---|\n"
    "| s | 37.1 | 80 |\n| m | TODO | TODO |\n",
    "TBD": TABLE + "| 吞吐 | TBD |\n",
    "a note to oneself": "TODO: 补充性能数据\n",
    "a note to oneself on a training page": "bash test/train_full_8p.sh\n\nTODO: 补充性能数据\n",
    "Chinese words": "- 性能数据：待补充\n",
    "Chinese words in a table": TABLE + "| 余弦相似度 | 待填写 |\n",
    "a Chinese sentence": "单卡训练性能数据待补充。\n",
    "a request to fill in": TABLE + "| 模型名称 | <填写模型名称> |\n",
    "a request in brackets": "- 权重来源：【请填写权重地址】\n",
    "crosses with a unit": "- 平均延迟：x.xx ms\n",
    "crosses as a percentage": TABLE + "| 精度 | XX.XX% |\n",
    "crosses in a sentence": "NPU 推理的 Top-1 精度为 xx.xx%，与 GPU 一致。\n",
    "crosses in a table of results": "| NAME | mAP | FPS |\n|---|---|---|\n| 1p | - | 15.2 |\n| 8p | 37.2 | xxx |\n",
    "two crosses": TABLE + "| CPU / NPU 延迟 | xx / xx |\n",
    "an angle": TABLE + "| 权重路径 | <path_to_weights> |\n",
    "filler": "Lorem ipsum dolor sit amet.\n",
    "the front matter": "",
}


@pytest.mark.parametrize("text", UNFILLED.values(), ids=UNFILLED.keys())
def test_a_value_that_was_never_filled_in_is_found(text: str) -> None:
    whole = f"# 某模型昇腾 NPU 适配报告\n\n{text}" if text else "---\nhardware: NPU\nbase_model: $base\n---\n"
    "# 某模型\n"
    assert [f.line for f in linted(whole) if f.rule == "NPU001"]


@pytest.mark.parametrize("name", ["$model_name", "${model}", "{{ model }}", "<模型名称>", "XXX", "<model name>"])
def test_a_title_without_the_name_is_found(name: str) -> None:
    assert [f.line for f in linted(f"# {name} 昇腾 NPU 适配报告\n\n正文。\n") if f.rule == "NPU001"] == [1]


@pytest.mark.parametrize("title", ["YOLOX-XXL", "$HOME 目录", "模型模板 {{ x }} 说明", "`$weight` 参数"])
def test_a_title_with_a_name_is_left_alone(title: str) -> None:
    assert "NPU001" not in {f.rule for f in linted(f"# {title}\n\n# 将 xxx 替换为实际路径\n")}


def test_a_variable_is_documented_by_the_code_that_uses_it() -> None:
    value = "# 某模型适配报告\n\n- 权重路径：$weight\n"
    assert "NPU001" in {f.rule for f in linted(value)}
    assert "NPU001" not in {
        f.rule for f in linted(f"{value}\n{FENCE}bash\npython infer.py --weight $weight\n{FENCE}\n")
    }


EMPTY = {
    "in a list": "- 模型名称：某模型\n- 平均延迟：\n- 帧率：33 FPS\n",
    "in a list with dashes": "- 模型名称：某模型\n- 平均延迟：-\n",
    "in a table": "| 对比项 | 数值 |\n|---|---|\n| cosine_similarity |  |\n| max_abs_diff | 0.01 |\n",
    "in a table, a dash": "| 对比项 | 数值 |\n|---|---|\n| 平均延迟 | - |\n| max_abs_diff | 0.01 |\n",
    "of the device that the page is about": "| NAME | FPS |\n|---|---|\n| GPU | 31.2 |\n| NPU | - |\n",
    "in a line": "match_basis: max_abs_diff=；cosine_similarity=0.9999\n",
}


@pytest.mark.parametrize("text", EMPTY.values(), ids=EMPTY.keys())
def test_a_field_without_a_value_is_found(text: str) -> None:
    assert "NPU002" in {f.rule for f in linted(f"# 某模型适配报告\n\n{text}")}


LEAD_INS = {
    "before code": f"**Low Latency Configuration:**\n\n{FENCE}\nexport A=1\n{FENCE}\n",
    "before a list": "根据任务类型准备数据集：\n\n1. 下载\n",
    "before a heading": "根据训练任务类型，准备相应的数据集：\n\n### 第一种\n\n下载\n",
    "before a table": "模型状态：\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
    "before a picture": "**Throughput:**\n\n![fps](fps.png)\n",
    "alone": "性能与吞吐：\n\n## 下一节\n",
    "of another device": "| NAME | FPS |\n|---|---|\n| throughput-GPU | - |\n| NPU | 30.2 |\n",
    "a mark": "| 字段 | 数值 |\n|---|---|\n| 是否满足 | ✅ |\n| 状态 | ❌ |\n| 误差值 | N/A（无 GPU） |\n",
    "models of a table": "| Model | FPS |\n|---|---|\n| latency-net | - |\n| b | 20.1 |\n",
    "a row that stands elsewhere": "| 项目 | 值 |\n|---|---|\n| FPS | - |\n\n"
    "| 项目 | 值 |\n|---|---|\n| FPS | 30.1 |\n",
    "versions without dependencies": "| Torch_Version | 三方库依赖版本 |\n|---|---|\n| PyTorch 1.8 | - |\n",
    "an option": "python a.py --max_abs_diff= ，可不填\n",
}


@pytest.mark.parametrize("text", LEAD_INS.values(), ids=LEAD_INS.keys())
def test_a_line_that_leads_into_something_is_no_field(text: str) -> None:
    assert "NPU002" not in {f.rule for f in linted(f"# 推理（昇腾 NPU）\n\n{text}")}


@given(st.text(alphabet="$x{}<>待补充TODO: |`%=\n-#a1", max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_text_is_read(text: str) -> None:
    raw, _ = decode(text.encode("utf-8"), "README.md")
    assert raw is not None
    for left in placeholders(document(raw, "README.md")):
        assert left.sign
        assert 1 <= left.at.line <= len(raw.lines)


@pytest.mark.parametrize("piece", ["$", "{{", "<a ", "待补", "x.", "`", "TODO ", "${a"])
def test_a_long_line_is_read_in_linear_time(piece: str) -> None:
    found = linted(f"# 报告\n\n- 精度：{piece * 20_000}\n")
    assert len([f for f in found if f.rule == "NPU001"]) <= 1
