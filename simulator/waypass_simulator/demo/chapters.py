"""The chapters of the demonstration, in their order: a day in a small metro.

Each is a function of the scene; together they are the story that `waypass demo` plays. A chapter begins with the
people whom it is about and leaves the deployment as it found it.
"""

import json
import os
import time
from base64 import b64decode
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from waypass_protocol.keys import MemorySigner
from waypass_protocol.passes import HOUR
from waypass_simulator.carriers import Carrier
from waypass_simulator.demo.deployment import AUTHORITY_CONTACT, run
from waypass_simulator.demo.gate import HOSPITAL, RIDE
from waypass_simulator.demo.props import (
    ENTRY_REASON,
    NOTICE_SECONDS,
    forged,
    gather_secrets,
    propose_red,
    read_pictures,
    register_basis,
    tampered,
    vaccination,
)
from waypass_simulator.demo.scene import Scene
from waypass_simulator.difficulty import MEDIUM
from waypass_simulator.errors import SimulatorError
from waypass_simulator.health import HealthAuthority, InventedPerson, health_qr_png
from waypass_simulator.processes import Stream
from waypass_simulator.wallet import Wallet

GREEN = ("open", "green", "green")
OUTAGE_SECONDS = 10.0
NOTICE_WAIT_SECONDS = 10.0


def opening(scene: Scene) -> None:
    """Everything runs, and both gates hold a current list."""
    scene.story.chapter("Opening: broker, server and two gates")
    for gate in scene.deployment.gates:
        held = scene.watch.wait_current(gate, timeout=30.0)
        lists = ", ".join(f"{uri} version {each.version}" for uri, each in held.items())
        scene.story.step(
            f"{gate} fetches the status lists",
            expected="a list of known age",
            seen=f"holds {lists}" if held else "holds no current list",
            ok=bool(held),
        )


def certificates(scene: Scene) -> None:
    """People come with health certificates; each starts as the picture of a QR code."""
    scene.story.chapter("At the desk: health certificates become status data")
    now = int(time.time())
    ada, bao, mira = (
        InventedPerson(family_name=family, given_name=given, born=date(year, 5, 17))
        for family, given, year in (("Lind", "Ada", 1984), ("Chen", "Bao", 1991), ("Sand", "Mira", 1999))
    )
    papers = {
        "person-ada": scene.authority.vaccination(ada, now=now),
        "person-bao": scene.authority.test(bao, positive=False, now=now),
        "person-mira": scene.authority.test(mira, positive=True, now=now),
    }
    pictures = {f"{person}.png": health_qr_png(text) for person, text in papers.items()}
    for (person, text), read in zip(papers.items(), read_pictures(scene, pictures), strict=True):
        wallet = scene.enrol(person)
        scene.story.step(
            f"{person}'s certificate is read from its picture",
            expected="the certificate's text",
            seen=f"{len(read or '')} characters read" if read else "not read",
            ok=read == text,
        )
        wallet.offer_evidence(read or text)
    stranger = HealthAuthority.make(key=ec.generate_private_key(ec.SECP256R1()), random=os.urandom, now=now)
    scene.expect_refused(
        "a certificate by a signer whom nobody vouched for",
        lambda: scene.wallets["person-mira"].offer_evidence(stranger.vaccination(mira, now=now)),
        "signer",
    )
    scene.expect_refused(
        "a certificate with a letter changed",
        lambda: scene.wallets["person-mira"].offer_evidence(tampered(papers["person-bao"])),
        "compression",
    )
    for person, aspect in (("person-ada", "green"), ("person-bao", "green"), ("person-mira", "yellow")):
        _expect_standing(scene, person, aspect)


