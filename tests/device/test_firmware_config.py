"""The configuration that ships for a Raspberry Pi is read by the reader, and leaves no key unexplained."""

import re
import shutil
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel
from tests.support.issuing import make_issuer, write_trust

from waypass_protocol.policy import Policy
from waypass_reader.config import BrokerTable, LaneTable, PagesTable, ReaderTable, TurnstileTable, load_config

SHIPPED = Path(__file__).resolve().parents[2] / "firmware-config" / "reader.toml"


def test_the_shipped_configuration_is_read_and_has_the_default_policy(tmp_path: Path) -> None:
    shutil.copy(write_trust(make_issuer(), tmp_path), tmp_path / "keys.jwks")
    shutil.copy(SHIPPED, tmp_path / "reader.toml")
    table, trust = load_config(tmp_path / "reader.toml")
    assert trust.network == table.network == "metro"
    assert table.policy == Policy()
    assert table.lanes[0].turnstile.pins == "gpio"
    assert table.pages == PagesTable()


@pytest.mark.parametrize("table", [ReaderTable, BrokerTable, PagesTable, LaneTable, TurnstileTable])
def test_every_key_stands_in_it(table: type[BaseModel]) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    names = {field.alias or name for name, field in table.model_fields.items()}
    missing = [
        name for name in names if f"{name} = " not in text and f"{name}]" not in text and f".{name}]" not in text
    ]
    assert not missing


def test_the_wiring_is_drawn_for_the_pins_of_the_configuration() -> None:
    turnstile = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))["lane"][0]["turnstile"]
    rows = re.findall(
        r"^\| `(\w+) = (\d+)` \| (\d+) \| (\d+) \|", SHIPPED.with_name("wiring.md").read_text("utf-8"), re.M
    )
    header = {17: 11, 27: 13, 22: 15}
    assert {name for name, *_ in rows} == {"relay", "lamp_go", "lamp_wait"}
    for name, number, bcm, place in rows:
        assert turnstile[name] == int(number) == int(bcm)
        assert header[int(bcm)] == int(place)
