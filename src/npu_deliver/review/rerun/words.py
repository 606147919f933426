"""What a rerun came to, what that proves and what it does not, in the languages of reports."""

from __future__ import annotations

import npu_deliver
from npu_deliver.review.rerun.reproduction import Comparison

_ENGLISH: dict[str, str] = {
    "other-version": "! {version}; both runs are judged here by the rules of this one",
    "contradicts": "! the original contradicts itself in {count} places; npu-deliver verify lists them",
    "code-same": "✓ the folder's copy of npu-deliver's code is that of the release that it names",
    "code-differs": "✗ the folder runs code that is not the release's: {count} files differ from {named}",
    "code-unknown": "! the folder's code is of {named}; this is {ours}, so the two cannot be compared: {fix}",
    "install": "pip install npu-deliver=={version} and rerun it with that",
    "no-version": "nobody can say which version to install",
    "deviates": "✗ what the run recorded is not what its tensors give: {places}",
    "altered": "✗ files changed below the run while it ran: {places}",
    "outputs": "{mark} outputs of the {side}: {same} of {count} bit-identical",
    "output-differs": "    {input} {output} differs{far}",
    "far": ": relative L2 distance {low} to {high}",
    "predictions": "{mark} predictions: {same} of {count} photos equal",
    "differs": "    {name} differs",
    "kind": "{mark} {kind}: {state}",
    "verdicts": "{mark} verdicts: {same} of {count} equal",
    "verdict": "    {criterion}: {old} then, {new} now",
    "latency": (
        "  latency, batch {size}: {old} ms then, {new} ms now, {ratio} times; {word} the noise of the two runs "
        "({noise})"
    ),
    "environment": "  what differs in the environment:",
    "proves": "what this shows:",
    "not": "what it does not show:",
    "reproduced": "reproduced to the bit",
    "not-reproduced": "not reproduced to the bit",
    "own-word": "the same to the bit by the word of the folder's own code; not verified",
    "ran-release": (
        "the code of this release ({ours}) ran, not the folder's copy of it, on the folder's spec and inputs"
    ),
    "no-author-code": "no code of the author ran: the adapter is this release's own",
    "counted": (
        "{count} outputs left the run as tensors; their hashes, errors and agreements were counted from these by "
        "a second process, in which only this release's code ran"
    ),
    "same-bytes": "the candidate's outputs have the very bytes whose sha256 the folder states",
    "hashed": "the sha256 of code, weights and inputs were computed here from the files",
    "author-code": (
        "{adapter} is the author's code and ran in the process that holds the model: it could return stored "
        "values, or change what is counted there; read it"
    ),
    "own-records": "predictions, detections, times and memory are what the run itself recorded beside that code",
    "times": "times are of this machine and say nothing of the author's",
    "device": "that the original ran on the device that it names: this ran on {device}",
    "environment-trust": "that the packages installed in the image do what they are called after",
    "no-container": "that nothing on this machine was touched: it ran without a container, as you",
    "folder-code": "any of the folder's numbers: its own copy of the code ran, and what that records was believed",
}
_CHINESE: dict[str, str] = {
    "other-version": "! {version}；此处两次运行均按本版本的规则判定",
    "contradicts": "! 原文件夹有 {count} 处自相矛盾；可用 npu-deliver verify 逐条查看",
    "code-same": "✓ 文件夹中的 npu-deliver 代码与其所称版本一致",
    "code-differs": "✗ 文件夹中的代码与发布版本不一致：有 {count} 个文件与 {named} 不同",
    "code-unknown": "! 文件夹的代码来自 {named}，本程序为 {ours}，两者无法比较：{fix}",
    "install": "请 pip install npu-deliver=={version} 后用该版本重跑",
    "no-version": "无从得知应安装哪个版本",
    "deviates": "✗ 本次运行的记录与其输出张量不符：{places}",
    "altered": "✗ 运行所用的文件在运行期间被改动：{places}",
    "outputs": "{mark} {side}的输出：{count} 个中有 {same} 个逐位一致",
    "output-differs": "    {input} {output} 不同{far}",
    "far": "：相对 L2 距离在 {low} 与 {high} 之间",
    "predictions": "{mark} 预测：{count} 张图片中有 {same} 张相同",
    "differs": "    {name} 不同",
    "kind": "{mark} {kind}：{state}",
    "verdicts": "{mark} 判定：{count} 项中有 {same} 项相同",
    "verdict": "    {criterion}：当时 {old}，现在 {new}",
    "latency": (
        "  延迟，batch {size}：当时 {old} ms，现在 {new} ms，为 {ratio} 倍；{word}两次运行自身的波动（{noise}）"
    ),
    "environment": "  环境中的差异：",
    "proves": "本次重跑表明：",
    "not": "本次重跑不能表明：",
    "reproduced": "逐位复现",
    "not-reproduced": "未能逐位复现",
    "own-word": "据文件夹所附代码的记录，结果逐位一致；未经核实",
    "ran-release": "运行的是本版本（{ours}）的代码，而非文件夹中的副本；用的是文件夹的 spec.json 与输入",
    "no-author-code": "没有运行作者的任何代码：适配器出自本版本",
    "counted": "{count} 个输出以张量形式取出；其哈希、误差与一致性由另一个只运行本版本代码的进程据此重新计算",
    "same-bytes": "适配端输出的字节与文件夹所记 sha256 完全一致",
    "hashed": "代码、权重与输入的 sha256 均在此处由文件计算得出",
    "author-code": (
        "{adapter} 没有作假：它是作者的代码，与模型在同一进程中运行，可以返回事先存好的数值，也可以改动在其中统计的"
        "内容；请自行阅读"
    ),
    "own-records": "预测、检测结果、耗时与内存属实：它们由本次运行自行记录，而作者的代码在同一进程中运行",
    "times": "作者机器上的耗时：本次耗时均在本机测得",
    "device": "原结果确实在其所称的设备上得出：本次运行所用设备为 {device}",
    "environment-trust": "镜像中安装的软件包名副其实",
    "no-container": "本机未受影响：本次运行未使用容器，而是以您的身份直接运行",
    "folder-code": "文件夹中的任何数字属实：运行的是它所附的代码，其记录未经核对即被采信",
}

