"""Faults on purpose, against a fleet of readers: a hostile broker, a freeze, a stolen key, a full disk.

And readers that are broken on purpose, which the checks of the chaos run have to find.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.brokers import BrokerKind, LocalBroker
from tests.support.fleets import wait_until_held
from tests.support.gate_disk import GateDisk
from tests.support.issuing import HOUR, SCOPE, IssuedList, Issuer, make_issuer, signer
from tests.support.publishing import Publisher, wait_for

from waypass_protocol.admission import Gate, decide
from waypass_protocol.assembly import HeldList, Keeper, Kind, MemoryKeeper, Receipt, StatusStore
from waypass_protocol.floors import Floors
from waypass_protocol.keys import TrustSet, Use
from waypass_protocol.messages import StateMessage
from waypass_protocol.passes import PASS_PREFIX, Place, decode_base45, pass_text
from waypass_protocol.policy import Policy
from waypass_protocol.reasons import Decision, Outcome, Reason
from waypass_protocol.reentry import NoReentry
from waypass_protocol.status import Snapshot, sign_snapshot
from waypass_simulator.faults.checks import Facts, Judge
from waypass_simulator.faults.meddler import Meddler
from waypass_simulator.faults.witness import Witness
from waypass_simulator.fleet.events import HeardEvents
from waypass_simulator.fleet.fleet import Fleet, FleetPlan, running
from waypass_simulator.fleet.kept import DiskState, Kept
from waypass_simulator.fleet.link import Address
from waypass_simulator.fleet.reader import FleetReader, ShownPass

WITHDRAWN = 12


def now() -> int:
    return int(time.time())


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    with LocalBroker(BrokerKind.EMBEDDED, tmp_path_factory.mktemp("broker")) as running_broker:
        yield running_broker


@dataclass(kw_only=True)
class Scene:
    """A network at a broker: its server's hands, a witness, a meddler, and a fleet with passes to show."""

    issuer: Issuer
    issued: IssuedList
    publisher: Publisher
    witness: Witness
    meddler: Meddler
    fleet: Fleet
    events: HeardEvents
    passes: list[ShownPass]
    sequence: int = 0
    withdrawn: dict[int, Place] = field(default_factory=dict)

    def head(self) -> None:
        self.sequence += 1
        self.publisher.head(self.issued, sequence=self.sequence, iat=now())

    def withdraw(self, number: int) -> None:
        self.publisher.change(self.issued, 100 + number, iat=now())
        self.withdrawn[number] = Place(uri=self.issued.uri, idx=100 + number)
        self.head()

    def judge(self) -> Judge:
        """Once the fleet has ended."""
        uri = self.issued.uri
        wait_for(lambda: self.witness.newest().get(uri) == self.issued.version, "the witness heard everything")
        judge = Judge(
            facts=Facts(
                truth=self.witness.truth(frozenset({uri})),
                withdrawn=self.withdrawn,
                served={uri: (self.issued.version, self.issued.row().digest.hex())},
            )
        )
        for event in self.events.all:
            judge.take(event)
        return judge


@contextmanager
def scene(broker: LocalBroker, name: str, **plan: Any) -> Iterator[Scene]:
    issuer = make_issuer(name)
    where: dict[str, Any] = {"trust": issuer.trust, "host": broker.host, "port": broker.port, "now": time.time}
    events, issued = HeardEvents(), issuer.status_list()
    texts = [issuer.paper(idx=100 + number, iat=now() - HOUR) for number in range(2 * WITHDRAWN)]
    passes = [
        ShownPass(number=number, data=decode_base45(text, PASS_PREFIX), uri=issued.uri)
        for number, text in enumerate(texts)
    ]
    settings: dict[str, Any] = {
        "trust": issuer.trust,
        "addresses": [Address(host=broker.host, port=broker.port)],
        "readers": 4,
        "gate": Gate(trust=issuer.trust, scope=SCOPE, policy=Policy(identity_check_paper=False)),
        "passes": passes,
        "shows": 20.0,
    }
    with (
        Publisher(issuer, broker.host, broker.port) as publisher,
        Witness(**where) as witness,
        Meddler(**where, rng=random.Random(4)) as meddler,
    ):
        assert witness.listening.wait(20)
        publisher.snapshot(issued, iat=now())
        with running(FleetPlan(**(settings | plan)), events) as fleet:
            made = Scene(
                issuer=issuer,
                issued=issued,
                publisher=publisher,
                witness=witness,
                meddler=meddler,
                fleet=fleet,
                events=events,
                passes=passes,
            )
            made.head()
            wait_for(lambda: len(fleet.full[0].reader.store.view) == 1, "the first reader holds the list")
            yield made


