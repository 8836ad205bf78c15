"""Every word that a gate says to people: English here, other languages in the catalogue `waypass_reader`.

The holder reads what the aspect says, never the reason: a bystander who looks at the screen learns no more than "go",
"please wait", "closed" or "not read". Staff get one instruction for each reason that does not open.

A text is its own key: whatever stands in `Words("...")` anywhere in this package has to be in
`locale/LANGUAGE/LC_MESSAGES/waypass_reader.po`, and compiled beside it (`scripts/reader_words.py`).
"""

import gettext
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from waypass_protocol.reasons import Reason, Shown

DOMAIN = "waypass_reader"
LOCALE = Path(__file__).resolve().parent / "locale"


class Language(StrEnum):
    """The languages that a display can speak."""

    ENGLISH = "en"
    CHINESE = "zh"


@dataclass(frozen=True, slots=True)
class Words:
    """The same words in every language, known by the English ones."""

    en: str

    def spoken(self, language: Language) -> str:
        """The words in one language; in English where a catalogue lacks them."""
        return _catalogue(language).gettext(self.en)


@cache  # a catalogue is read from the disk once
def _catalogue(language: Language) -> gettext.NullTranslations:
    if language is Language.ENGLISH:
        return gettext.NullTranslations()
    return gettext.translation(DOMAIN, LOCALE, [language.value])


@dataclass(frozen=True, kw_only=True, slots=True)
class Sign:
    """What the holder sees for one aspect: a symbol beside the colour, for whoever cannot tell colours apart."""

    symbol: str
    words: Words


SIGNS: Mapping[Shown, Sign] = {
    Shown.GREEN: Sign(symbol="✔", words=Words("Please go through")),
    Shown.YELLOW: Sign(symbol="✋", words=Words("Please wait for staff")),
    Shown.RED: Sign(symbol="▬", words=Words("Not open for you now; staff will help")),
    Shown.GREY: Sign(symbol="?", words=Words("This code was not accepted; staff will help")),
}

IDLE = Words("Show your code")
OUT_OF_ORDER = Words("This gate is out of order")
STAFF = Words("Staff")
NO_CONNECTION = Words("Connection lost; please ask staff")
SCREEN_OF = Words("Screen of lane {lane}")
ALL_SCREENS = Words("Screens of reader {reader}")
NO_SCRIPT = Words("This page is live and needs JavaScript")

STAFF_INSTRUCTIONS: Mapping[Reason, Words] = {
    Reason.NOT_WAYPASS: Words("Another kind of code was shown; ask for the Waypass code."),
    Reason.MALFORMED: Words("The code is damaged; ask to show it again, or make a new pass at the desk."),
    Reason.CLOCK_UNTRUSTED: Words("This gate does not know the time; check by hand and call the technician."),
    Reason.UNKNOWN_KEY: Words("The pass is from an issuer that this gate does not know; check at the desk."),
    Reason.BAD_SIGNATURE: Words("The code is not genuine; ask to open the wallet and show the pass itself."),
    Reason.UNBOUND_COPY: Words("This is a copy of a wallet's pass; ask to show it in the wallet."),
    Reason.NOT_YET_VALID: Words("The pass begins later; read its start together and help."),
    Reason.EXPIRED: Words("The pass has ended; help to fetch a new one, in the wallet or at the desk."),
    Reason.STALE_PRESENTATION: Words(
        "The code is too old or the phone's clock is off; ask to show it live in the wallet."
    ),
    Reason.STATUS_UNKNOWN: Words("This gate has no list for this pass; check at the desk."),
    Reason.LISTS_TOO_OLD: Words("This gate has had no news for too long; check by hand and call the technician."),
    Reason.SUPERSEDED: Words("A newer pass replaces this one; help to fetch it."),
    Reason.SUSPENDED: Words("The pass is suspended; help at the desk."),
    Reason.SCOPE_MISSING: Words("The pass is for other services; help to fetch one for this gate."),
    Reason.RED: Words("Not open for this pass today; speak aside, the reason is on the holder's own page."),
    Reason.YELLOW: Words("A check by staff is asked for; follow the station's procedure, aside."),
    Reason.SEEN_ALREADY: Words("This pass opened a lane a moment ago; let a companion show their own."),
    Reason.IDENTITY_CHECK: Words("A paper pass; compare the name printed on it with an identity document, then open."),
}
"""One instruction for each assist and refuse reason."""


def instruction(reason: Reason) -> Words | None:
    """What staff do for a reason; None for the one that opens."""
    return STAFF_INSTRUCTIONS.get(reason)
