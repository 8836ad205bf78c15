"""Notices by mail, through a relay over real SMTP: what arrives, what is refused, and that nothing takes effect that
nobody was told of.
"""

import json
import re
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.certificates import make_authority
from tests.support.mail_relay import MailRelay
from tests.support.office import NOTICE, Office

from waypass_server.errors import ConfigurationError
from waypass_server.mailed_notices import MailedNotices, relay_at
from waypass_server.models.records import NoticeKind
from waypass_server.notice_words import lines_of, subject_of
from waypass_server.notices import FileOutbox, NoticeNotSent, OutgoingNotice
from waypass_server.serving import sender_of
from waypass_server.settings import Settings

DOMAIN, SENDER = "notices.example.org", "metro@example.org"
CONTENT: dict[str, object] = {
    "entry": 7,
    "effect": "red",
    "scopes": [1, 4],
    "reason": "A laboratory found an infection. 化验结果呈阳性。",
    "basis": "Infection protection",
    "citation": "Act 7, section 3",
    "authority": "Health office",
    "contact": "health@example.org",
    "case": "H-2027-11",
    "starts_at": 1_800_000_000,
    "ends_at": 1_801_728_000,
    "takes_effect_not_before": 1_800_007_200,
    "object": "POST /api/v1/me/entries/7/objection",
    "objection_decided_within": 864_000,
}


def notice(number: int = 3, reference: str = "p-7f3a", kind: str = "entry", **changes: Any) -> OutgoingNotice:
    return OutgoingNotice(
        notice_id=number,
        network="metro",
        reference=reference,
        kind=kind,
        created_at=1_800_000_000,
        content=CONTENT | changes,
    )


def mailed(relay: MailRelay, *, trust: ssl.SSLContext | None = None, user: str | None = None) -> MailedNotices:
    address = f"smtp://{relay.host}:{relay.port}"
    given = relay_at(address, domain=DOMAIN, sender=SENDER, user=user, password=user and f"{user}'s own")
    return MailedNotices(given, trust=trust)


def test_a_person_is_told_all_that_an_objection_needs() -> None:
    with MailRelay() as relay:
        sender = mailed(relay)
        assert sender.send(notice()) == "250 queued as 1 for …"
        sender.close()
    ((to, message),) = relay.taken
    assert to == message["To"] == f"p-7f3a@{DOMAIN}"
    assert (message["From"], message["Message-ID"]) == (SENDER, f"<metro.3@{DOMAIN}>")
    assert message["Subject"] == "Something is to change for your passes / 您的通行证将有变更"
    body, attached = message.iter_parts()
    text = body.get_content()
    for words in (
        "Reason: A laboratory found an infection. 化验结果呈阳性。",
        "原因: A laboratory found an infection. 化验结果呈阳性。",
        "In the services with the numbers: 1, 4",
        "Where it is written: Act 7, section 3",
        "How to reach them: health@example.org",
        "Takes effect not before: 2027-01-15 10:00 UTC",
        "An objection is decided within: 10 d",
        "You can object now",
        "您现在就可以提出异议",
    ):
        assert words in text
    assert json.loads(attached.get_content()) == CONTENT


WALLET_WORDS = Path(__file__).parents[2] / "server" / "wallet" / "src" / "words.ts"


@pytest.mark.parametrize("kind", NoticeKind)
def test_every_kind_has_words_of_its_own_in_mails_and_in_the_wallet(kind: NoticeKind) -> None:
    told = [notice(kind=each) for each in (kind.value, "something new")]
    assert subject_of(told[0]) != subject_of(told[1])
    for one in re.findall(r"noticeKinds: \{(.*?)\n  \}", WALLET_WORDS.read_text(encoding="utf-8"), re.DOTALL):
        assert re.search(rf'^    "?{kind.value}"?: ".+",$', one, re.MULTILINE), "in each language"


@pytest.mark.parametrize("kind", [*(kind.value for kind in NoticeKind), "something new"])
def test_nothing_is_said_that_is_not_there(kind: str) -> None:
    told = OutgoingNotice(notice_id=1, network="metro", reference="p", kind=kind, created_at=0, content={"reason": "x"})
    lines = lines_of(told)
    assert lines[2:4] == ["Reason: x", ""]
    assert not any("object" in line for line in lines[2:])


def test_a_second_sending_is_the_same_message_on_the_same_connection() -> None:
    with MailRelay() as relay:
        sender = mailed(relay)
        sender.send(notice())
        sender.send(notice())
        sender.close()
    assert {message["Message-ID"] for _, message in relay.taken} == {f"<metro.3@{DOMAIN}>"}
    assert (len(relay.taken), relay.connections) == (2, 1)