def opens(made: Scene, reader: FleetReader, number: int) -> bool:
    return reader.decide(pass_text(made.passes[number].data)).outcome is Outcome.OPEN


def test_a_hostile_broker_moves_no_reader(broker: LocalBroker) -> None:
    with scene(broker, "hostile") as made:
        for number in range(WITHDRAWN):
            made.withdraw(number)
            if number >= 2:
                for way in made.meddler.ways:
                    made.meddler.meddle(way)
        made.publisher.snapshot(made.issued, iat=now())
        made.head()
        wait_until_held(made.fleet, made.issued)
        wait_for(lambda: made.fleet.full[0].reasons[Reason.SUPERSEDED] > 0, "a withdrawn pass was shown")
    assert all(made.meddler.done[way] > 0 for way in made.meddler.ways)
    reports = made.fleet.full[0].reader.reports
    assert {"unknown-key", "bad-signature", "malformed", "too-large", "wrong-place"} <= reports.keys()
    judge = made.judge()
    assert judge.seen["open"] > 0
    assert not judge.breaches, judge.examples


def test_without_heads_lists_grow_too_old_and_nothing_opens(broker: LocalBroker) -> None:
    policy = Policy(identity_check_paper=False, fresh=1, stale=2)
    with scene(broker, "frozen") as made:
        gate = Gate(trust=made.issuer.trust, scope=SCOPE, policy=policy)
        member = made.fleet.full[0]
        wait_until_held(made.fleet, made.issued)
        decided = [_decide(made, member.reader, gate, at=now() + ahead) for ahead in (0, 10)]
        assert [each.reason for each in decided] == [Reason.GREEN, Reason.LISTS_TOO_OLD]
        made.meddler.meddle("replay")  # the newest head said again renews nothing
        made.withdraw(0)
        wait_until_held(made.fleet, made.issued)
        assert _decide(made, member.reader, gate, at=now() + 10).reason is Reason.LISTS_TOO_OLD
        assert _decide(made, member.reader, gate, at=now()).reason is Reason.SUPERSEDED


def _decide(made: Scene, reader: FleetReader, gate: Gate, *, at: int) -> Decision:
    return decide(
        pass_text(made.passes[0].data),
        now=at,
        clock_trusted=reader.store.clock_trusted(at, synchronised=True),
        gate=gate,
        lists=reader.store.view,
        reentry=NoReentry(),
    )


def test_what_a_stolen_key_pushed_ahead_lapses_when_it_is_retired(broker: LocalBroker) -> None:
    stolen = signer(99)
    honest = make_issuer("stolen")
    key = stolen.trusted(uses=frozenset({Use.STATUS}), nbf=now() - HOUR, exp=now() + HOUR)
    both = TrustSet(network=honest.network, keys={**honest.trust.keys, key.kid: key})
    with scene(broker, "stolen", trust=both, shows=0.0) as made:
        made.withdraw(0)
        wait_until_held(made.fleet, made.issued)
        thief = Snapshot(
            uri=made.issued.uri,
            version=10**9,
            iat=now(),
            exp=now() + HOUR,
            ttl=60,
            packed=bytes(len(made.issued.packed)),
        )
        _publish_to_those_who_need_it(made, sign_snapshot(thief, stolen))
        wait_for(lambda: all(_version(member.reader) == 10**9 for member in made.fleet.full), "the thief is believed")
        made.withdraw(1)
        assert all(_version(member.reader) == 10**9 for member in made.fleet.full), "the floor holds as it should"
        for member in made.fleet.full:
            made.fleet.do(partial(member.reader.reboot, honest.trust))
        made.publisher.snapshot(made.issued, iat=now())
        for _ in range(2):
            made.head()
        wait_for(lambda: _holds_truth(made), "every reader has what is true again")
        assert not opens(made, made.fleet.full[0].reader, 1)


def _publish_to_those_who_need_it(made: Scene, data: bytes) -> None:
    """Straight into the readers: a snapshot reaches over MQTT those who ask for one."""
    for member in made.fleet.full:
        made.fleet.do(partial(member.reader.take, Kind.SNAPSHOT, data, list_topic="17"))


def _version(reader: FleetReader) -> int:
    return next((held.version for held in reader.store.view.values()), 0)


