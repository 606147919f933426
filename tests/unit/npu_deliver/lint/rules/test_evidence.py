"""Logs, pictures, named files, private places and secrets: what is somebody's or missing, and what only looks so."""

from __future__ import annotations

from pathlib import Path

import pytest

from lint_reports import folder_findings, linted

REPORT = "# 某网络昇腾 NPU 适配报告\n\n"
TRAINING = "# Net for PyTorch\n\n## 模型训练\n\nNPU，bash test/train_full_8p.sh\n\n"


def _rules(text: str) -> set[str]:
    return {finding.rule for finding in linted(text)}


NOBODYS = {
    "an example data path": TRAINING + "bash ./test/train_full_1p.sh --data_path=/data/xxx/  # 单卡精度\n",
    "a mount of an example": REPORT + '执行这两行（假设 SSD 挂载在 "/mnt/SSD/"）\n',
    "an account of the image": REPORT + "1. 源码上传到服务器任意目录（如：/home/HwHiAiUser）。\n",
    "an account of the cloud": REPORT + "- 数据：/home/ma-user/modelarts/inputs/data_url_0\n",
    "a data set below home": TRAINING + "data_root=/home/datasets/nuscenes\n",
    "a network with a number": TRAINING + "python train.py --data /home/yolov5/coco/images\n",
    "a folder of a service": TRAINING + "bash train.sh --data=/home/data_dump --cache /home/cache/x\n",
    "a volume of an image": REPORT + "docker run -v /mnt/turbo/.cache:/home/wangqw image\n",
    "an installed package": REPORT + "ImportError: /home/wangqw/.local/lib/python3.8/site-packages/torch/lib.so\n",
    "an account of a board": REPORT + "安装 /home/linaro/bsp-debs 下的开发包。\n",
    "a model below home": TRAINING + "./docker_start.sh pytorch:b020 /train/peta /home/DeepMar\n",
    "the model's own name": "# petr 模型训练\n\nNPU\n\n./configure --prefix=/home/petr/envs\n",
    "a folder named as an example": TRAINING + "# 以/home/hyp/为工程目录为例\n\ncd /home/hyp/net/\n",
    "a path inside a container": REPORT + "- 容器内工作目录：/workspace/model\n",
    "a mounted volume": REPORT + "docker run -v /data/models:/data/models image\n",
    "a command of a training page": TRAINING + "python train.py --data /data/coco --out /mnt/out/run\n",
    "a relative path": REPORT + "- 权重：${ROOT}/data/coco/w.pth，./data/x.bin，weights/model.pth\n",
    "a public folder": REPORT + "- 驱动：/usr/local/Ascend/driver\n",
    "an address of a peer": TRAINING + '--nnodes=2 --node_rank=0 --master_addr="192.168.1.1"\n',
    "an address of a training page": TRAINING + "服务器 10.1.2.3\n",
    "a version": REPORT + "- 固件：10.100.20.7.1\n",
    "a site": REPORT + "见 https://example.org/home/lisi/report.html\n",
}


@pytest.mark.parametrize("text", NOBODYS.values(), ids=NOBODYS.keys())
def test_a_place_that_is_nobodys_is_left_alone(text: str) -> None:
    assert "NPU025c" not in _rules(text)


SOMEBODYS = {
    "a home": REPORT + "- 权重路径：/home/lisi/models/w.pth\n",
    "a home on a training page": TRAINING + "python pre.py --save_path /home/zhangsan/Net/part1\n",
    "a home by initials": TRAINING + "python pre.py --save_path /home/houyw/Net/part1\n",
    "a home by staff number": TRAINING + 'serve "/home/w00123456/Net"\n',
    "a folder of homes in a statement": "- 权重路径：/home/me/model.pth\n",
    "a home with a number": TRAINING + "bash train.sh --data_url='/home/test_user08/Net-master/data/'\n",
    "a home on a Mac": REPORT + "日志 /Users/wangwu/out/run.log\n",
    "a home on Windows": TRAINING + "![](C:\\Users\\wanger\\Pictures\\image.png)\n",
    "a mounted disk": REPORT + "- 权重路径：/data1/models/w.pth\n",
    "a notebook": REPORT + "- 权重路径：/opt/atomgit/cache/w.safetensors\n",
    "an inner address": REPORT + "- 模型服务：http://10.20.30.40:8000\n",
}


