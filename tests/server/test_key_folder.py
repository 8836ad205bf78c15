"""Keys while the server runs: what is made, ends or is retired counts within seconds, for passes and for lists."""

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.server.publishing import (
    Gate,
    add_network,
    held_by,
    holder_key,
    issue,
    key_seed,
    make_services,
    memory_bus,
    take_away_some,
)
from tests.server.test_passes_api import ask, key_form
from tests.server.test_publisher import House
from tests.support.issuing import NETWORK, NOW
from tests.support.office import RIDE, open_office

from waypass_protocol.keys import TrustSet, Use
from waypass_protocol.status import read_delta, read_head, read_snapshot
from waypass_protocol.topics import Topics
from waypass_server.bus import MemoryBroker, MemoryBus
from waypass_server.key_folder import KeyFolder
from waypass_server.keyring import SETTLING, IssuerKey, KeyringError, NoSigner, make_key, retire_key, write_key
from waypass_server.publisher import Pace, Publisher, Trouble

DAY = 86_400


class Moments:
    """A monotonic clock that is put forward."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def add_key(folder: Path, name: str, use: Use, *, nbf: int = NOW - DAY, days: int = 100) -> IssuerKey:
    key = make_key(network=NETWORK, uses=frozenset({use}), nbf=nbf, exp=nbf + days * DAY, private=key_seed(name))
    write_key(folder, key, key_seed(name))
    return key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one key for passes and one for status."""
    add_key(tmp_path / "keys", "pass", Use.PASS)
    add_key(tmp_path / "keys", "status", Use.STATUS)
    return tmp_path / "keys"


class TestFolder:
    """What is seen of the folder, and when."""

    def test_a_key_that_is_made_or_retired_counts_after_the_next_look(self, folder: Path) -> None:
        moments = Moments()
        keys = KeyFolder(folder, every=2.0, monotonic=moments)
        first = keys.signer(Use.PASS, NOW)
        second = add_key(folder, "second", Use.PASS, nbf=NOW - DAY + 1)
        moments.now = 1.9
        assert keys.signer(Use.PASS, NOW).kid == first.kid
        moments.now = 2.0
        assert keys.signer(Use.PASS, NOW).kid == second.signer.kid
        assert keys.trusted(Use.PASS, NOW) == {first.kid, second.signer.kid}
        retire_key(folder, second.kid, now=NOW, distrust=True)
        moments.now = 4.0
        assert keys.signer(Use.PASS, NOW).kid == first.kid
        assert keys.trusted(Use.PASS, NOW) == {first.kid}
        assert keys.trust_set().keys.keys() == {first.kid, keys.signer(Use.STATUS, NOW).kid}

    def test_a_folder_that_did_not_change_is_not_read_again(self, folder: Path) -> None:
        moments = Moments()
        keys = KeyFolder(folder, monotonic=moments)
        before = keys.signer(Use.PASS, NOW)
        moments.now = 10.0
        assert keys.signer(Use.PASS, NOW) is before

    @pytest.mark.parametrize(
        ("name", "trouble"),
        [("damaged", "expected a JSON object"), ("gone", "expected a folder"), ("of another network", "one network")],
    )
    def test_what_cannot_be_read_leaves_the_keys_in_force(self, folder: Path, name: str, trouble: str) -> None:
        moments = Moments()
        keys = KeyFolder(folder, monotonic=moments)
        kid = keys.signer(Use.PASS, NOW).kid
        aside = folder.with_name("aside")
        broken = folder / f"{kid.hex()}.json"
        good = broken.read_bytes()
        if name == "gone":
            folder.rename(aside)
        else:
            broken.write_bytes(b"{" if name == "damaged" else good.replace(b'"metro"', b'"tram"'))
        moments.now = 5.0
        assert keys.signer(Use.PASS, NOW).kid == kid
        assert trouble in str(keys.trouble)
        if name == "gone":
            aside.rename(folder)
        else:
            broken.write_bytes(good)
            os.utime(broken, ns=(1, 1))
        moments.now = 10.0
        assert keys.signer(Use.PASS, NOW).kid == kid
        assert keys.trouble is None

    def test_it_begins_only_with_a_folder_that_can_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(KeyringError, match="expected a folder"):
            KeyFolder(tmp_path / "absent")