def _holds_truth(made: Scene) -> bool:
    return all(
        (held := member.reader.store.view.get(made.issued.uri)) is not None
        and held.digest == made.issued.row().digest
        and held.renewed is not None
        for member in made.fleet.full
    )


def test_a_reader_with_a_full_disk_still_follows_and_comes_back_with_what_was_written(broker: LocalBroker) -> None:
    with scene(broker, "full", readers=1, shows=0.0) as made:
        reader = made.fleet.full[0].reader
        made.withdraw(0)
        wait_until_held(made.fleet, made.issued)
        made.fleet.do(partial(reader.disk_becomes, DiskState.FULL))
        made.withdraw(1)
        wait_until_held(made.fleet, made.issued)
        assert not opens(made, reader, 1), "a withdrawal counts though it can't be written"
        made.fleet.do(partial(reader.disk_becomes, DiskState.OK))
        made.withdraw(2)
        wait_until_held(made.fleet, made.issued)
        made.fleet.do(reader.reboot)
        assert _version(reader) == made.issued.version


class SaysWhatItsDiskLacks(FleetReader):
    """Broken: says the version that it has in memory, whatever its disk took."""

    def state(self) -> StateMessage:
        said = super().state()
        rows = {row.uri: row for row in said.lists}
        held = self.store.view.items()
        newest = (replace(rows[uri], version=each.version, digest=each.digest.hex()) for uri, each in held)
        return replace(said, lists=tuple(newest))


class TidiesTooSoon(Kept):
    """Broken: removes what a new base replaces before that is written."""

    def forget_unneeded(self, store: StatusStore, uri: str) -> None:
        waiting, self._waiting = self._waiting, {}
        super().forget_unneeded(store, uri)
        self._waiting = waiting


class NeedsRoomForFloors(Kept):
    """Broken: a full disk takes no floors."""

    def keep_floors(self, floors: Floors) -> None:
        if self.state is DiskState.OK:
            super().keep_floors(floors)


