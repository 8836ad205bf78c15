"""The rules of `access` as plugins of amqtt; `EmbeddedBroker` loads them by name when there is a password file."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from amqtt.contexts import Action
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from waypass_server.broker.access import may_publish, password_matches


class PasswordLogins(BaseAuthPlugin):  # type: ignore[misc]  # the base is untyped
    """Lets in who has a line in the password file and knows the password."""

    @dataclass
    class Config:
        """`logins`: name to Argon2 hash."""

        logins: Mapping[str, str] = field(default_factory=dict)

    async def authenticate(self, *, session: Session) -> bool:
        """True for the right password. Hashing runs in a thread, so that a login does not hold up other messages."""
        hashed = self.config.logins.get(session.username)
        if hashed is None or session.password is None:
            return False
        return await asyncio.to_thread(password_matches, session.password, hashed)


class TopicRules(BaseTopicPlugin):  # type: ignore[misc]  # the base is untyped
    """Holds a session that has logged in with a password to the rules of `access`."""

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        """False only for a publication outside the rules."""
        if action != Action.PUBLISH:
            return True
        return session is not None and topic is not None and may_publish(session.username, topic)