class TestApi:
    """Passes and lists over HTTP without a key."""

    def test_without_a_key_nothing_is_issued_and_with_one_it_goes_on(self, tmp_path: Path, folder: Path) -> None:
        moments = Moments()
        keys = KeyFolder(folder, monotonic=moments)
        retire_key(folder, keys.signer(Use.PASS, NOW).kid.hex(), now=NOW)
        moments.now = 3.0
        with closing(open_office(tmp_path, keys=keys)) as office:
            person = office.person()
            nonce = office.do(person, "POST", "/me/challenge")["nonce"]
            body = {"nonce": nonce, "scopes": [RIDE], "keys": [key_form(nonce, holder_key(1))]}
            for who, path, sent in (
                (person, "/me/passes", body),
                ("desk", "/paper-passes", {"person": person, "scopes": [RIDE]}),
            ):
                answer = office.call(who, "POST", path, **sent)
                assert (answer.status_code, answer.json()["type"]) == (503, "urn:waypass:problem:no-key")
                assert "expected a key that signs pass at" in answer.json()["detail"]
            fresh = add_key(folder, "fresh", Use.PASS)
            moments.now = 6.0
            office.do(person, "POST", "/me/passes", **body)  # the nonce was not used up
            assert ask(office, person, holder_key(2))[0].envelope.kid == fresh.signer.kid

    def test_a_list_is_signed_anew_when_another_key_signs_and_not_without_one(
        self, tmp_path: Path, folder: Path
    ) -> None:
        moments = Moments()
        keys = KeyFolder(folder, monotonic=moments)
        old = keys.signer(Use.STATUS, NOW)
        with closing(open_office(tmp_path, keys=keys)) as office:
            Publisher(office.services, MemoryBus(MemoryBroker())).turn()
            trust = keys.trust_set()
            first = office.send("GET", "/status-lists/1")
            assert read_snapshot(first.content, trust, NOW).kid == old.kid
            retire_key(folder, old.kid.hex(), now=NOW)
            moments.now = 3.0
            assert office.send("GET", "/status-lists/1").status_code == 503
            new = add_key(folder, "new", Use.STATUS)
            moments.now = 6.0
            second = office.send("GET", "/status-lists/1", headers={"If-None-Match": first.headers["etag"]})
            assert second.status_code == 200
            assert read_snapshot(second.content, keys.trust_set(), NOW).kid == new.signer.kid


class Site:
    """A publisher with a folder of keys, turned by hand, and a gate that trusts the given keys."""

    def __init__(self, folder: Path, keys_folder: Path) -> None:
        self.moments = Moments()
        self.folder = keys_folder
        self.keys = KeyFolder(keys_folder, monotonic=self.moments)
        self.house = House(folder, keys=self.keys, trust=self.keys.trust_set())
        add_network(self.house.services)
        issue(self.house.services, 100)

    def look_again(self) -> None:
        """Time passes, and the folder is looked at."""
        self.moments.now += 3.0

    def turns(self, count: int) -> None:
        """So many versions of one change."""
        for _ in range(count):
            take_away_some(self.house.services, 1, draw=self.house.draw)
            self.house.turn()

    def kids(self, trust: TrustSet) -> dict[str, set[bytes]]:
        """Who signed what the broker holds; everything verifies under `trust`."""
        now = self.house.services.now()
        found: dict[str, set[bytes]] = {"snapshot": set(), "delta": set(), "head": set()}
        for topic, payload in (self.house.broker.held("#") or {}).items():
            if topic.endswith("/head"):
                found["head"].add(read_head(payload, trust, now).kid)
            elif topic.endswith("/snapshot"):
                found["snapshot"].add(read_snapshot(payload, trust, now).kid)
            elif "/delta/" in topic:
                found["delta"].add(read_delta(payload, trust, now).kid)
        return found


@pytest.fixture
def site(tmp_path: Path, folder: Path) -> Iterator[Site]:
    built = Site(tmp_path, folder)
    yield built
    built.house.bus.stop()


def only(trust: TrustSet, *kids: bytes) -> TrustSet:
    return TrustSet(network=trust.network, keys={kid: trust.keys[kid] for kid in kids})


