"""Notices by mail, through a relay that knows whose reference is whose.

The server has no address of anybody, and wants none. It writes to `REFERENCE@DOMAIN`, where the domain is the
operator's own (`notice_mail_domain`); the relay at `notice_mail` puts the person's address in its place, or a telephone
for a short message. What an operator's relay has to do:

1. refuse a reference that it does not know when it is named (a 5xx at RCPT), not by a mail that comes back: then the
   notice is not delivered, and what it announces does not take effect
2. take the same Message-ID twice and tell the person once: a crash between sending and recording sends again

The connection is encrypted (`smtps`, or `smtp`, which then has to offer STARTTLS); to a relay on this machine it need
not be. It stays open from one notice to the next.
"""

import json
import re
import smtplib
import ssl
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from urllib.parse import urlsplit

from waypass_server.errors import ConfigurationError
from waypass_server.notice_words import lines_of, subject_of
from waypass_server.notices import NoticeNotSent, OutgoingNotice

SECONDS = 20.0
LONGEST_RECEIPT = 120
_PORTS = {"smtp": 25, "smtps": 465}
_DOMAIN = re.compile(r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,8}")
_SENDER = re.compile(rf"[A-Za-z0-9._+-]{{1,64}}@{_DOMAIN.pattern}")
_HERE = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Relay:
    """Where mail is handed over. `domain` is that of the references' addresses, `sender` the address it comes from."""

    host: str
    port: int
    encrypted: bool
    domain: str
    sender: str
    user: str | None = None
    password: str | None = None

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine."""
        return self.host in _HERE


def relay_at(address: str, *, domain: str, sender: str, user: str | None = None, password: str | None = None) -> Relay:
    """The relay at `smtp://HOST[:PORT]` or `smtps://HOST[:PORT]`. Raises `ConfigurationError`."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in _PORTS or not host or parts.path or parts.query or parts.fragment or parts.username:
        raise ConfigurationError(f"notice_mail: expected smtp://HOST:PORT or smtps://HOST:PORT, got {address!r}")
    if not _DOMAIN.fullmatch(domain):
        raise ConfigurationError(f"notice_mail_domain: expected a domain such as notices.example.org, got {domain!r}")
    if not _SENDER.fullmatch(sender):
        raise ConfigurationError(f"notice_mail_from: expected an address such as notices@example.org, got {sender!r}")
    return Relay(
        host=host,
        port=port or _PORTS[parts.scheme],
        encrypted=parts.scheme == "smtps",
        domain=domain,
        sender=sender,
        user=user,
        password=password,
    )


class MailedNotices:
    """A `NoticeSender` over SMTP. One thread at a time."""

    def __init__(self, relay: Relay, *, trust: ssl.SSLContext | None = None) -> None:
        """`trust` says which certificates a relay may show; without it the system's."""
        self._relay = relay
        self._trust = trust or ssl.create_default_context()
        self._smtp: smtplib.SMTP | None = None

    def send(self, notice: OutgoingNotice) -> str:
        """Hand one notice to the relay; the receipt is what it answered. Raises `NoticeNotSent`."""
        message = message_of(notice, self._relay)
        again = self._smtp is not None
        try:
            return self._hand_over(message)
        except (OSError, smtplib.SMTPServerDisconnected):
            # A relay ends a connection that was quiet; whoever comes then finds out only by trying.
            self.close()
            if not again:
                raise self._not_sent("cannot be reached") from None
        try:
            return self._hand_over(message)
        except (OSError, smtplib.SMTPServerDisconnected):
            self.close()
            raise self._not_sent("cannot be reached") from None

    def close(self) -> None:
        """End the connection, if there is one."""
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            smtp.close()

    def _hand_over(self, message: EmailMessage) -> str:
        """Raises `NoticeNotSent`, `OSError` or `SMTPServerDisconnected`."""
        try:
            smtp = self._smtp = self._smtp or self._connect()
            return self._converse(smtp, message)
        except smtplib.SMTPServerDisconnected:
            raise
        except (smtplib.SMTPException, UnicodeError) as error:
            self.close()
            raise self._not_sent(f"failed ({type(error).__name__})") from None

    def _converse(self, smtp: smtplib.SMTP, message: EmailMessage) -> str:
        to = message["To"].addresses[0].addr_spec
        for code, answer in (smtp.mail(self._relay.sender), smtp.rcpt(to)):
            if code >= 400:
                smtp.rset()
                raise self._not_sent(f"refused it: {_shown(code, answer, to)}")
        code, answer = smtp.data(message.as_bytes(policy=message.policy.clone(linesep="\r\n")))
        if code >= 400:
            raise self._not_sent(f"refused it: {_shown(code, answer, to)}")
        return _shown(code, answer, to)

    def _connect(self) -> smtplib.SMTP:
        relay = self._relay
        smtp: smtplib.SMTP
        if relay.encrypted:
            smtp = smtplib.SMTP_SSL(relay.host, relay.port, timeout=SECONDS, context=self._trust)
        else:
            smtp = smtplib.SMTP(relay.host, relay.port, timeout=SECONDS)
            smtp.ehlo()
            if smtp.has_extn("starttls"):
                smtp.starttls(context=self._trust)
            elif not relay.is_here:
                smtp.close()
                raise self._not_sent("does not encrypt, and is not on this machine")
        smtp.ehlo_or_helo_if_needed()
        if relay.user is not None:
            smtp.login(relay.user, relay.password or "")
        return smtp

    def _not_sent(self, why: str) -> NoticeNotSent:
        """Never with a reference: it goes into the log."""
        return NoticeNotSent(f"notices: the relay {self._relay.host}:{self._relay.port} {why}")


def message_of(notice: OutgoingNotice, relay: Relay) -> EmailMessage:
    """What a person reads, in English and Chinese, and the same for programs beside it."""
    message = EmailMessage()
    message["From"] = relay.sender
    message["To"] = Address(username=notice.reference, domain=relay.domain)
    message["Subject"] = subject_of(notice)
    message["Message-ID"] = f"<{notice.network}.{notice.notice_id}@{relay.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(lines_of(notice)) + "\n")
    message.add_attachment(
        json.dumps(dict(notice.content), ensure_ascii=False, indent=2).encode(),
        maintype="application",
        subtype="json",
        filename="notice.json",
    )
    return message


def _shown(code: int, answer: bytes, to: str) -> str:
    """The relay's answer without the person's address, which many repeat."""
    text = answer.decode("utf-8", errors="replace").replace(to, "…").replace(to.partition("@")[0], "…")
    return f"{code} {' '.join(text.split())}"[:LONGEST_RECEIPT]