@pytest.mark.parametrize(
    ("name", "state", "broken", "kept", "breaches"),
    [
        ("in memory, full", DiskState.FULL, FleetReader, Kept, set()),
        ("in memory, broken", DiskState.BROKEN, FleetReader, Kept, set()),
        ("a gate's, full", DiskState.FULL, FleetReader, GateDisk, set()),
        ("a gate's, broken", DiskState.BROKEN, FleetReader, GateDisk, set()),
        ("says more, in memory", DiskState.BROKEN, SaysWhatItsDiskLacks, Kept, {"older", "opened", "twice"}),
        ("says more, a gate's", DiskState.BROKEN, SaysWhatItsDiskLacks, GateDisk, {"older", "opened", "twice"}),
        ("tidies too soon", DiskState.BROKEN, FleetReader, TidiesTooSoon, {"forgot"}),
        ("needs room for floors", DiskState.FULL, FleetReader, NeedsRoomForFloors, {"older"}),
    ],
)
def test_a_reboot_while_the_disk_takes_nothing_takes_back_nothing_that_was_said(
    name: str,
    state: DiskState,
    broken: type[FleetReader],
    kept: type[Kept] | type[GateDisk],
    breaches: set[str],
    broker: LocalBroker,
    tmp_path: Path,
) -> None:
    """As the habits `full-rebooting` and `broken-rebooting` have it; the third reader is broken, and is found."""

    def make(**members: Any) -> FleetReader:
        bad = members["name"] == "fleet-3"
        fitting = kept if bad or kept is GateDisk else Kept
        disk = GateDisk(tmp_path / members["name"]) if fitting is GateDisk else fitting()  # type: ignore[call-arg]
        return (broken if bad else FleetReader)(**members, kept=disk)

    with scene(broker, f"disk-{random.Random(name).randrange(10**9)}", make_reader=make) as made:
        uri, members = made.issued.uri, made.fleet.full
        for number in range(WITHDRAWN // 2):
            made.withdraw(number)
        wait_until_held(made.fleet, made.issued)
        before = made.issued.version
        wait_for(lambda: all(each.reader.said.get(uri) == before for each in members), "all say what they hold")
        for each in members:
            made.fleet.do(partial(each.reader.disk_becomes, state))
        for number in range(WITHDRAWN // 2, WITHDRAWN):
            made.withdraw(number)
        wait_until_held(made.fleet, made.issued)
        _publish_to_those_who_need_it(made, made.issued.snapshot(iat=now()))
        says_more = broken is SaysWhatItsDiskLacks
        bad = members[2].reader
        wait_for(lambda: not says_more or bad.said[uri] == made.issued.version, "the third says more than it may")
        for each in members:
            made.fleet.do(each.reader.tidy)
            made.fleet.do(each.link.drop)
            made.fleet.do(each.reader.reboot)
        good = [each.reader for each in members if each.reader is not bad]
        assert {reader.said[uri] for reader in good} == {before}
        assert {_version(reader) for reader in good} == {0 if state is DiskState.FULL else before}
        shown = sum(members[2].reasons.values())
        wait_for(lambda: sum(members[2].reasons.values()) > shown + 6 * WITHDRAWN, "withdrawn passes are shown")
        for each in members:
            made.fleet.do(partial(each.reader.disk_becomes, DiskState.OK))
            made.fleet.do(each.link.open)
        wait_until_held(made.fleet, made.issued)
        wait_for(lambda: all(each.reader.said[uri] == made.issued.version for each in members), "all say so")
    judge = made.judge()
    assert set(judge.breaches) == breaches, judge.examples
    assert all("fleet-3" in example for examples in judge.examples.values() for example in examples), judge.examples
    assert judge.seen["reboot"] == len(members)


class ForgetsItsFloors(FleetReader):
    """Broken: begins with nothing after each reboot, whatever its disk kept."""

    def make_store(self, *, trust: TrustSet, keeper: Keeper, floors: Floors) -> StatusStore:  # noqa: ARG002
        return StatusStore(trust=trust, keeper=MemoryKeeper())

    def reboot(self, trust: TrustSet | None = None) -> None:
        self.kept = Kept()
        super().reboot(trust)


class AppliesTwice(StatusStore):
    """Broken: counts each delta twice."""

    def receive(self, kind: Kind, data: bytes, *, now: int, list_topic: str | None = None) -> Receipt:
        receipt = super().receive(kind, data, now=now, list_topic=list_topic)
        if kind is Kind.DELTA:
            ahead = {uri: replace(held, version=held.version + 1) for uri, held in self.view.items()}
            self.view = {**self.view, **{uri: ahead[uri] for uri in receipt.swapped}}
        return receipt


class CountsTwice(FleetReader):
    """Broken: see `AppliesTwice`."""

    def make_store(self, *, trust: TrustSet, keeper: Keeper, floors: Floors) -> StatusStore:
        return AppliesTwice(trust=trust, keeper=keeper, floors=floors)


class DecidesByItsFirstList(FleetReader):
    """Broken: holds and tells the present, and decides by the first list that it ever held."""

    first: HeldList | None = None

    def decide(self, text: str) -> Decision:
        view = self.store.view
        for uri, held in view.items():
            self.first = self.first or held
            self.store.view = {uri: replace(self.first, renewed=held.renewed)}
        try:
            return super().decide(text)
        finally:
            self.store.view = view


@pytest.mark.parametrize(
    ("name", "broken", "breach"),
    [
        ("forgets its floors", ForgetsItsFloors, "older"),
        ("counts a delta twice", CountsTwice, "forged"),
        ("decides by its first list", DecidesByItsFirstList, "opened"),
    ],
)
def test_a_reader_that_is_broken_on_purpose_is_found(
    name: str, broken: type[FleetReader], breach: str, broker: LocalBroker, tmp_path: Path
) -> None:
    def make(**members: Any) -> FleetReader:
        return (broken if members["name"] == "fleet-3" else FleetReader)(**members)

    with scene(broker, f"broken-{breach}", make_reader=make) as made:
        good = [member for member in made.fleet.full if member.reader.name != "fleet-3"]
        bad = next(member.reader for member in made.fleet.full if member.reader.name == "fleet-3")
        first = made.issued.snapshot(iat=now())
        for number in range(WITHDRAWN):
            made.withdraw(number)
        wait_for(lambda: all(_version(member.reader) == made.issued.version for member in good), "the others follow")
        wait_for(lambda: bad.said.get(made.issued.uri, 0) >= made.issued.version, "the broken one follows")
        made.fleet.do(bad.reboot)
        made.fleet.do(lambda: bad.take(Kind.SNAPSHOT, first, list_topic="17"))  # rolled back
        wait_for(lambda: _shown_after(made), "withdrawn passes are shown")
    judge = made.judge()
    assert breach in judge.breaches
    assert all("fleet-3" in example for examples in judge.examples.values() for example in examples), judge.examples


def _shown_after(made: Scene) -> bool:
    """Whether each reader had enough of the withdrawn passes shown to it since."""
    return all(sum(member.reasons.values()) > 6 * WITHDRAWN for member in made.fleet.full)
