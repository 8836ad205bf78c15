"""What the chapters have in hand: certificates, pictures, a basis, an entry, forgeries, and what must not be found.

People of the demonstration do these things the way everybody does: over the server's API and with the project's own
commands.
"""

import json
import time
from collections.abc import Mapping
from datetime import date
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from waypass_protocol.keys import HolderSigner, MemorySigner
from waypass_protocol.passes import HOUR, Aspect, Pass, Place, sign_pass
from waypass_protocol.presentation import present
from waypass_simulator.api import Api
from waypass_simulator.demo.deployment import AUTHORITY, run
from waypass_simulator.demo.gate import NETWORK, RIDE
from waypass_simulator.demo.scene import Scene
from waypass_simulator.health import InventedPerson
from waypass_simulator.processes import Stream

NOTICE_SECONDS = 2
ENTRY_REASON = "You struck a member of staff at the north gate."


class Office(Protocol):
    """Where members of staff work."""

    def staff(self, name: str) -> Api:
        """One of them, at their own screen."""


def vaccination(scene: Scene, given_name: str) -> str:
    """A certificate of the demonstration's own authority for an invented person."""
    person = InventedPerson(family_name="Demo", given_name=given_name, born=date(1980, 1, 1))
    return scene.authority.vaccination(person, now=int(time.time()))


def read_pictures(scene: Scene, pictures: Mapping[str, bytes]) -> list[str | None]:
    """The text of each picture (PNG, by file name), as the reader's own eyes find it."""
    paths = [scene.deployment.folder / name for name in pictures]
    for path, png in zip(paths, pictures.values(), strict=True):
        path.write_bytes(png)
    program = run("waypass-reader", "decode", "--json", *paths)
    rows = [json.loads(line) for line in program.lines(Stream.STDOUT)]
    return [str(row["texts"][0]) if row["texts"] else None for row in rows]


def register_basis(
    office: Office, *, notice: int = NOTICE_SECONDS, title: str = "Ban from travel after assault on staff"
) -> int:
    """Pavel proposes a basis for red and yellow on rides, Anna approves it; its id. `notice` is in seconds."""
    with office.staff("pavel") as pavel, office.staff("anna") as anna:
        basis = pavel.post(
            "/api/v1/bases",
            {
                "authority": AUTHORITY,
                "title": title,
                "citation": "Transit Act, section 12",
                "health": False,
                "effects": ["red", "yellow"],
                "scopes": [RIDE],
                "longest": 90 * 24 * HOUR,
                "notice": notice,
                "objection_deadline": 14 * 24 * HOUR,
                "exclusions": ["minors"],
            },
        )
        anna.post(f"/api/v1/bases/{basis['id']}/versions/{basis['number']}/approve")
    return int(basis["id"])


def propose_red(office: Office, person: str, basis: int) -> int:
    """Pavel proposes a red entry about a person; its id."""
    with office.staff("pavel") as pavel:
        entry = pavel.post(
            "/api/v1/entries",
            {
                "person": person,
                "basis": basis,
                "effect": "red",
                "scopes": [RIDE],
                "reason": ENTRY_REASON,
                "case": {"reference": "C-2031", "state": "open"},
                "ends_at": int(time.time()) + 30 * 24 * HOUR,
                "exclusions_checked": ["minors"],
            },
        )
    return int(entry["id"])


def tampered(text: str) -> str:
    """The same text with a letter in its middle changed."""
    middle = len(text) // 2
    return text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :]


def forged(forger: MemorySigner, now: float, *, network: str = NETWORK) -> str:
    """A green presentation, genuine in all but the issuer's key; or another network's."""
    holder = HolderSigner(ec.generate_private_key(ec.SECP256R1()))
    hour = int(now) - int(now) % HOUR
    pass_ = Pass(
        iat=hour,
        exp=hour + 24 * HOUR,
        place=Place(uri="wp:1", idx=7),
        aspects={RIDE: Aspect.GREEN},
        holder=holder.key,
    )
    return present(sign_pass(pass_, forger), t=int(now), network=network, holder=holder)


def gather_secrets(scene: Scene) -> dict[str, bytes]:
    """What no reader may keep or say, by what it is: references, and parts of passes, keys and codes."""
    found = {f"code {number} that was shown": text[20:60].encode() for number, text in enumerate(scene.shown)}
    for person, wallet in scene.wallets.items():
        found[f"the reference {person}"] = person.encode()
        for number, held in enumerate(wallet.passes):
            x, _ = held.holder.key.coordinates()
            found[f"pass {number} of {person}"] = held.data[20:60]
            found[f"key {number} of {person}"] = x
            found[f"code {number} of {person}"] = wallet.copy(slot=number)[20:60].encode()
    return found
