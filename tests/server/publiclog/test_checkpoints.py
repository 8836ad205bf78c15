"""Checkpoints: when one is signed, by which key, and where it goes: the broker, and each head."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text, update
from tests.server.publishing import KEYRING as PASS_AND_STATUS
from tests.server.publishing import add_network
from tests.server.test_publisher import TOPICS, House
from tests.support.office import KEYRING, NOW, Office

from waypass_protocol.checkpoint import Checkpoint, open_checkpoint, origin_of
from waypass_protocol.keys import TrustSet, Use
from waypass_protocol.notes import NoteKey
from waypass_protocol.status import read_head
from waypass_server.bus import MemoryBus, Message
from waypass_server.keyring import Keyring, NoSigner
from waypass_server.models.public_log import LogTree
from waypass_server.publiclog import checkpoints
from waypass_server.publiclog.checkpoints import AT_LEAST_EVERY, DamagedLog

AFTER_CHANGE = 60
KEY = NoteKey(name=origin_of("metro"), public=KEYRING.signer(Use.LOG, NOW).public)


def newest(office: Office) -> Checkpoint | None:
    with office.services.database.reading() as session:
        found = checkpoints.newest_of(session, "metro")
    return None if found is None else open_checkpoint(found.note.encode(), KEY)


def size(office: Office) -> int:
    found = newest(office)
    assert found is not None
    return found.size


def test_a_change_is_in_a_checkpoint_within_a_minute(office: Office) -> None:
    assert newest(office) is None
    office.later()
    before = size(office)
    office.person()
    office.later(AFTER_CHANGE - 1)
    assert size(office) == before
    office.later(1)
    assert size(office) > before


def test_without_a_change_it_is_signed_anew_each_hour(office: Office) -> None:
    office.later()
    with office.services.database.reading() as session:
        first = checkpoints.newest_of(session, "metro")
    office.later(AT_LEAST_EVERY - 1)
    with office.services.database.reading() as session:
        assert checkpoints.newest_of(session, "metro") == first
    office.later(1)
    with office.services.database.reading() as session:
        second = checkpoints.newest_of(session, "metro")
    assert first is not None
    assert second is not None
    assert (second.size, second.at) == (first.size, first.at + AT_LEAST_EVERY)


def test_without_a_key_nothing_is_signed_and_everything_is_logged(office: Office) -> None:
    late = Keyring("metro", [key for key in KEYRING.keys if Use.LOG not in key.uses])
    with pytest.raises(NoSigner, match="expected a key that signs log"):
        late.signer(Use.LOG, NOW)
    assert Use.LOG.value not in office.services.keys.trust_set().to_json(), "no reader's business"


def test_a_log_that_lost_leaves_is_not_signed(office: Office) -> None:
    office.later()
    with office.services.database.changing() as session:
        session.execute(update(LogTree).values(size=0, hashes=b""))
    office.clock.advance(AT_LEAST_EVERY)
    with pytest.raises(DamagedLog, match=r"expected at least the \d+ leaves of the last checkpoint, found 0"):
        checkpoints.sign_if_due(office.services)


def test_a_log_with_another_root_is_not_signed(office: Office) -> None:
    office.later()
    with office.services.database.changing() as session:
        row = session.execute(text("SELECT hashes FROM log_trees")).scalar_one()
        session.execute(update(LogTree).values(hashes=bytes(len(row))))
    office.clock.advance(AT_LEAST_EVERY)
    with pytest.raises(DamagedLog, match=r"expected the root that was signed for \d+ leaves, found another"):
        checkpoints.sign_if_due(office.services)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A publisher of a network that has a key for its log."""
    keys = Keyring("metro", [*PASS_AND_STATUS.keys, *(key for key in KEYRING.keys if Use.LOG in key.uses)])
    built = House(tmp_path, keys=keys)
    add_network(built.services)
    yield built
    built.bus.stop()


def heads(house: House, trust: TrustSet) -> list[str | None]:
    return [read_head(m.payload, trust, NOW).checkpoint for m in house.seen if m.topic == TOPICS.head]


def test_it_goes_to_the_broker_and_into_each_head(house: House) -> None:
    trust = PASS_AND_STATUS.trust_set()
    house.quiet()
    assert set(heads(house, trust)) == {None}
    signed = checkpoints.sign_if_due(house.services)
    assert signed is not None
    house.quiet()
    sent = [message for message in house.seen if message.topic == TOPICS.log_checkpoint]
    assert [message.payload.decode() for message in sent] == [signed.note]
    late = MemoryBus(house.broker)
    late.start()
    kept: list[Message] = []
    late.subscribe(TOPICS.log_checkpoint, kept.append)
    house.arrive()
    late.stop()
    assert [message.payload.decode() for message in kept] == [signed.note], "retained"
    assert heads(house, trust)[-1] == signed.note
    assert house.gate.refused == []


def test_a_broker_that_comes_back_empty_has_it_again(house: House) -> None:
    signed = checkpoints.sign_if_due(house.services)
    house.quiet()
    house.broker.stop()
    house.seen.clear()
    house.start_broker()
    house.quiet()
    assert signed is not None
    assert [m.payload.decode() for m in house.seen if m.topic == TOPICS.log_checkpoint][:1] == [signed.note]