_SIDES = {"candidate": ("candidate", "适配端"), "reference": ("reference", "参考端")}


class _Say:
    """The sentences in one language."""

    def __init__(self, lang: str) -> None:
        self.which = 1 if lang == "zh" else 0

    def __call__(self, code: str, **parts: object) -> str:
        return (_ENGLISH, _CHINESE)[self.which][code].format(**parts)


def ours() -> str:
    """This release, as people install it."""
    return f"npu-deliver {npu_deliver.__version__}"


def proof(found: Comparison, lang: str) -> tuple[list[str], list[str]]:
    """What a rerun shows, and what it does not."""
    say, ran = _Say(lang), found.ran
    shows = []
    if ran.release_code:
        shows.append(say("ran-release", ours=ours()))
        shows += [] if ran.adapter else [say("no-author-code")]
        shows += [say("counted", count=ran.outputs)] if ran.outputs else []
        shows += [say("hashed")]
        mine = [o for o in found.outputs if o.side == "candidate"]
        if mine and all(o.identical for o in mine) and not ran.deviations:
            shows.append(say("same-bytes"))
    hides = [] if ran.release_code else [say("folder-code")]
    hides += [say("author-code", adapter=ran.adapter), say("own-records")] if ran.adapter else []
    hides += [say("times"), say("device", device=ran.device)]
    hides += [say("environment-trust")] if ran.contained else [say("no-container")]
    return shows, hides


