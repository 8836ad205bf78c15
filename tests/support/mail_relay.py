"""A relay for mail, for tests: SMTP (RFC 5321) with STARTTLS and a login, on loopback, that can refuse and hang up."""

import base64
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from types import TracebackType
from typing import Any, Self


@dataclass(kw_only=True)
class MailRelay:
    """Use it as a context manager. `unknown` are recipients that are refused; `once` hangs up after each message."""

    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    unknown: set[str] = field(default_factory=set)
    once: bool = False
    taken: list[tuple[str, EmailMessage]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> Self:
        relay = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                relay.connections += 1
                _Conversation(relay, self.request, self.rfile, self.wfile).run()

        self._server = socketserver.ThreadingTCPServer((self.host, 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, name="relay", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class _Conversation:
    relay: MailRelay
    connection: Any
    incoming: Any
    outgoing: Any
    recipient: str = ""
    encrypted: bool = False

    def run(self) -> None:
        """Until it ends."""
        self.say("220 relay")
        while line := self.incoming.readline().decode("ascii").strip():
            verb, _, rest = line.partition(" ")
            if not self.answer(verb.upper(), rest):
                return

    def say(self, text: str) -> None:
        """One answer."""
        self.outgoing.write(f"{text}\r\n".encode())
        self.outgoing.flush()

    def answer(self, verb: str, rest: str) -> bool:
        """Whether the conversation goes on."""
        relay = self.relay
        match verb:
            case "EHLO":
                offers = [*(["STARTTLS"] if relay.tls and not self.encrypted else []), "AUTH PLAIN"]
                self.say("250-relay\r\n" + "\r\n".join(f"250-{each}" for each in offers) + "\r\n250 SIZE 1000000")
            case "STARTTLS" if relay.tls is not None:
                self.say("220 go on")
                self.connection = relay.tls.wrap_socket(self.connection, server_side=True)
                self.incoming = self.connection.makefile("rb")
                self.outgoing = self.connection.makefile("wb")
                self.encrypted = True
            case "AUTH":
                relay.logins.append(base64.b64decode(rest.rpartition(" ")[2]).decode().replace("\0", " ").strip())
                self.say("235 welcome")
            case "RCPT":
                self.recipient = rest.partition("<")[2].partition(">")[0]
                known = self.recipient not in relay.unknown
                self.say("250 ok" if known else f"550 {self.recipient}: nobody here")
            case "DATA":
                self.say("354 go on")
                self.take()
                return not relay.once
            case "QUIT":
                self.say("221 bye")
                return False
            case _:
                self.say("250 ok")
        return True

    def take(self) -> None:
        """The message, up to the line with a dot."""
        lines: list[bytes] = []
        while (line := self.incoming.readline()) != b".\r\n":
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        message = BytesParser(EmailMessage, policy=policy.SMTP).parsebytes(b"".join(lines))
        self.relay.taken.append((self.recipient, message))
        self.relay.encrypted.append(self.encrypted)
        self.say(f"250 queued as {len(self.relay.taken)} for {self.recipient}")
