"""The public log over HTTP: whoever has the log's key can check everything, and a person can check what is theirs."""

from typing import Any

import pytest
from tests.server.publiclog.test_checkpoints import AFTER_CHANGE, KEY
from tests.support.office import DAY, Office

from waypass_protocol.checkpoint import Checkpoint, open_checkpoint
from waypass_protocol.logproofs import Consistency, Inclusion, read_proof_file
from waypass_protocol.logrecords import read_record
from waypass_protocol.merkle import Frontier, leaf_hash


def get(office: Office, address: str, *, status: int = 200) -> bytes:
    answer = office.send("GET", address)
    assert answer.status_code == status, answer.text
    return answer.content


def checkpoint(office: Office) -> Checkpoint:
    return open_checkpoint(get(office, "/log/checkpoint"), KEY)


def mine(office: Office, person: str) -> Inclusion:
    answer = office.call(person, "GET", "/me/log")
    assert answer.is_success, answer.text
    assert answer.headers["content-disposition"] == 'attachment; filename="waypass-log-metro.json"'
    proof = read_proof_file(answer.content)
    assert isinstance(proof, Inclusion)
    proof.check(KEY)
    return proof


def whats(proof: Inclusion) -> list[str]:
    return [read_record(leaf.opening.record).what for leaf in proof.leaves if leaf.opening is not None]


def test_before_the_first_checkpoint(office: Office) -> None:
    answer = office.send("GET", "/log/checkpoint")
    assert answer.status_code == 404
    assert "expected a checkpoint that was signed, there is none" in answer.text


def test_the_key_is_told(office: Office) -> None:
    assert get(office, "/log/keys").decode() == f"{KEY.to_text()}\n"


def test_anybody_can_rebuild_the_tree_from_its_tiles(office: Office) -> None:
    for number in range(45):
        office.person(f"p-{number}")
    for day in range(60):
        office.do("proposer", "POST", "/bases", **form(f"Basis {day}"))
    office.later(AFTER_CHANGE)
    office.later(AFTER_CHANGE)
    signed = checkpoint(office)
    whole, rest = divmod(signed.size, 256)
    assert (whole, rest > 0) == (0, True) or whole > 0
    addresses = [*(f"{number:03}" for number in range(whole)), *([f"{whole:03}.p/{rest}"] if rest else [])]
    bundles = b"".join(get(office, f"/log/tile/entries/{address}") for address in addresses)
    entries = [bundles[at + 2 : at + 34] for at in range(0, len(bundles), 34)]
    assert all(bundles[at : at + 2] == b"\x00\x20" for at in range(0, len(bundles), 34))
    tiles = b"".join(get(office, f"/log/tile/0/{address}") for address in addresses)
    assert tiles == b"".join(leaf_hash(entry) for entry in entries)
    frontier, _ = Frontier().append(leaf_hash(entry) for entry in entries)
    assert (frontier.size, frontier.root()) == (signed.size, signed.root)


def form(title: str) -> dict[str, Any]:
    from tests.support.office import basis_form

    return basis_form(title=title)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("no number", "0/"),
        ("two digits", "0/00"),
        ("a zero part first", "0/x000/000"),
        ("width 0", "0/000.p/0"),
        ("width 256", "0/000.p/256"),
        ("wider than the log", "0/000.p/255"),
        ("not whole yet", "0/000"),
        ("beyond the log", "0/001.p/1"),
        ("a level that nothing has", "40/000.p/1"),
        ("an entry beyond", "entries/x999/x999/999"),
        ("text", "entries/abc"),
    ],
)
def test_a_tile_that_is_not_there(office: Office, name: str, path: str) -> None:
    answer = office.send("GET", f"/log/tile/{path}")
    assert answer.status_code == 404, name
    assert answer.json()["detail"].startswith("tile: expected") or path == "0/"


def test_proofs_of_leaves_and_of_growth(office: Office) -> None:
    office.later()
    old = checkpoint(office)
    office.person()
    office.later(AFTER_CHANGE)
    new = checkpoint(office)
    assert new.size > old.size
    for index in (0, old.size - 1):
        proof = read_proof_file(get(office, f"/log/proof/inclusion?index={index}"))
        assert isinstance(proof, Inclusion)
        assert proof.check(KEY) == new
        of_old = read_proof_file(get(office, f"/log/proof/inclusion?index={index}&size={old.size}"))
        assert isinstance(of_old, Inclusion)
        assert of_old.check(KEY) == old
    grown = read_proof_file(get(office, f"/log/proof/consistency?old={old.size}"))
    assert isinstance(grown, Consistency)
    assert grown.check(KEY) == (old, new)


@pytest.mark.parametrize(
    ("address", "status", "says"),
    [
        ("inclusion?index=9999", 422, "index: expected a leaf below the size of"),
        ("inclusion?index=0&size=2", 404, "expected a checkpoint that was signed of 2 leaves, there is none"),
        ("inclusion?index=-1", 422, ""),
        ("inclusion", 422, ""),
        ("consistency?old=1", 404, "expected a checkpoint that was signed of 1 leaves"),
        (f"consistency?old={2**70}", 422, ""),
    ],
)
def test_proofs_that_cannot_be(office: Office, address: str, status: int, says: str) -> None:
    office.later()
    assert says in get(office, f"/log/proof/{address}", status=status).decode()


def test_a_person_has_the_proofs_of_what_concerns_them(office: Office) -> None:
    person, other = office.person(), office.person("p-2")
    basis = office.basis()
    entry = office.entry_in_effect(person, basis)
    office.do(person, "POST", f"/me/entries/{entry}/objection", text="No.")
    office.entry_in_effect(other, basis, ends_at=office.services.now() + 20 * DAY)
    office.later(AFTER_CHANGE)
    proof = mine(office, person)
    assert whats(proof) == [
        *("person.registered", "desk-code.made", "wallet.enrolled"),
        *("entry.proposed", "entry.approved", "entry.notified", "entry.in-effect", "objection.made"),
    ]
    theirs = {leaf.index for leaf in mine(office, other).leaves}
    assert theirs.isdisjoint({leaf.index for leaf in proof.leaves})


def test_an_entry_is_not_disclosed_before_it_is_announced(office: Office) -> None:
    person, basis = office.person(), office.basis()
    entry = office.entry(person, basis)
    office.later(AFTER_CHANGE)
    assert "entry.proposed" not in whats(mine(office, person))
    office.do("approver", "POST", f"/entries/{entry}/approve")
    office.later()
    office.later(AFTER_CHANGE)
    assert {"entry.proposed", "entry.approved", "entry.notified"} <= set(whats(mine(office, person)))


def test_nobody_else_sees_it(office: Office) -> None:
    office.person()
    office.later(AFTER_CHANGE)
    assert office.call(None, "GET", "/me/log").status_code == 401
    assert office.call("ops", "GET", "/me/log").status_code in (401, 403)


def test_what_is_in_no_checkpoint_yet(office: Office) -> None:
    office.later()
    person = office.person()
    answer = office.call(person, "GET", "/me/log")
    assert answer.status_code == 404
    assert "nothing about you is in a checkpoint yet" in answer.text
