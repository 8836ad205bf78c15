"""Every word of the stage, in English and Chinese: its page, who walks up, and what a gate answered.

The stage tells the spectator more than anybody at a gate would learn: reasons stand here, while the gate's own screen,
shown beside it, says only what its holder may see.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from waypass_protocol.reasons import Reason
from waypass_simulator.demo.crowd import Role


class Language(StrEnum):
    """The languages of the stage; the value is the page's `lang`."""

    ENGLISH = "en"
    CHINESE = "zh"


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """The same words in each language."""

    en: str
    zh: str

    def spoken(self, language: Language) -> str:
        """The words in one language."""
        return self.zh if language is Language.CHINESE else self.en


ROLES: Final[Mapping[Role, Words]] = {
    Role.COMMUTER: Words(en="A commuter, green pass", zh="通勤者，绿色通行证"),
    Role.COMMUTER_YELLOW: Words(en="A commuter, yellow pass", zh="通勤者，黄色通行证"),
    Role.COMMUTER_RED: Words(en="A commuter, red pass", zh="通勤者，红色通行证"),
    Role.PAPER: Words(en="A paper pass", zh="纸质通行证"),
    Role.POSITIVE_TEST: Words(en="Somebody with a positive test", zh="检测结果为阳性者"),
    Role.BANNED: Words(en="Somebody with a red pass", zh="持红色通行证者"),
    Role.OTHER_SERVICE: Words(en="A pass for another service", zh="其他服务的通行证"),
    Role.RIGHT_BEHIND: Words(en="Somebody right behind, same pass", zh="紧随其后，同一通行证"),
    Role.PHOTOGRAPH: Words(en="A photograph a minute old", zh="一分钟前拍的照片"),
    Role.COPY: Words(en="A pass copied without its key", zh="没有密钥的通行证副本"),
    Role.OTHER_NETWORK: Words(en="A code of another network", zh="其他网络的通行码"),
    Role.ADVERTISEMENT: Words(en="An advertisement's code", zh="广告二维码"),
    Role.VISITOR: Words(en="You, with your phone", zh="您和您的手机"),
}

REASONS: Final[Mapping[Reason, Words]] = {
    Reason.NOT_WAYPASS: Words(en="Not a Waypass code", zh="不是通行码"),
    Reason.MALFORMED: Words(en="A damaged code", zh="通行码已损坏"),
    Reason.CLOCK_UNTRUSTED: Words(en="The gate does not trust its clock", zh="闸机时钟不可信"),
    Reason.UNKNOWN_KEY: Words(en="An issuer that this gate does not know", zh="闸机不认识签发者"),
    Reason.BAD_SIGNATURE: Words(en="Not genuine", zh="签名无效"),
    Reason.UNBOUND_COPY: Words(en="A copy: the phone's key is missing", zh="副本：缺少手机密钥"),
    Reason.NOT_YET_VALID: Words(en="Not valid yet", zh="尚未生效"),
    Reason.EXPIRED: Words(en="Expired", zh="已过期"),
    Reason.STALE_PRESENTATION: Words(en="Too old: not shown live", zh="过时：并非实时出示"),
    Reason.STATUS_UNKNOWN: Words(en="The gate has no list for this pass", zh="闸机没有此证的名单"),
    Reason.LISTS_TOO_OLD: Words(en="The gate's lists are too old", zh="闸机名单过旧"),
    Reason.SUPERSEDED: Words(en="Withdrawn: superseded by a newer pass", zh="已撤回：被新证取代"),
    Reason.SUSPENDED: Words(en="Suspended", zh="已暂停"),
    Reason.SCOPE_MISSING: Words(en="Not for this service", zh="不适用于本服务"),
    Reason.RED: Words(en="A red pass", zh="红色通行证"),
    Reason.YELLOW: Words(en="A yellow pass: staff will check", zh="黄色通行证：需人工核验"),
    Reason.SEEN_ALREADY: Words(en="Seen here a moment ago", zh="刚刚在此使用过"),
    Reason.IDENTITY_CHECK: Words(en="Paper: staff compare the name", zh="纸质：需核对姓名"),
    Reason.GREEN: Words(en="Green, and nothing against it", zh="绿色，一切正常"),
}

OUTCOMES: Final[Mapping[str, Words]] = {
    "open": Words(en="Opened", zh="已放行"),
    "assist": Words(en="Please wait for staff", zh="请等候工作人员"),
    "refuse": Words(en="Not opened", zh="未放行"),
    "unread": Words(en="Not read; try again", zh="未能识别，请重试"),
    "looking": Words(en="Looking…", zh="识别中…"),
}

GATES: Final[Mapping[str, Words]] = {
    "gate-a": Words(en="Gate A", zh="A 号闸机"),
    "gate-b": Words(en="Gate B", zh="B 号闸机"),
}