def real_certificates(scene: Scene, shared: Path | None) -> None:
    """Where the shared vectors are found, real EU certificates are read and verified too, at their own time."""
    if shared is None:
        scene.story.note("the shared vectors are not beside this checkout: no real EU certificates this time")
        return
    scene.story.chapter("Real EU health certificates, at the time that each was made for")
    lines = (shared / "vectors" / "hcert" / "dgc-testdata.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [json.loads(line) for line in lines]
    good = [case for case in cases if _fully_valid(case)]
    read = read_pictures(scene, {f"eu-{number}.png": b64decode(case["2DCODE"]) for number, case in enumerate(good)})
    verified = sum(_verify_evidence([(case, text) for case, text in zip(good, read, strict=True) if text]))
    scene.story.step(
        f"{len(good)} real certificates are read from their pictures and verified",
        expected=f"all {len(good)}",
        seen=f"{sum(text is not None for text in read)} read, {verified} verified",
        ok=bool(good) and verified == len(good),
    )


def _fully_valid(case: dict[str, Any]) -> bool:
    expected = case["EXPECT"]
    wanted = ("EXPECTEDPICTUREDECODE", "EXPECTEDVERIFY", "EXPECTEDEXPIRATIONCHECK")
    return "2DCODE" in case and all(expected.get(name) is True for name in wanted) and all(expected.values())


def _verify_evidence(cases: Sequence[tuple[dict[str, Any], str]]) -> list[bool]:
    """What the server's own check says of each text, at the time that its case was made for."""
    rows = []
    for case, text in cases:
        clock = datetime.fromisoformat(case["TESTCTX"]["VALIDATIONCLOCK"])
        rows.append({"text": text, "signers": [case["TESTCTX"]["CERTIFICATE"]], "at": int(clock.timestamp())})
    given = "".join(json.dumps(row) + "\n" for row in rows)
    program = run("waypass-server", "evidence", "check", "--json", stdin=given)
    return [json.loads(line)["verified"] is True for line in program.lines(Stream.STDOUT)]


def colours(scene: Scene) -> None:
    """Green opens; yellow and red wait, each with its own reason."""
    scene.story.chapter("At the gates: green, yellow, red and paper")
    for person in ("person-ada", "person-bao", "person-mira"):
        scene.wallets[person].fetch([RIDE], 4)
    ada, bao, mira = (scene.wallets[f"person-{name}"] for name in ("ada", "bao", "mira"))
    scene.expect_at("gate-a", "Ada shows her telephone at gate A", ada.show, GREEN)
    scene.expect_at("gate-b", "Bao shows his telephone at gate B, in bad light", bao.show, GREEN, difficulty=MEDIUM)
    scene.expect_at(
        "gate-a",
        "somebody comes right after Ada with the same pass",
        ada.show,
        ("assist", "seen-already", "yellow"),
    )
    scene.expect_at("gate-b", "Mira, whose test was positive", mira.show, ("assist", "yellow", "yellow"))
    _paper(scene)
    _red(scene)


def _paper(scene: Scene) -> None:
    scene.enrol("person-paul")
    with scene.staff("dora") as desk:
        papers = {
            person: desk.post("/api/v1/paper-passes", {"person": person, "scopes": [scope], "hint": hint})["text"]
            for person, scope, hint in (("person-ada", RIDE, "A. Lind"), ("person-paul", HOSPITAL, "P. Okoro"))
        }
    scene.expect_at(
        "gate-b",
        "Ada's paper pass: staff compare the hint with an identity document",
        lambda: str(papers["person-ada"]),
        ("assist", "identity-check", "yellow"),
        carrier=Carrier.PAPER,
    )
    scene.expect_at(
        "gate-a",
        "Paul's paper names another service class than this gate's",
        lambda: str(papers["person-paul"]),
        ("assist", "scope-missing", "yellow"),
        carrier=Carrier.PAPER,
    )


def _red(scene: Scene) -> None:
    """An entry by two people, with notice; then the pass is fetched anew and says red."""
    wallet = scene.enrol("person-rolf")
    wallet.offer_evidence(vaccination(scene, "Rolf"))
    wallet.fetch([RIDE], 2)
    scene.expect_at("gate-a", "Rolf, before anything is decided about him", wallet.show, GREEN)
    basis = register_basis(scene)
    entry = propose_red(scene, "person-rolf", basis)
    with scene.staff("pavel") as pavel:
        scene.expect_refused(
            "Pavel, who proposed the entry, tries to approve it himself",
            lambda: pavel.post(f"/api/v1/entries/{entry}/approve"),
            "another",
        )
    with scene.staff("anna") as anna:
        scene.push(
            f"Anna approves; the notice is delivered, and {NOTICE_SECONDS} s later Rolf's green pass is taken away",
            lambda: anna.post(f"/api/v1/entries/{entry}/approve"),
            effect=lambda: float(anna.get(f"/api/v1/entries/{entry}")["takes_effect_at"]),
        )
    _expect_told(scene, wallet)
    scene.expect_at("gate-b", "Rolf with his old green pass", wallet.show, ("assist", "superseded", "yellow"))
    wallet.fetch([RIDE], 2)
    scene.expect_at("gate-b", "Rolf with the pass that his wallet fetched", wallet.show, ("refuse", "red", "red"))


def _expect_told(scene: Scene, wallet: Wallet) -> None:
    told = json.dumps(wallet.api.get("/api/v1/me/notices"), ensure_ascii=False)
    wanted = {"the reason": ENTRY_REASON, "whom to ask": AUTHORITY_CONTACT}
    found = [name for name, words in wanted.items() if words in told]
    scene.story.step(
        "Rolf has been told, with the reason and whom to ask",
        expected=f"a notice with {' and '.join(wanted)}",
        seen=f"a notice with {' and '.join(found)}" if found else "no such notice",
        ok=len(found) == len(wanted),
    )


def objection(scene: Scene) -> None:
    """An objection within the notice period suspends an entry before it ever counts."""
    scene.story.chapter("An objection suspends")
    wallet = scene.enrol("person-olga")
    wallet.offer_evidence(vaccination(scene, "Olga"))
    basis = register_basis(scene, notice=HOUR)
    entry = propose_red(scene, "person-olga", basis)
    with scene.staff("anna") as anna:
        anna.post(f"/api/v1/entries/{entry}/approve")
    _wait_for_notice(wallet)
    answer = wallet.api.post(f"/api/v1/me/entries/{entry}/objection", {"text": "I was not there that day."})
    scene.story.step(
        "Olga objects within the notice period",
        expected="the entry is suspended",
        seen="suspended" if answer["suspends"] else "not suspended",
        ok=answer["suspends"] is True,
    )
    wallet.fetch([RIDE], 2)
    scene.expect_at("gate-a", "Olga rides while her objection is open", wallet.show, GREEN)


def _wait_for_notice(wallet: Wallet) -> None:
    """Notices leave a moment after the approval; nobody can object before being told."""
    deadline = time.monotonic() + NOTICE_WAIT_SECONDS
    while not wallet.api.get("/api/v1/me/notices"):
        if time.monotonic() > deadline:
            raise SimulatorError(f"expected a notice within {NOTICE_WAIT_SECONDS} s")
        time.sleep(0.05)


def withdrawal(scene: Scene) -> None:
    """A lost telephone: one member of staff withdraws its passes, both gates know, and new ones are free to get."""
    scene.story.chapter("A telephone is lost: its codes are withdrawn")
    wallet = scene.enrol("person-lea")
    wallet.offer_evidence(vaccination(scene, "Lea"))
    wallet.fetch([RIDE], 4)
    scene.expect_at("gate-a", "Lea rides in the morning", wallet.show, GREEN)
    with scene.staff("otto") as otto:
        scene.push(
            "Otto withdraws the passes of Lea's lost telephone",
            lambda: otto.post("/api/v1/withdrawals", {"person": "person-lea", "reason": "telephone lost"}),
        )
    for gate, slot in (("gate-a", 1), ("gate-b", 2)):
        scene.expect_at(
            gate,
            "whoever found the telephone shows one of its codes",
            lambda slot=slot: wallet.show(slot=slot),  # type: ignore[misc]
            ("assist", "superseded", "yellow"),
        )
    renewed = scene.enrol("person-lea")
    scene.expect_refused(
        "Lea has a new telephone; the lost one tries to fetch passes", lambda: wallet.fetch([RIDE], 1), "wallet"
    )
    wallet.close()
    renewed.fetch([RIDE], 2)
    scene.expect_at("gate-b", "Lea with the passes of her new telephone", renewed.show, GREEN)


def copies(scene: Scene) -> None:
    """Photographs, stolen passes, forgeries and other people's codes."""
    scene.story.chapter("Copies and forgeries")
    wallet = scene.wallets["person-ada"]
    wallet.fetch([RIDE], 3)
    scene.expect_at(
        "gate-a",
        "a photograph of Ada's code, a minute old",
        lambda: wallet.show(slot=1, at=wallet.time() - 61),
        ("assist", "stale-presentation", "yellow"),
    )
    scene.expect_at(
        "gate-a",
        "Ada's pass copied without her telephone's key",
        lambda: wallet.copy(slot=1),
        ("refuse", "unbound-copy", "grey"),
    )
    forger = MemorySigner(ed25519.Ed25519PrivateKey.generate())
    scene.expect_at(
        "gate-b",
        "a pass that somebody signed with a key of their own",
        lambda: forged(forger, wallet.time()),
        ("assist", "unknown-key", "yellow"),
    )
    scene.expect_at(
        "gate-b",
        "an advertisement's code",
        lambda: "HTTPS://EXAMPLE.ORG/COFFEE",
        ("refuse", "not-waypass", "grey"),
    )


def outage(scene: Scene) -> None:
    """The broker is killed; the gates go on; a change made meanwhile arrives when it is back, empty."""
    scene.story.chapter(f"The broker is killed for {OUTAGE_SECONDS:.0f} seconds")
    ada, bao = scene.wallets["person-ada"], scene.wallets["person-bao"]
    bao.fetch([RIDE], 3)
    before = {gate: scene.watch.held(gate) for gate in scene.deployment.gates}
    scene.deployment.kill_broker()
    killed = time.monotonic()
    ada.fetch([RIDE], 2)
    scene.expect_at("gate-a", "without a broker, Ada", ada.show, GREEN)
    scene.expect_at("gate-b", "without a broker, Bao", bao.show, GREEN)
    with scene.staff("otto") as otto:
        otto.post("/api/v1/withdrawals", {"person": "person-bao", "reason": "printing error"})
    _restart_without_network(scene)
    while time.monotonic() - killed < OUTAGE_SECONDS:
        time.sleep(0.1)
    scene.deployment.start_broker()
    back = time.time()
    scene.await_change(
        "the broker is back and empty; the server fills it and both gates catch up",
        before,
        started=lambda: back,
        since="broker_back",
    )
    for gate in scene.deployment.gates:
        scene.expect_at(
            gate,
            "Bao's code, withdrawn during the outage",
            lambda: bao.show(slot=1),
            ("assist", "superseded", "yellow"),
        )


def _restart_without_network(scene: Scene) -> None:
    """A reader that starts where nothing answers decides by what it kept."""
    gate = scene.gate("gate-b")
    scene.watch.forget("gate-b")
    gate.kill()
    gate.start()
    ada = scene.wallets["person-ada"]
    scene.expect_at(
        "gate-b",
        "gate B was switched off and on without network; Ada",
        lambda: ada.show(slot=1),
        GREEN,
    )


def leftovers(scene: Scene) -> None:
    """Nothing that a reader wrote or said holds a pass, a holder key or a person."""
    scene.story.chapter("What the gates kept")
    secrets = gather_secrets(scene)
    found = []
    for gate in scene.deployment.gates.values():
        gate.close_politely()
        written = [path for path in gate.folder.rglob("*") if path.is_file()]
        heard = [gate.said().encode(), *(path.read_bytes() for path in written)]
        found += [name for name, secret in secrets.items() if any(secret in data for data in heard)]
    scene.story.step(
        f"all that both gates wrote and said is searched for {len(secrets)} passes, keys and references",
        expected="none",
        seen=f"found {', '.join(sorted(set(found)))}" if found else "none found",
        ok=not found,
    )


def _expect_standing(scene: Scene, person: str, aspect: str) -> None:
    scopes = {scope["number"]: scope["aspect"] for scope in scene.wallets[person].standing()["scopes"]}
    scene.story.step(
        f"{person}'s own page",
        expected=f"{aspect} for rides",
        seen=f"{scopes.get(RIDE)} for rides",
        ok=scopes.get(RIDE) == aspect,
    )