def lines(found: Comparison, lang: str) -> list[str]:
    """The answer for a terminal."""
    say = _Say(lang)
    told = [*_code_lines(found, say), *_output_lines(found, say), *_other_lines(found, say)]
    shows, hides = proof(found, lang)
    told += [say("proves"), *(f"  + {line}" for line in shows)] if shows else []
    told += [say("not"), *(f"  - {line}" for line in hides)]
    if not found.reproduced:
        return [*told, say("not-reproduced")]
    return [*told, say("reproduced" if found.ran.release_code else "own-word")]


def _code_lines(found: Comparison, say: _Say) -> list[str]:
    told = []
    if found.other_version is not None:
        told.append(say("other-version", version=found.other_version))
        told += [f"~ {each}" for each in found.changed]
    if found.findings:
        told.append(say("contradicts", count=found.findings))
    if found.code is None:
        number = found.named.removeprefix("npu-deliver ").partition(" ")[0]
        named = found.named.startswith("npu-deliver ")
        fix = say("install", version=number) if named else say("no-version")
        told.append(say("code-unknown", named=found.named, ours=ours(), fix=fix))
    elif found.code:
        told.append(say("code-differs", count=len(found.code), named=found.named))
        told += [f"    {each}" for each in found.code[:SHOWN]]
        told += ["    …"] if len(found.code) > SHOWN else []
    else:
        told.append(say("code-same"))
    if found.ran.deviations:
        told.append(say("deviates", places=_some(found.ran.deviations)))
    if found.ran.altered:
        told.append(say("altered", places=_some(found.ran.altered)))
    return told


SHOWN = 20
"""So many files are printed; JSON has all."""


def _some(places: tuple[str, ...], most: int = 3) -> str:
    more = f", … ({len(places)})" if len(places) > most else ""
    return ", ".join(places[:most]) + more


def _output_lines(found: Comparison, say: _Say) -> list[str]:
    told = []
    for side, names in _SIDES.items():
        outputs = [o for o in found.outputs if o.side == side]
        same = sum(o.identical for o in outputs)
        if outputs:
            mark = _mark(same == len(outputs))
            told.append(say("outputs", mark=mark, side=names[say.which], same=same, count=len(outputs)))
        for o in outputs:
            if not o.identical:
                far = say("far", low=f"{o.distance[0]:.3g}", high=f"{o.distance[1]:.3g}") if o.distance else ""
                told.append(say("output-differs", input=o.input, output=o.output, far=far))
    return told


def _other_lines(found: Comparison, say: _Say) -> list[str]:
    told = []
    if found.predictions:
        same, count = sum(found.predictions.values()), len(found.predictions)
        told.append(say("predictions", mark=_mark(same == count), same=same, count=count))
        told += [say("differs", name=name) for name, equal in found.predictions.items() if not equal]
    for kind, equal in found.other.items():
        state = (("differs", "不同"), ("equal", "相同"))[equal][say.which]
        told.append(say("kind", mark=_mark(equal), kind=kind, state=state))
    changed, count = [v for v in found.verdicts if v[1] != v[2]], len(found.verdicts)
    told.append(say("verdicts", mark=_mark(not changed), same=count - len(changed), count=count))
    told += [say("verdict", criterion=criterion, old=old, new=new) for criterion, old, new in changed]
    for each in found.latencies:
        word = (("beyond", "超出"), ("within", "未超出"))[each.within_noise][say.which]
        told.append(
            say(
                "latency",
                size=each.batch_size,
                old=f"{each.original_s * 1e3:.3f}",
                new=f"{each.rerun_s * 1e3:.3f}",
                ratio=f"{each.ratio:.3f}",
                word=word,
                noise=f"{each.noise:.1%}",
            )
        )
    if found.environment:
        told.append(say("environment"))
        told += [f"    {what}: {old} -> {new}" for what, old, new in found.environment]
    return told


def _mark(good: bool) -> str:
    return "✓" if good else "✗"
