"""What a notice says to the person, in English and then in Chinese: it is not known which of them they read.

Sentences for the kinds there are, and for what a notice holds; scopes are told by number, as the wallet knows them by
name. Nothing is left out that an objection needs.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from waypass_server.notices import OutgoingNotice

_SUBJECTS: Final = {
    "entry": ("Something is to change for your passes", "您的通行证将有变更"),
    "entry-ended": ("An entry about you has ended", "关于您的一项条目已结束"),
    "objection-decided": ("Your objection was decided", "您的异议已有决定"),
    "exemption": ("You are let through for a while", "您获准在一段时间内通行"),
    "exemption-ended": ("An exemption of yours was ended early", "您的一项临时放行已提前结束"),
    "fact": ("Something about you was recorded", "关于您的一项信息已记录"),
    "fact-withdrawn": ("Something that was recorded about you counts no more", "关于您的一项记录已不再有效"),
    "fact-reinstated": ("Something that was withdrawn counts again for you", "关于您的一项已撤回的记录重新有效"),
    "withdrawal": ("Your passes were withdrawn; you can fetch new ones", "您的通行证已撤回，可重新获取"),
    "paper-replaced": (
        "A desk made you a new paper pass; the one before is no longer valid",
        "服务台为您制作了新的纸质通行证，之前的一张已失效",
    ),
    "wallet-replaced": (
        "A new wallet was set up for you with a desk code; the one before has ended",
        "已用服务台的代码为您设置新的通行夹，之前的通行夹已停用",
    ),
}
_OTHER: Final = ("A notice about your passes", "关于您通行证的通知")


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "✓" if value else "✗"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def _moment(value: object) -> str:
    return datetime.fromtimestamp(int(str(value)), UTC).strftime("%Y-%m-%d %H:%M UTC")


def _days(value: object) -> str:
    hours = -(-int(str(value)) // 3600)
    return f"{hours} h" if hours < 48 else f"{hours // 24} d"


_FIELDS: Final[Mapping[str, tuple[str, str, Callable[[object], str]]]] = {
    "effect": ("Effect", "效果", _plain),
    "scopes": ("In the services with the numbers", "涉及的服务编号", _plain),
    "reason": ("Reason", "原因", _plain),
    "basis": ("Basis", "依据", _plain),
    "citation": ("Where it is written", "条文", _plain),
    "authority": ("Who answers for it", "负责机关", _plain),
    "contact": ("How to reach them", "联系方式", _plain),
    "case": ("Case", "案件", _plain),
    "source": ("Source", "来源", _plain),
    "at": ("When", "时间", _moment),
    "starts_at": ("Begins", "开始", _moment),
    "takes_effect_not_before": ("Takes effect not before", "最早生效时间", _moment),
    "ends_at": ("Ends", "结束", _moment),
    "valid_until": ("Valid until", "有效至", _moment),
    "objection_decided_within": ("An objection is decided within", "异议的决定期限", _days),
    "decision": ("Decision", "决定", _plain),
    "answer": ("Answer", "答复", _plain),
    "end": ("How it ended", "结束方式", _plain),
}
_OBJECT: Final = (
    "You can object now: open your wallet, go to this entry and write why. While nobody has decided, an objection made "
    "before it takes effect keeps it from taking effect.",
    "您现在就可以提出异议：打开通行夹，进入该条目并写明理由。在生效前提出的异议，在作出决定之前会使其不生效。",
)


def subject_of(notice: OutgoingNotice) -> str:
    """Of a mail. It says nothing that others at the same screen should not read."""
    return " / ".join(_SUBJECTS.get(notice.kind, _OTHER))


def lines_of(notice: OutgoingNotice) -> list[str]:
    """The text, one line each."""
    lines: list[str] = []
    for language in (0, 1):
        lines += [_SUBJECTS.get(notice.kind, _OTHER)[language], ""]
        for name, field in _FIELDS.items():
            value = notice.content.get(name)
            if value is not None:
                lines.append(f"{field[language]}: {field[2](value)}")
        if "object" in notice.content:
            lines += ["", _OBJECT[language]]
        lines += ["", ""]
    return lines[:-2]
