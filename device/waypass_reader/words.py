"""Every word that a gate says to people, in one table: English and Chinese.

The holder reads what the aspect says, never the reason: a bystander who looks at the screen learns no more than "go",
"please wait", "closed" or "not read". Staff get one instruction for each reason that does not open.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from waypass_protocol.reasons import Reason, Shown


class Language(StrEnum):
    """The languages that a display can speak."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Sign:
    """What the holder sees for one aspect: a symbol beside the colour, for whoever cannot tell colours apart."""

    symbol: str
    words: Words


SIGNS: Mapping[Shown, Sign] = {
    Shown.GREEN: Sign(symbol="✔", words=Words(en="Please go through", zh="请通行")),
    Shown.YELLOW: Sign(symbol="✋", words=Words(en="Please wait for staff", zh="请稍候，工作人员会来协助您")),
    Shown.RED: Sign(
        symbol="▬", words=Words(en="Not open for you now; staff will help", zh="暂不能通行，请联系工作人员")
    ),
    Shown.GREY: Sign(
        symbol="?", words=Words(en="This code was not accepted; staff will help", zh="未能识别此码，请联系工作人员")
    ),
}

IDLE = Words(en="Show your code", zh="请出示您的通行码")
OUT_OF_ORDER = Words(en="This gate is out of order", zh="本通道暂停使用")
STAFF = Words(en="Staff", zh="工作人员")

STAFF_INSTRUCTIONS: Mapping[Reason, Words] = {
    Reason.NOT_WAYPASS: Words(
        en="Another kind of code was shown; ask for the Waypass code.",
        zh="出示的不是通行码，请其出示通行码。",
    ),
    Reason.MALFORMED: Words(
        en="The code is damaged; ask to show it again, or make a new pass at the desk.",
        zh="此码已损坏，请重新出示，或到服务台换发。",
    ),
    Reason.CLOCK_UNTRUSTED: Words(
        en="This gate does not know the time; check by hand and call the technician.",
        zh="本机时间不可信，请人工核验并通知技术人员。",
    ),
    Reason.UNKNOWN_KEY: Words(
        en="The pass is from an issuer that this gate does not know; check at the desk.",
        zh="本机不认识此码的签发者，请到服务台核验。",
    ),
    Reason.BAD_SIGNATURE: Words(
        en="The code is not genuine; ask to open the wallet and show the pass itself.",
        zh="此码签名无效，请其打开钱包出示原始通行码。",
    ),
    Reason.UNBOUND_COPY: Words(
        en="This is a copy of a wallet's pass; ask to show it in the wallet.",
        zh="这是电子通行码的副本，请在钱包中出示。",
    ),
    Reason.NOT_YET_VALID: Words(
        en="The pass begins later; read its start together and help.",
        zh="此码尚未生效，请一同查看生效时间并协助。",
    ),
    Reason.EXPIRED: Words(
        en="The pass has ended; help to fetch a new one, in the wallet or at the desk.",
        zh="此码已过期，请协助在钱包或服务台更新。",
    ),
    Reason.STALE_PRESENTATION: Words(
        en="The code is too old or the phone's clock is off; ask to show it live in the wallet.",
        zh="此码已过时或手机时间不准，请在钱包中重新出示。",
    ),
    Reason.STATUS_UNKNOWN: Words(
        en="This gate has no list for this pass; check at the desk.",
        zh="本机没有此码的状态名单，请到服务台核验。",
    ),
    Reason.LISTS_TOO_OLD: Words(
        en="This gate has had no news for too long; check by hand and call the technician.",
        zh="本机名单过旧，请人工核验并通知技术人员。",
    ),
    Reason.SUPERSEDED: Words(
        en="A newer pass replaces this one; help to fetch it.",
        zh="此码已被新码取代，请协助获取新码。",
    ),
    Reason.SUSPENDED: Words(
        en="The pass is suspended; help at the desk.",
        zh="此码已暂停，请到服务台协助处理。",
    ),
    Reason.SCOPE_MISSING: Words(
        en="The pass is for other services; help to fetch one for this gate.",
        zh="此码不适用于本服务，请协助获取适用的通行码。",
    ),
    Reason.RED: Words(
        en="Not open for this pass today; speak aside, the reason is on the holder's own page.",
        zh="今日不可通行，请到一旁说明，原因见本人页面。",
    ),
    Reason.YELLOW: Words(
        en="A check by staff is asked for; follow the station's procedure, aside.",
        zh="需要人工核验，请到一旁按流程处理。",
    ),
    Reason.SEEN_ALREADY: Words(
        en="This pass opened a lane a moment ago; let a companion show their own.",
        zh="此码刚刚使用过，请同行者出示自己的码。",
    ),
    Reason.IDENTITY_CHECK: Words(
        en="A paper pass; compare the name printed on it with an identity document, then open.",
        zh="纸质通行码，请将码上姓名与身份证件核对后放行。",
    ),
}
"""One instruction for each assist and refuse reason."""


def instruction(reason: Reason) -> Words | None:
    """What staff do for a reason; None for the one that opens."""
    return STAFF_INSTRUCTIONS.get(reason)
