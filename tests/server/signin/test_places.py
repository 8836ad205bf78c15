"""What the settings say of passkeys, provider and links; what they may not say is in `test_settings`, `test_serve`."""

from pathlib import Path

import pytest

from waypass_server.addresses import is_safe
from waypass_server.settings import Settings, load_settings
from waypass_server.signin.places import enrolment_address, place_of, provider_of

ORIGIN = 'network = "metro"\norigin = "https://ops.example.org"\n'


def settings(folder: Path, text: str) -> Settings:
    (folder / "server.toml").write_text(text, encoding="utf-8")
    return load_settings(folder / "server.toml", {})


@pytest.mark.parametrize(
    ("name", "more", "domain"),
    [
        ("the host", "", "ops.example.org"),
        ("a domain above it", 'passkey_domain = "example.org"', "example.org"),
        ("the same", 'passkey_domain = "ops.example.org"', "ops.example.org"),
    ],
)
def test_what_passkeys_are_for(tmp_path: Path, name: str, more: str, domain: str) -> None:
    place = place_of(settings(tmp_path, ORIGIN + more))
    assert place is not None
    assert (place.origin, place.domain, place.network) == ("https://ops.example.org", domain, "metro")


def test_without_an_origin(tmp_path: Path) -> None:
    plain = settings(tmp_path, 'network = "metro"\nport = 8081\n')
    assert (place_of(plain), provider_of(plain)) == (None, None)
    assert enrolment_address(plain, "wpe_x") == "http://127.0.0.1:8081/ops/enrol#code=wpe_x"


def test_a_provider_and_how_this_server_is_known_there(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\nthe rest is not read\n", encoding="utf-8")
    provider = provider_of(
        settings(
            tmp_path,
            ORIGIN + 'oidc_issuer = "https://login.example.org/city"\noidc_client_id = "waypass"\n'
            'oidc_client_secret_file = "secret"\noidc_claim = "staff_number"\n',
        )
    )
    assert provider is not None
    client = provider.client
    assert (client.issuer, client.client_id, client.claim) == (
        "https://login.example.org/city",
        "waypass",
        "staff_number",
    )
    assert client.back == "https://ops.example.org/ops/sign-in/oidc/back"
    assert client.secret == "s3cret"
    assert "s3cret" not in repr(client)


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://login.example.org", True),
        ("http://localhost:8080", True),
        ("http://127.0.0.1", True),
        ("http://[::1]:80", True),
        ("http://login.example.org", False),
        ("http://localhost.example.org", False),
        ("ftp://localhost", False),
        ("https://", False),
        ("https://[", False),
        ("", False),
        (None, False),
        (7, False),
    ],
)
def test_which_addresses_may_have_secrets(address: object, safe: bool) -> None:
    assert is_safe(address) is safe
