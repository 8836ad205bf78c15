"""The living demonstration: everything runs until it is told to end, people keep coming, and one page shows it.

In this order; whatever happens on the way, every program that was started is ended:

1. the front door's port is taken, before anything else is started
2. broker, server, two gates with their pages, and the station's box start as programs of their own
3. a basis with a short notice is registered by two people, so that a visitor can see an entry take effect
4. people begin to come, the addresses are printed, and the time until the first gate opened; readers at other
   stations, which only hold the lists, come last, since nobody waits for them
5. a program that ends by itself is started again, and that is said
6. it ends with the block that it runs in

What grows is bounded: lines of programs, passings, pictures. Passes, keys and tokens of people are in the server's
database, in wallets, and nowhere else; two members of staff have links with their tokens, in the terminal and on the
stage, for this machine is theirs.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec

from waypass_simulator.camera import VGA
from waypass_simulator.demo.crowd import Crowd
from waypass_simulator.demo.deployment import Deployment
from waypass_simulator.demo.keeping import keep_running, keepers
from waypass_simulator.demo.props import register_basis
from waypass_simulator.demo.visitors import Visitors
from waypass_simulator.demo.walkway import OPEN_SECONDS, PAUSE_SECONDS, Board, Walkway
from waypass_simulator.health import HealthAuthority
from waypass_simulator.processes import Program
from waypass_simulator.scenery import paint_hall
from waypass_simulator.stage.door import Door, Serving, listen
from waypass_simulator.stage.proxy import Proxy, Upstream
from waypass_simulator.stage.stage import Link, Play, Stage

NOTICE: Final = 5
BASIS: Final = "Short notice, for this demonstration"
LINES: Final = 5_000
CITY: Final = 24
HALLS: Final = (11, 1)
"""Seeds of the halls that the two cameras look into."""

_LOOK_SECONDS: Final = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Living:
    """What a run is given. `port` as in `door.listen`, `pause` as in `Walkway`, `city` as in `Deployment`; `keep` is
    how many lines of a program are held.
    """

    folder: Path
    seed: int
    port: int | None = None
    pause: tuple[float, float] = PAUSE_SECONDS
    city: int = CITY
    keep: int = LINES


@dataclass(kw_only=True)
class Run:
    """A demonstration that runs: its programs, its people, and its address."""

    deployment: Deployment
    crowd: Crowd
    board: Board
    walkways: Mapping[str, Walkway]
    visitors: Visitors
    serving: Serving

    @property
    def address(self) -> str:
        """The stage's address, without a slash at its end."""
        return self.serving.address

    def sign_in(self, name: str) -> str:
        """The link with which a member of staff signs in; the token is in the fragment, which nobody is sent."""
        return f"{self.address}/ops/sign-in#token={self.deployment.tokens[name]}"


@contextmanager
def running(living: Living, note: Callable[[str], None]) -> Iterator[Run]:
    """Rules 1 to 5: start everything, and end it with the block. Raises `SimulatorError`."""
    begun = time.monotonic()
    now = int(time.time())
    listener = listen(living.port)
    authority = HealthAuthority.make(key=ec.generate_private_key(ec.SECP256R1()), random=os.urandom, now=now)
    deployment = Deployment(
        folder=living.folder,
        evidence_signers={"demonstration": authority.certificate_der},
        pages=True,
        city=living.city,
        open_seconds=OPEN_SECONDS,
        keep=living.keep,
    )
    play: list[Play] = []
    door = Door(Stage(lambda: play[0] if play else None), Proxy(upstreams(deployment)))
    with ExitStack() as stack:
        serving = stack.enter_context(Serving(door, listener))
        note(f"The stage is at {serving.address} and comes alive in a moment.")
        stack.enter_context(deployment)
        deployment.start(note)
        run = _people(living, deployment, authority, serving, note)
        stack.callback(run.crowd.close)
        for walkway in run.walkways.values():
            stack.callback(walkway.close)
        run.crowd.start()
        for walkway in run.walkways.values():
            walkway.start()
        register_basis(deployment, notice=NOTICE, title=BASIS)
        deployment.start_city()
        if living.city:
            note(f"{living.city} readers at other stations hold the lists; the console's push view shows each of them.")
        play.append(_play(run))
        stop = threading.Event()
        keeper = threading.Thread(
            target=keep_running, args=(keepers(deployment, note), stop), name="keeper", daemon=True
        )
        keeper.start()
        stack.callback(keeper.join)
        stack.callback(stop.set)
        threading.Thread(target=_tell_first, args=(run.board, begun, stop, note), name="first", daemon=True).start()
        yield run


def upstreams(deployment: Deployment) -> list[Upstream]:
    """Who stands behind the front door."""

    def server() -> str | None:
        return deployment.address if _runs(deployment.server) else None

    def station() -> str | None:
        return f"http://127.0.0.1:{deployment.station_port}" if _runs(deployment.station) else None

    def pages(name: str) -> Callable[[], str | None]:
        return lambda: deployment.pages_address(name) if (gate := deployment.gates.get(name)) and gate.running else None

    return [
        Upstream(name="the server", prefix="/wallet", address=server, framed=True),
        *(Upstream(name="the server", prefix=f"/{each}", address=server) for each in _SERVERS_OWN),
        *(
            Upstream(name=name, prefix=f"/gates/{name}", address=pages(name), strip=True, framed=True)
            for name in deployment.gate_names
        ),
        Upstream(name="the station's page", prefix="/station", address=station, strip=True),
    ]


_SERVERS_OWN: Final = ("api", "ops", "trust", "status-lists")


def _people(
    living: Living,
    deployment: Deployment,
    authority: HealthAuthority,
    serving: Serving,
    note: Callable[[str], None],
) -> Run:
    draw = random.Random(living.seed)  # noqa: S311 - hands and light; keys come from elsewhere
    crowd = Crowd(
        office=deployment,
        address=deployment.address,
        authority=authority,
        draw=draw,
        gates=deployment.gate_names,
        note=note,
    )
    board = Board()
    walkways = {}
    for name, hall in zip(deployment.gate_names, HALLS, strict=True):
        painted = paint_hall(np.random.default_rng(hall), width=VGA.width, height=VGA.height)
        rng = np.random.default_rng(draw.getrandbits(64))
        gate = deployment.gates[name]
        walkways[name] = Walkway(gate=gate, people=crowd, board=board, hall=painted, rng=rng, pause=living.pause)
    visitors = Visitors(office=deployment, authority=authority)
    return Run(deployment=deployment, crowd=crowd, board=board, walkways=walkways, visitors=visitors, serving=serving)


def _play(run: Run) -> Play:
    links = [Link(words=name, href=run.sign_in(name).removeprefix(run.address)) for name in ("pavel", "anna")]
    return Play(
        walkways=run.walkways,
        board=run.board,
        visitors=run.visitors,
        links=links,
        station_key=run.deployment.station_key,
        basis=BASIS,
        notice=NOTICE,
    )


def _runs(program: Program | None) -> bool:
    return program is not None and program.exit_code is None


def _tell_first(board: Board, begun: float, stop: threading.Event, note: Callable[[str], None]) -> None:
    while not stop.is_set():
        if board.opened.wait(_LOOK_SECONDS):
            note(f"The first gate opened {time.monotonic() - begun:.1f} s after the start.")
            return
