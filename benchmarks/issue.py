"""Passes issued per second and core in batches of a day (144), beside bare Ed25519 signing of as many bytes.

What a batch is here: one person, 144 proven holder keys, one transaction on a SQLite file with full synchronisation;
all that `issue_bound` does, and the commit. `with_proofs` adds the check of the 144 proofs (ES256), which a wallet's
batch needs and a batch without holder keys does not; its own floor is one signature and one such verification a pass.
Times are of this process's processor (`time.process_time`), since the question is per core; `wall` is by the clock.
Batches and bare signatures take turns, so that a slow moment of the machine falls on both.

`http_requests_per_s`: a real server process answers wallets of another process over loopback, each on a connection of
its own: standing, nonce, a batch of twelve, and again. The wallets make keys and proofs on the same two cores, and that
is part of what is measured.
"""

import json
import secrets
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric import ec
from rich.console import Console
from rich.table import Table

from propagation import NETWORK, make_services, prepare
from waypass_protocol.keys import HolderSigner
from waypass_server.issuing import BATCH, PassRequest, UnprovenKey, check_proofs, issue_bound, proof_text
from waypass_server.models.people import Person
from waypass_server.services import Services
from waypass_simulator.demo.deployment import Deployment
from waypass_simulator.wallet import Wallet

AIM = 0.5
PASS_BYTES = 230
"""About what a bound pass's signature covers."""
RIDE, HOSPITAL = 1, 2
HTTP_BATCH = 12


def main(
    as_json: Annotated[bool, typer.Option("--json", help="One object on stdout.")] = False,
    batches: Annotated[int, typer.Option(min=3, help="How many batches are issued.")] = 120,
    wallets: Annotated[int, typer.Option(min=1, help="Wallets that ask over HTTP at the same time.")] = 4,
    seconds: Annotated[float, typer.Option(min=1, help="How long they ask.")] = 10.0,
) -> None:
    """Measure issuing."""
    with tempfile.TemporaryDirectory(prefix="waypass-issue-") as folder:
        result = {**measure_batches(Path(folder), batches), **measure_http(Path(folder) / "http", wallets, seconds)}
    if as_json:
        print(json.dumps(result))
        return
    table = Table("figure", "measured", "aim", title="Issuing")
    for name, value in result.items():
        table.add_row(name, str(value), str(AIM) if name == "over_bare" else "")
    Console().print(table)


def measure_batches(folder: Path, batches: int) -> dict[str, float]:
    """Microseconds a pass, as means over the batches, and what follows from them. (Places are drawn ahead, for many
    batches at a time: a median would not see it.)"""
    services = make_services(folder)
    prepare(services, 1)
    holders = [HolderSigner(ec.generate_private_key(ec.SECP256R1())) for _ in range(BATCH)]
    nonce = secrets.token_urlsafe(32)
    keys = [_unproven(holder, nonce) for holder in holders]
    requests = check_proofs(NETWORK, nonce, keys)
    people = _enrol(services, batches + 1)
    message = secrets.token_bytes(PASS_BYTES)
    signer = services.pass_signer
    issue: list[float] = []
    proofs: list[float] = []
    bare: list[float] = []
    wall: list[float] = []
    for number, person_id in enumerate(people):
        started = time.perf_counter()
        issuing = _spent(partial(_issue, services, person_id, requests))
        elapsed = time.perf_counter() - started
        proving = _spent(lambda: check_proofs(NETWORK, nonce, keys))
        signing = _spent(lambda: [signer.sign(message) for _ in range(BATCH)])
        if number:  # the first one warms up
            for times, took in ((issue, issuing), (proofs, proving), (bare, signing), (wall, elapsed)):
                times.append(took)
    services.database.close()
    issue_us, proof_us, bare_us = (statistics.fmean(each) / BATCH * 1e6 for each in (issue, proofs, bare))
    return {
        "passes_per_s_core": round(1e6 / issue_us),
        "bare_signatures_per_s": round(1e6 / bare_us),
        "over_bare": round(bare_us / issue_us, 3),
        "passes_per_s_wall": round(BATCH / statistics.fmean(wall)),
        "with_proofs_passes_per_s_core": round(1e6 / (issue_us + proof_us)),
        "with_proofs_over_bare": round(bare_us / (issue_us + proof_us), 3),
        "issue_us": round(issue_us, 1),
        "proof_us": round(proof_us, 1),
        "bare_us": round(bare_us, 1),
    }


def measure_http(folder: Path, wallets: int, seconds: float) -> dict[str, float]:
    """Requests and passes per second through a real server process."""
    folder.mkdir()
    with Deployment(folder=folder, gate_names=()) as deployment:
        deployment.start()
        asking = [_wallet(deployment, number) for number in range(wallets)]
        answered = [0] * wallets
        until = time.monotonic() + seconds

        def ask(number: int) -> None:
            wallet = asking[number]
            while time.monotonic() < until:
                wallet.standing()
                wallet.fetch([HOSPITAL], HTTP_BATCH)
                answered[number] += 1
                if answered[number] % 80 == 0:  # nobody may have a thousand live passes
                    asking[number] = wallet = _wallet(deployment, number + wallets * answered[number])

        started = time.monotonic()
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(wallets)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - started
        for wallet in asking:
            wallet.close()
    return {
        "http_requests_per_s": round(3 * sum(answered) / took, 1),
        "http_passes_per_s": round(HTTP_BATCH * sum(answered) / took, 1),
    }


def _wallet(deployment: Deployment, number: int) -> Wallet:
    reference = f"bench-{number}"
    with deployment.staff("dora") as desk:
        desk.post("/api/v1/people", {"reference": reference})
        code = desk.post("/api/v1/desk-codes", {"person": reference})["code"]
    wallet = Wallet(address=deployment.address, network="metro", now=time.time)
    wallet.enrol(code)
    return wallet


def _unproven(holder: HolderSigner, nonce: str) -> UnprovenKey:
    x, y = holder.key.coordinates()
    return UnprovenKey(x=x, y=y, proof=holder.sign(proof_text(NETWORK, nonce, x, y)), scopes=(RIDE,))


def _enrol(services: Services, count: int) -> list[int]:
    """So many people more; a person may have a thousand live passes."""
    with services.database.changing() as session:
        network_id = session.get_one(Person, 1).network_id
        people = [
            Person(network_id=network_id, reference=f"batch-{number}", created_at=services.now(), reassess_at=None)
            for number in range(count)
        ]
        session.add_all(people)
        session.flush()
        return [person.id for person in people]


def _issue(services: Services, person_id: int, requests: list[PassRequest]) -> None:
    with services.database.changing() as session:
        issue_bound(session, services, person_id, requests, services.now())


def _spent(work: Callable[[], object]) -> float:
    """Processor seconds."""
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    typer.run(main)
