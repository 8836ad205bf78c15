"""Every word of the station's page: English here, other languages in the catalogue `waypass_station`.

What a lane's answer means for staff is not here: that is `waypass_reader.words`, the same at the gate and on this page.
A text is its own key. `{name}` in it stands for a value.
"""

import gettext
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from waypass_protocol.messages import LaneState
from waypass_protocol.reasons import OverrideReason
from waypass_reader.station.board import Contact
from waypass_reader.station.gates import Opened
from waypass_reader.words import Language

DOMAIN = "waypass_station"
LOCALE = Path(__file__).resolve().parent.parent / "locale"
MINUTE, HOUR, DAY = 60, 3600, 86_400

# The page's fixed words, by their names in the templates.
PAGE: dict[str, str] = {
    "title": "Station",
    "skip": "Skip to the lanes",
    "sign_out": "Sign out",
    "needs_script": "This page is live and needs JavaScript.",
    "looking": "Asking the station box …",
    "lost_title": "No connection to the station box",
    "lost_text": "The gates go on by themselves, but this page does not see them. It tries again; look at the gates.",
    "go_there": "Go to the lane",
    "open_lane": "Open the lane …",
    "choose_reason": "Why is it opened by hand?",
    "choose_first": "Choose a reason first. It opens for one person and is counted by its reason, nothing else.",
    "cancel": "Cancel",
    "confirm": "Open once",
    "asking": "Asking the gate …",
    "no_answer": "The station box does not answer. Look whether the lane is open before you try again.",
    "hide": "Hide this message",
    "sign_in_title": "Staff of this station",
    "sign_in_text": "This page shows what the lanes are doing, and opens one when it has to be. It keeps nothing.",
    "key": "The station's key",
    "show_key": "Show the key",
    "sign_in": "Sign in",
    "wrong_key": "This is not the station's key. Try again.",
    "too_many": "Too many wrong keys. Wait a minute, then try again.",
    "no_box": "The station box does not answer. Try again.",
}

# The same page where a reader serves it itself, about its own lanes.
OF_ONE_READER: Mapping[str, str] = PAGE | {
    "looking": "Asking the reader …",
    "lost_title": "No connection to the reader",
    "lost_text": "The gate may go on by itself, but this page does not see it. It tries again; look at the gate.",
    "no_answer": "The reader does not answer. Look whether the lane is open before you try again.",
    "sign_in_title": "For staff of this reader",
    "no_box": "The reader does not answer. Try again.",
}

LANE_STATES: Mapping[LaneState | None, str] = {
    LaneState.IDLE: "Idle",
    LaneState.OPEN: "Open",
    LaneState.WAIT: "Waits for staff",
    LaneState.OUT_OF_ORDER: "Out of order",
    None: "Not known",
}

CONTACTS: Mapping[Contact, str] = {
    Contact.ONLINE: "Online",
    Contact.OFFLINE: "Offline",
    Contact.SILENT: "Silent",
    Contact.UNHEARD: "Not heard",
}

OVERRIDE_REASONS: Mapping[OverrideReason, str] = {
    OverrideReason.IDENTITY_CHECKED: "Identity checked",
    OverrideReason.CHECKED_BY_HAND: "Pass checked by hand",
    OverrideReason.NEEDS_HELP: "Luggage, wheelchair or child",
    OverrideReason.GATE_FAULT: "The gate is at fault",
    OverrideReason.CROWDING: "Crowding",
}

ANSWERS: Mapping[Opened, str] = {
    Opened.OPENED: "{lane} of {reader} is open for one person.",
    Opened.UNREACHABLE: "{reader} can't be reached, so {lane} stays closed. Open it at the gate.",
    Opened.UNCERTAIN: "{reader} did not answer. Look whether {lane} is open before you try again.",
    Opened.REFUSED: "{reader} does not take this station's key, so {lane} stays closed. Open it at the gate.",
    Opened.UNKNOWN_LANE: "{reader} has no {lane} any more.",
    Opened.FAILED: "{reader} could not open {lane}. Open it at the gate.",
}

CLOCKS: Mapping[bool, str] = {True: "Clock right", False: "Clock not trusted"}

# What stands in the views besides, each with its plural where it counts something.
NOBODY_WAITS = "Nobody waits"
NOBODY_HEARD_WAITS = "Nobody waits at the gates that are online"
NOT_KNOWN_WHO_WAITS = "Not known whether anybody waits"
ONE_WAITS = "{lane} of {reader} waits for staff"
SEVERAL_WAIT = "{n} lanes wait for staff"
PEOPLE = ("{n} person a minute", "{n} people a minute")
BY_STAFF = "Opened by staff"
LAST = "Just now: {what}"
LAST_OPENED = "Just now: opened"
LAST_BY_STAFF = "Just now: opened by staff"
REASON = "Reason: {code}"
LAST_UNASKED = "Just now: somebody walked through whom nothing let in"
CAMERA_WORKS = "Camera works"
CAMERA_WRONG = "Camera: {what}"
LISTS_AGE = "Lists {age} old"
LISTS_UNKNOWN = "Age of its lists not known"
LISTS_NONE = "No lists"
TROUBLE = "{part}: {what}"
BROKER_REACHED = "Broker reached"
BROKER_LOST = "Broker out of reach"
BROKER_LOST_TEXT = (
    "The station's broker has been out of reach for {time}. The gates go on by themselves; what they do is not seen "
    "here. Lanes can still be opened."
)
SECONDS, MINUTES, HOURS, DAYS = "{n} s", "{n} min", "{n} h {m} min", "{n} d {m} h"


class Speech:
    """The page's words in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._catalogue = _catalogue(language)

    def say(self, text: str, **values: object) -> str:
        """A text."""
        return self._catalogue.gettext(text).format(**values)

    def count(self, texts: tuple[str, str], n: int, **values: object) -> str:
        """A text about `n` of something: for one, and for any other number."""
        return self._catalogue.ngettext(*texts, n).format(n=n, **values)

    def duration(self, seconds: int) -> str:
        """About how long."""
        if seconds < MINUTE:
            return self.say(SECONDS, n=seconds)
        if seconds < HOUR:
            return self.say(MINUTES, n=seconds // MINUTE)
        if seconds < DAY:
            return self.say(HOURS, n=seconds // HOUR, m=seconds % HOUR // MINUTE)
        return self.say(DAYS, n=seconds // DAY, m=seconds % DAY // HOUR)


@cache  # a catalogue is read from the disk once
def _catalogue(language: Language) -> gettext.NullTranslations:
    if language is Language.ENGLISH:
        return gettext.NullTranslations()
    return gettext.translation(DOMAIN, LOCALE, [language.value])