@pytest.mark.parametrize("text", SOMEBODYS.values(), ids=SOMEBODYS.keys())
def test_a_place_on_one_machine_is_named(text: str) -> None:
    assert "NPU025c" in _rules(text)


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ('WEIGHTS = "/home/lisi/w.pth"\n', True),
        ('WEIGHTS = "/opt/atomgit/cache/w.pth"\n', True),
        ('path = args.root + "/data/ratings.dat"\n', False),
    ],
)
def test_a_script_of_a_report_is_read_too(tmp_path: Path, script: str, named: bool) -> None:
    found = folder_findings(tmp_path, README_dot_md=REPORT, inference_dot_py=script)
    assert ("NPU025c" in {f.rule for f in found}) is named


def test_the_scripts_of_a_training_page_are_not_the_authors_to_answer_for(tmp_path: Path) -> None:
    found = folder_findings(tmp_path, README_dot_md=TRAINING, main_dot_py="path = '/home/lisi/x'  # upstream\n")
    assert "NPU025c" not in {f.rule for f in found}


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("export HF_TOKEN=hf_AbCdEfGhIjKlMnOpQrStUvWxYz", True),
        ("密码：Abcd1234!", True),
        ("password = 'Tr0ub4dor&3'", True),
        ("password: Optional[str] = None", False),
        ("password=yourpassword", False),
        ("password=xxxxxxxx", False),
        ("passwd=getpasswd", False),
        ("sk-learn is a library", False),
    ],
)
def test_a_secret_is_told_from_a_word(line: str, named: bool) -> None:
    found = [f for f in linted(f"{REPORT}{line}\n") if f.rule == "NPU025d"]
    assert bool(found) is named
    assert all(line not in f"{f.message.en}{f.found}{f.evidence}" for f in found)


MISSING = {
    "a record": (REPORT + "- 精度日志：logs/accuracy.log\n", True),
    "a record of a training page": (TRAINING + "- 原始日志：logs/never.log\n", True),
    "a script to source": (TRAINING.replace("bash", "") + "source scripts/env.sh\n", True),
    "what a run will write": (TRAINING + "执行日志保存在'results/train_8p.log'中\n", False),
    "what a command writes": (TRAINING + "结果写入 results/out.json，日志生成在 logs/run.log\n", False),
    "an argument": (TRAINING + "python eval.py --out results/out.json\n", False),
    "an upstream script": (TRAINING + "git clone https://example.org/net\n\npython scripts/get_weights.py\n", False),
    "an upstream page": (TRAINING + "see `results/README.md`\n", False),
    "a site": (REPORT + "日志 https://example.org/logs/run.log\n", False),
    "a variable": (REPORT + "日志 logs/${name}/run.log\n", False),
}


@pytest.mark.parametrize(("text", "named"), MISSING.values(), ids=MISSING.keys())
def test_a_promised_file_is_missed_and_an_output_is_not(tmp_path: Path, text: str, named: bool) -> None:
    found = folder_findings(tmp_path, README_dot_md=text)
    assert ("NPU024c" in {f.rule for f in found}) is named


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("## 精度测试\n\n![截图](verify.jpg)\n", True),
        ("## 精度结果-生成图片展示\n\n![样例](008.jpg)\n", False),
        ("## 性能\n\n![截图](perf.png)\n\n- 平均延迟 5 ms\n", False),
        ("## 网络结构\n\n![结构](net.png)\n", False),
    ],
)
def test_a_picture_of_results_needs_its_numbers_and_a_gallery_does_not(text: str, named: bool) -> None:
    assert ("NPU024b" in _rules(REPORT + text)) is named


def test_only_a_report_is_asked_for_its_logs() -> None:
    table = "## 训练结果\n\n| NAME | FPS | Epochs |\n|---|---|---|\n| 8p-NPU | 4800.5 | 90 |\n"
    assert "NPU024a" not in _rules(TRAINING.replace("bash", "") + table)
    assert "NPU024a" in _rules(REPORT + "## 性能\n\n- 平均延迟 5 ms\n")


@pytest.mark.parametrize("piece", ["/home/a/", "logs/", "10.1.", "![](", "password=", "hf_A", "C:\\Users\\"])
def test_a_long_line_is_read_in_linear_time(piece: str) -> None:
    linted(REPORT + piece * (4000 // len(piece)) + "\n")
