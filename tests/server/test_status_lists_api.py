"""Status lists and the trust set over HTTP."""

import asyncio
import random
import zlib
from collections.abc import Iterator
from pathlib import Path

import cbor2
import httpx
import pytest
from cwt import COSE, COSEKey
from tests.server.publishing import (
    TRUST,
    add_network,
    end_the_first_list,
    issue,
    make_services,
    pass_bits,
    take_away_some,
)
from tests.support.issuing import NOW

from waypass_protocol import bits
from waypass_protocol.assembly import Kind, MemoryKeeper, StatusStore
from waypass_protocol.keys import base64url, read_trust_set
from waypass_protocol.status import read_snapshot
from waypass_server.app import create_app
from waypass_server.bus import MemoryBroker, MemoryBus
from waypass_server.publisher import Publisher
from waypass_server.services import Services, SetClock

pytestmark = pytest.mark.both_stores


class Site:
    """A server's application, and its publisher turned by hand without a broker."""

    def __init__(self, folder: Path) -> None:
        self.clock = SetClock(NOW)
        self.services: Services = make_services(folder, clock=self.clock)
        add_network(self.services)
        self.app = create_app(self.services)
        self.moment = 0.0
        self.publisher = Publisher(self.services, MemoryBus(MemoryBroker()), monotonic=lambda: self.moment)
        self.publish()

    def publish(self) -> None:
        """Let the publisher make what is due."""
        self.moment += 1.0
        self.publisher.turn()

    def get(self, path: str, **headers: str) -> httpx.Response:
        """One request."""

        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://server.test") as client:
                return await client.get(path, headers={name.replace("_", "-"): text for name, text in headers.items()})

        return asyncio.run(go())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    built = Site(tmp_path)
    yield built
    built.services.database.close()


def test_a_list_is_of_the_newest_version_though_no_broker_is_there(site: Site) -> None:
    issue(site.services, 30)
    draw = random.Random(1)
    for version in range(2, 42):
        if version < 20:
            take_away_some(site.services, 1, draw=draw)
        else:
            issue(site.services, 1)
            take_away_some(site.services, 1, draw=draw)
        site.publish()
        token = read_snapshot(site.get("/status-lists/1").content, TRUST, NOW)
        assert (token.uri, token.version) == ("wp:1", version)
    assert all(bits.status_at(token.packed, idx) == status for idx, status in pass_bits(site.services)["wp:1"].items())


def test_a_reader_takes_a_list_that_was_fetched(site: Site) -> None:
    store = StatusStore(trust=TRUST, keeper=MemoryKeeper())
    receipt = store.receive(Kind.SNAPSHOT, site.get("/status-lists/1").content, now=NOW, list_topic="1")
    assert receipt.swapped == ("wp:1",)


def test_a_list_can_be_read_with_an_ordinary_cose_library(site: Site) -> None:
    signer = site.services.status_signer
    public = TRUST.keys[signer.kid].public.public_bytes_raw()
    key = COSEKey.new({1: 1, -1: 6, -2: public, 2: signer.kid, 3: -8})
    claims = cbor2.loads(COSE.new().decode(site.get("/status-lists/1").content, key))
    assert (claims[2], claims[65533]["bits"], claims[65534]) == ("wp:1", 2, 60)
    assert zlib.decompress(claims[65533]["lst"]) == bytes(1 << 18)


def test_media_type_etag_and_cache_times(site: Site) -> None:
    first = site.get("/status-lists/1")
    assert first.status_code == 200
    assert first.headers["content-type"] == "application/statuslist+cwt"
    assert first.headers["cache-control"] == "public, max-age=60"
    etag = first.headers["etag"]
    for tags in (etag, f'"other", W/{etag}', "*"):
        again = site.get("/status-lists/1", if_none_match=tags)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert site.get("/status-lists/1", if_none_match='"other"').content == first.content

    issue(site.services, 1)
    take_away_some(site.services, 1, draw=random.Random(1))
    site.publish()
    changed = site.get("/status-lists/1", if_none_match=etag)
    assert (changed.status_code, changed.headers["etag"] != etag) == (200, True)


def test_pages_of_any_origin_may_read_what_is_public_and_nothing_else(site: Site) -> None:
    etag = site.get("/status-lists/1").headers["etag"]
    for public in (site.get("/status-lists/1"), site.get("/status-lists/1", if_none_match=etag), site.get("/trust")):
        assert public.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in site.get("/api/v1/network").headers


def test_a_token_is_signed_anew_at_half_its_life(site: Site) -> None:
    seen = []
    for hours in (0, 11, 12, 23, 24):
        site.clock.advance(NOW + hours * 3600 - site.clock.now())
        seen.append(read_snapshot(site.get("/status-lists/1").content, TRUST, NOW).iat - NOW)
    assert seen == [0, 0, 12 * 3600, 12 * 3600, 24 * 3600]


def test_a_token_of_a_clock_that_ran_ahead_is_signed_anew(site: Site) -> None:
    seen = []
    for hours in (2, 0):
        site.clock.advance(NOW + hours * 3600 - site.clock.now())
        seen.append(read_snapshot(site.get("/status-lists/1").content, TRUST, NOW).iat - NOW)
    assert seen == [2 * 3600, 0]


def test_a_list_that_is_not_there(site: Site) -> None:
    answer = site.get("/status-lists/2")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "status list: expected the name of a list of this network, got another"


def test_the_trust_set_is_that_of_the_keys(site: Site) -> None:
    answer = site.get("/trust")
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert read_trust_set(answer.content) == TRUST
    assert base64url(site.services.status_signer.kid) in answer.text
    assert '"d"' not in answer.text


def test_a_list_that_has_ended_is_gone(site: Site) -> None:
    end_the_first_list(site.services)
    assert site.get("/status-lists/1").status_code == 200
    site.moment += 60.0
    site.publish()
    response = site.get("/status-lists/1")
    assert response.status_code == 410
    assert response.json()["type"] == "urn:waypass:problem:gone"
    assert site.get("/status-lists/9").status_code == 404