def test_a_relay_that_hung_up_is_called_again() -> None:
    with MailRelay(once=True) as relay:
        sender = mailed(relay)
        for number in range(3):
            sender.send(notice(number))
        sender.close()
    assert [message["Message-ID"] for _, message in relay.taken] == [f"<metro.{n}@{DOMAIN}>" for n in range(3)]


def test_a_reference_that_the_relay_does_not_know_is_named_nowhere_and_holds_up_nobody() -> None:
    with MailRelay(unknown={f"p-1@{DOMAIN}"}) as relay:
        sender = mailed(relay)
        with pytest.raises(NoticeNotSent, match=r"the relay \S+ refused it: 550 …: nobody here") as refused:
            sender.send(notice(reference="p-1"))
        assert "p-1" not in str(refused.value)
        sender.send(notice(reference="p-2"))
        sender.close()
    assert [to for to, _ in relay.taken] == [f"p-2@{DOMAIN}"]


def test_nobody_is_there() -> None:
    with MailRelay() as relay:
        sender = mailed(relay)
        sender.send(notice())
    sender.close()
    with pytest.raises(NoticeNotSent, match="cannot be reached"):
        sender.send(notice())


def test_what_is_offered_is_encrypted_and_the_login_comes_after(tmp_path: Path) -> None:
    authority = make_authority(tmp_path / "authority")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.certificate, authority.key)
    with MailRelay(tls=context, host="localhost") as relay:
        sender = mailed(relay, trust=ssl.create_default_context(cafile=str(authority.ca)), user="metro")
        sender.send(notice())
        sender.close()
        assert (relay.encrypted, relay.logins) == ([True], ["metro metro's own"])
        stranger = mailed(relay)
        with pytest.raises(NoticeNotSent, match="cannot be reached"):
            stranger.send(notice())


def test_a_relay_elsewhere_has_to_encrypt() -> None:
    with MailRelay(host="127.0.0.2") as relay:
        with pytest.raises(NoticeNotSent, match="does not encrypt, and is not on this machine"):
            mailed(relay).send(notice())
        assert relay.taken == []


def test_what_the_relay_does_not_take_does_not_take_effect(office: Office) -> None:
    with MailRelay(unknown={f"p-1@{DOMAIN}"}) as relay:
        sender = mailed(relay)
        office.services = replace(office.services, notices=sender)
        basis = office.basis()
        entries = [office.entry(office.person(reference), basis) for reference in ("p-1", "p-2")]
        for entry in entries:
            office.do("approver", "POST", f"/entries/{entry}/approve")
        office.later()
        office.later(10 * NOTICE)
        assert [office.entry_state(entry)[0] for entry in entries] == ["approved", "in-effect"]
        relay.unknown.clear()
        office.later()
        assert office.entry_state(entries[0])[0] == "notified", "and only now the notice period begins"
        sender.close()


def test_the_settings_choose(tmp_path: Path) -> None:
    assert isinstance(sender_of(Settings(network="metro", notices=tmp_path)), FileOutbox)
    chosen = Settings(network="metro", notice_mail="smtps://a", notice_mail_domain=DOMAIN, notice_mail_from=SENDER)
    assert isinstance(sender_of(chosen), MailedNotices)
    with pytest.raises(ConfigurationError, match="expected notice_mail_domain and notice_mail_from beside it"):
        sender_of(Settings(network="metro", notice_mail="smtp://a"))
    missing = chosen.model_copy(update={"notice_mail_password_file": tmp_path / "none"})
    with pytest.raises(ConfigurationError, match="notice_mail_password_file: expected one line with the password in"):
        sender_of(missing)


@pytest.mark.parametrize(
    ("address", "domain", "sender", "message"),
    [
        ("mail.example.org", DOMAIN, SENDER, "notice_mail: expected smtp://HOST:PORT or smtps://HOST:PORT, got 'mail"),
        ("smtp://a:b", DOMAIN, SENDER, "notice_mail: expected smtp"),
        ("smtp://who@a", DOMAIN, SENDER, "notice_mail: expected smtp"),
        ("smtp://a", "example .org", SENDER, "notice_mail_domain: expected a domain such as notices.example.org, got"),
        ("smtp://a", DOMAIN, "metro", "notice_mail_from: expected an address such as notices@example.org, got 'metro'"),
    ],
)
def test_what_is_no_relay(address: str, domain: str, sender: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        relay_at(address, domain=domain, sender=sender)
