"""What only a cluster has: nodes that die while the others go on."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.support.broker_house import FAILOVER_SECONDS, house
from tests.support.broker_sites import NatsSite
from tests.support.nats import NODES, PASSWORDS, needs_nats

pytestmark = needs_nats

NOT_AUTHORISED = 135


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as open_things:
        yield open_things


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsSite]:
    """One for all tests; whoever kills a node starts it again, whatever becomes of the test."""
    with closing(NatsSite(tmp_path_factory.mktemp("nats"))) as made:
        yield made


def start_again(nats: NatsSite, node: int) -> None:
    """Unless it runs."""
    if nats.cluster.programs[node].exit_code is None:
        return
    nats.cluster.start(node)
    nats.cluster.wait_until_serving(node)


@pytest.mark.parametrize("victim_is", ["the leader of what is retained", "where server and reader are connected"])
def test_no_change_is_lost_when_a_node_is_killed_in_mid_traffic(
    stack: ExitStack, nats: NatsSite, victim_is: str, tmp_path: Path
) -> None:
    victim = nats.cluster.leader("$MQTT_rmsgs") if "leader" in victim_is else 1
    others = [node for node in NODES if node != victim]
    near = others[0] if "leader" in victim_is else victim
    server = house(stack, nats, tmp_path, nats.server_at(near))
    reader = server.reader("north-1", nats.reader_at("north-1", near))
    server.wait_for(reader, seconds=FAILOVER_SECONDS)
    stack.callback(start_again, nats, victim)
    killing = threading.Thread(target=nats.cluster.kill, args=(victim,))
    for number in range(120):
        if number == 40:
            killing.start()
        server.change()
    killing.join()
    server.wait_for(reader, seconds=FAILOVER_SECONDS)
    for node in others:
        newcomer = server.reader("north-2", nats.reader_at("north-2", node))
        server.wait_for(newcomer, seconds=FAILOVER_SECONDS)
        newcomer.close()
    start_again(nats, victim)
    server.change()
    newcomer = server.reader("north-2", nats.reader_at("north-2", victim))
    server.wait_for(reader, newcomer, seconds=FAILOVER_SECONDS)


@pytest.mark.parametrize(
    ("login", "password"), [("server", "guessed"), ("server", PASSWORDS["north-1"]), ("nobody", "x"), ("", "")]
)
def test_nats_lets_nobody_in_without_a_password(nats: NatsSite, login: str, password: str) -> None:
    assert nats.cluster.knock(login, password) == NOT_AUTHORISED