PAGE: Final[Mapping[str, Words]] = {
    "title": Words(en="Waypass, live", zh="Waypass 现场演示"),
    "subtitle": Words(en="A small metro on this machine", zh="本机上的小型地铁"),
    "language": Words(en="Language", zh="语言"),
    "skip": Words(en="To your phone", zh="跳到您的手机"),
    "gates": Words(en="Two gates, deciding offline", zh="两台离线判断的闸机"),
    "camera": Words(en="What its camera sees", zh="摄像头画面"),
    "display": Words(en="What its screen says", zh="闸机屏幕"),
    "nobody": Words(en="Nobody is here", zh="暂无人"),
    "closed": Words(en="This gate's reader is not running", zh="该闸机的读码器未运行"),
    "hold": Words(en="Hold my phone to {gate}", zh="将手机对准{gate}"),
    "holding": Words(en="Holding it up…", zh="正在出示…"),
    "no_code": Words(
        en="Your phone shows no code yet. Set up its wallet with a desk code.",
        zh="您的手机还没有通行码：请先用服务台的代码设置通行夹。",
    ),
    "busy": Words(en="Somebody waits there already. A moment, please.", zh="已有人在等候，请稍等。"),
    "trouble": Words(en="The gate did not answer. It may be starting.", zh="闸机没有应答，可能正在启动。"),
    "said": Words(en="Your phone: {outcome}. {reason}.", zh="您的手机：{outcome}。{reason}。"),
    "phone": Words(en="Your phone", zh="您的手机"),
    "wallet": Words(en="The Waypass wallet", zh="Waypass 通行夹"),
    "desk": Words(en="From the desk", zh="服务台"),
    "desk_code": Words(en="Your desk code", zh="您的代码"),
    "desk_none": Words(en="The desk gives you a code for your phone.", zh="服务台会给您一个手机代码。"),
    "desk_person": Words(en="The desk knows you as", zh="您在服务台的编号："),
    "desk_new": Words(en="Get a desk code", zh="领取代码"),
    "desk_again": Words(en="A fresh code", zh="换一个新代码"),
    "desk_once": Words(en="Works once, for ten minutes.", zh="十分钟内有效，仅限一次。"),
    "desk_open": Words(en="Type it for me", zh="替我输入"),
    "desk_trouble": Words(en="The desk did not answer. Please try again.", zh="服务台没有应答，请重试。"),
    "news": Words(en="Who walked up", zh="刚刚经过的人"),
    "counts": Words(
        en="{open} opened, {assist} waited for staff, {refuse} not opened",
        zh="放行 {open} 次，等候 {assist} 次，未放行 {refuse} 次",
    ),
    "try": Words(en="Try this", zh="试一试"),
    "try_enrol": Words(en="Get a desk code and set up the wallet on your phone.", zh="领取代码，在手机上设置通行夹。"),
    "try_hold": Words(
        en="Hold your phone to a gate. It opens: green, and nobody was asked.",
        zh="将手机对准闸机。闸机放行：绿色，无需联网询问。",
    ),
    "try_propose": Words(
        en="As Pavel, propose a red entry about yourself, on the basis “{basis}”.",
        zh="以 Pavel 的身份，依据“{basis}”对您自己提出红色条目。",
    ),
    "try_approve": Words(
        en="As Anna, approve it: nobody can do both. {notice} seconds later it takes effect.",
        zh="以 Anna 的身份批准：一个人不能同时做两件事。{notice} 秒后生效。",
    ),
    "try_again": Words(
        en="Hold your phone to the gate once more, and read in the wallet why, and how to object.",
        zh="再次将手机对准闸机，并在通行夹中查看原因和申诉方式。",
    ),
    "people": Words(en="Two people, two screens", zh="两个人，两块屏幕"),
    "pavel": Words(en="Pavel proposes", zh="Pavel 提出"),
    "anna": Words(en="Anna approves", zh="Anna 批准"),
    "ops": Words(en="Operations", zh="运营"),
    "station": Words(en="The station's staff page", zh="车站工作人员页面"),
    "station_key": Words(en="Its key:", zh="其密钥："),
    "new_tab": Words(en="opens in a new tab", zh="在新标签页中打开"),
    "note": Words(
        en="Everything here is real but the people, the telephones and the cameras: server, broker and readers are"
        " programs of their own, and each code is read by the reader's own eyes.",
        zh="除了人、手机和摄像头，一切都是真实的：服务器、消息代理和读码器都是独立的程序，每个码都由读码器自己识别。",
    ),
    "starting": Words(en="The stage is being set up", zh="演示正在启动"),
    "starting_text": Words(
        en="Server, broker and gates are starting. This page comes back by itself.",
        zh="服务器、消息代理和闸机正在启动，本页会自动刷新。",
    ),
    "away": Words(en="The demonstration has ended.", zh="演示已结束。"),
}
"""Words of the page, by name. `{...}` is filled in."""