class TestPublisher:
    """What goes to the broker when keys change."""

    def test_a_new_key_signs_lists_and_head_and_leaves_the_ring_of_a_trusted_one(self, site: Site) -> None:
        old = site.keys.signer(Use.STATUS, NOW).kid
        site.turns(20)
        new = add_key(site.folder, "new", Use.STATUS, nbf=NOW - 10 * SETTLING).signer.kid
        site.look_again()
        site.house.turn()
        trust = site.keys.trust_set()
        assert site.kids(trust) == {"snapshot": {new}, "delta": {old}, "head": {new}}

    @pytest.mark.parametrize("how", ["distrusted", "ended"])
    def test_what_readers_would_refuse_is_signed_anew(self, site: Site, how: str) -> None:
        """The key ends, or leaves the trust set: a reader that knows only the new one finds the present."""
        old = site.keys.signer(Use.STATUS, NOW).kid
        site.turns(70)
        new = add_key(site.folder, "new", Use.STATUS, nbf=NOW - 10 * SETTLING, days=400).signer.kid
        if how == "distrusted":
            retire_key(site.folder, old.hex(), now=NOW, distrust=True)
        else:
            site.house.clock.advance(101 * DAY)
        site.look_again()
        site.house.turn()
        site.turns(3)
        trust = only(TrustSet(network=NETWORK, keys=dict(KeyFolder(site.folder).trust_set().keys)), new)
        assert site.kids(trust) == {"snapshot": {new}, "delta": {new}, "head": {new}}
        store = held_by(site.house.broker, trust, now=site.house.services.now())
        assert store.view["wp:1"].version == 74
        assert store.view["wp:1"].renewed is not None

    def test_a_reader_that_goes_on_sees_nothing_to_report(self, site: Site) -> None:
        """It trusts both keys; what is signed anew says nothing new to it."""
        new = make_key(
            network=NETWORK,
            uses=frozenset({Use.STATUS}),
            nbf=NOW - 10 * SETTLING,
            exp=NOW + 400 * DAY,
            private=key_seed("new"),
        )
        both = dict(site.keys.trust_set().keys)
        both[new.signer.kid] = new.signer.trusted(uses=new.uses, nbf=new.nbf, exp=new.exp)
        gate = Gate(site.house.bus, TrustSet(network=NETWORK, keys=both))
        site.turns(40)
        site.house.arrive()
        write_key(site.folder, new, key_seed("new"))
        site.house.clock.advance(101 * DAY)
        gate.now = site.house.services.now()
        site.look_again()
        for _ in range(3):
            site.house.turn()
            gate.now = site.house.services.now()
        site.house.arrive()
        assert gate.agrees_with(site.house.services)
        assert gate.store.view["wp:1"].renewed == site.house.services.now() - 2
        assert gate.refused == []

    def test_without_a_key_nothing_leaves_and_afterwards_nothing_is_missing(self, site: Site) -> None:
        site.turns(2)
        site.house.arrive()
        sent = len(site.house.seen)
        retire_key(site.folder, site.keys.signer(Use.STATUS, NOW).kid.hex(), now=NOW)
        site.look_again()
        take_away_some(site.house.services, 3, draw=site.house.draw)
        for _ in range(3):
            with pytest.raises(NoSigner, match="expected a key that signs status"):
                site.house.turn()
        site.house.arrive()
        assert len(site.house.seen) == sent
        add_key(site.folder, "new", Use.STATUS)
        site.look_again()
        site.house.turn()
        store = held_by(site.house.broker, KeyFolder(site.folder).trust_set(), now=site.house.services.now())
        assert store.view["wp:1"].version == 4

    def test_the_thread_waits_for_a_key_and_goes_on(self, tmp_path: Path, folder: Path) -> None:
        keys = KeyFolder(folder, every=0.0)
        retire_key(folder, keys.signer(Use.STATUS, NOW).kid.hex(), now=NOW)
        services = make_services(tmp_path, issuer_keys=keys)
        add_network(services)
        with memory_bus(MemoryBroker()) as bus:
            published = threading.Event()
            bus.subscribe(Topics(NETWORK).head, lambda _message: published.set())
            waiting = threading.Event()

            class Watched(Publisher):
                def turn(self) -> None:
                    if self.trouble is Trouble.NO_KEY:
                        waiting.set()
                    super().turn()

            publisher = Watched(services, bus, pace=Pace(retry=0.01, poll=0.01))
            publisher.start()
            assert waiting.wait(10.0)
            assert not published.is_set()
            add_key(folder, "new", Use.STATUS)
            assert published.wait(10.0)
            publisher.stop()
            assert publisher.trouble is None
            assert publisher.failure is None
