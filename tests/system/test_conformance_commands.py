"""What the paper on commands promises to those who script them: exit codes, pure JSON, and odd input survived."""

import base64
import json
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import base45
import pytest
import qrcode
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from tests.system.commands import Answer, Station, run
from tests.system.foreign import (
    AT,
    DAY,
    HOUR,
    PASS_KEY,
    STATUS_KEY,
    URI,
    Key,
    Sign,
    Tag,
    delta,
    encode,
    head,
    indexes,
    pack,
    paper,
    row,
    shown,
    sign1_parts,
    snapshot,
    trust_set,
)

PACKED = pack({1: 1})
FILES = {"a.snapshot": snapshot(URI, 1, PACKED), "b.head": head([row(URI, 1, PACKED)])}


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Station:
    made = Station(folder=tmp_path_factory.mktemp("station"))
    made.hold(FILES)
    return made


# check: exit codes and input


def test_all_open_is_0_and_the_texts_may_be_arguments(station: Station) -> None:
    answer = run("waypass-reader", "check", *station.arguments(), "--json", shown(), shown({-70001: {1: 0, 2: 2}}))
    assert (answer.code, answer.reasons, answer.stderr) == (0, ["green", "green"], "")
    assert [set(line) for line in answer.lines] == [{"outcome", "reason", "aspect", "microseconds"}] * 2


def test_one_that_does_not_open_is_1(station: Station) -> None:
    answer = station.check([shown(), paper()])
    assert (answer.code, answer.reasons, answer.stderr) == (1, ["green", "identity-check"], "")


def test_one_line_of_input_is_one_line_of_output(station: Station) -> None:
    good = shown().encode()
    lines = {
        good + b"\n": "green",
        good + b"\r\n": "green",
        b"\n": "not-waypass",
        b"\r\n": "not-waypass",
        good + b" \n": "malformed",
        good + b"\r" + good + b"\n": "malformed",
        good + b"\x0b" + good + b"\n": "malformed",
        good + "\u2028".encode() + good + b"\n": "malformed",
        good + "\x85".encode() + good + b"\n": "malformed",
        b"\xff\xfe" + good + b"\n": "not-waypass",
        b"WP1:\xff\n": "malformed",
        b"\x00\n": "not-waypass",
        b"WP2:" + b"A" * 5_000_000 + b"\n": "malformed",
        good: "green",
    }
    answer = run("waypass-reader", "check", *station.arguments(), "--json", stdin=b"".join(lines))
    assert answer.reasons == list(lines.values())
    assert (answer.code, answer.stderr) == (1, "")


def test_many_lines_are_as_many_answers(station: Station) -> None:
    answer = station.check(["WP1:AAAA", "https://example.org/", ""] * 7000)
    assert answer.reasons == ["malformed", "not-waypass", "not-waypass"] * 7000


def test_without_a_usable_folder_the_status_is_unknown(station: Station) -> None:
    arguments = station.arguments()
    arguments[arguments.index(str(station.status))] = str(station.folder / "absent")
    answer = run("waypass-reader", "check", *arguments, "--json", shown(), paper({-70001: {1: 2}}))
    assert (answer.code, answer.reasons) == (1, ["status-unknown"] * 2)
    assert "absent" in answer.stderr


MANY_USES = Key(name="many uses", uses=("pass", "status", "command"))
BAD_KEYS: dict[str, tuple[bytes, str]] = {
    "kid that differs": (trust_set([PASS_KEY.jwk(kid="AAAAAAAAAAA"), STATUS_KEY.jwk()]), "expected kid"),
    "kid twice": (trust_set([PASS_KEY.jwk(), STATUS_KEY.jwk(), PASS_KEY.jwk()]), "twice"),
    "no network": (json.dumps({"keys": [PASS_KEY.jwk()]}).encode(), "waypass_network"),
    "two networks": (trust_set([PASS_KEY.jwk()], network=["metro", "harbour"]), "waypass_network"),
    "unknown use": (trust_set([PASS_KEY.jwk(waypass_uses=["open"])]), "'open'"),
    "no times": (trust_set([{k: v for k, v in PASS_KEY.jwk().items() if k != "exp"}]), "exp"),
}
BAD_POLICIES: dict[str, tuple[Any, str]] = {
    "unknown key": ({"frish": 900}, "'frish'"),
    "not JSON": (b"fresh = 900", "JSON"),
    "true": ({"stale": True}, "stale"),
    "other word": ({"when_stale": "refuse"}, "when_stale"),
    "negative": ({"clock_skew": -1}, "clock_skew"),
}


def no_answer(answer: Answer, message: str) -> None:
    assert (answer.code, answer.stdout) == (2, b""), answer
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_bad_trust_set_is_refused_whole(name: str, tmp_path: Path) -> None:
    data, message = BAD_KEYS[name]
    bad = Station(folder=tmp_path, trust=data)
    bad.hold(FILES)
    no_answer(bad.check([shown()]), message)


@pytest.mark.parametrize("name", BAD_POLICIES)
def test_a_bad_policy_is_refused(name: str, station: Station) -> None:
    policy, message = BAD_POLICIES[name]
    no_answer(station.check([shown()], policy=policy), message)


def test_a_key_among_all_uses_signs_all(tmp_path: Path) -> None:
    one = Station(folder=tmp_path, trust=trust_set([MANY_USES.jwk(alg="EdDSA")]))
    one.hold(
        {"a.snapshot": snapshot(URI, 1, PACKED, key=MANY_USES), "b.head": head([row(URI, 1, PACKED)], key=MANY_USES)}
    )
    assert one.check([shown(key=MANY_USES)]).reasons == ["green"]


@pytest.mark.parametrize("wrong", [["--scope", "-1"], ["--at", "1.5"], ["--nope"]])
def test_bad_use_is_2(wrong: list[str], station: Station) -> None:
    no_answer(run("waypass-reader", "check", *station.arguments(), *wrong, "--json", shown()), wrong[0])


# decode


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pass, a presentation, no code at all; and a burst."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "burst").mkdir()
    for name, text in (("paper", paper()), ("bound", shown()), ("burst/b", shown()), ("burst/c", shown())):
        code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_L, box_size=6)
        code.add_data(text)
        code.make_image().save(folder / f"{name}.png")
    for name in ("none", "burst/a"):
        qrcode.QRCode().make_image(fill_color="white").save(folder / f"{name}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    return folder


def test_pictures_are_read_in_their_order(pictures: Path) -> None:
    names = ["paper", "none", "bound"]
    answer = run("waypass-reader", "decode", "--json", *(str(pictures / f"{name}.png") for name in names))
    assert [set(line) for line in answer.lines] == [{"file", "texts", "stage", "ms"}] * 3
    assert [Path(line["file"]).stem for line in answer.lines] == names
    assert [line["texts"] for line in answer.lines] == [[paper()], [], answer.lines[2]["texts"]]
    assert answer.lines[2]["texts"][0].startswith("WP2:")
    assert answer.code == 1, "one picture holds no code"
    assert answer.stderr == ""


def test_a_burst_is_read_from_its_first_readable_frame(pictures: Path) -> None:
    answer = run("waypass-reader", "decode", "--burst", "--json", str(pictures / "burst"))
    (line,) = answer.lines
    assert set(line) == {"dir", "texts", "frames_used", "ms"}
    assert (line["frames_used"], len(line["texts"]), answer.code) == (2, 1, 0)


@pytest.mark.parametrize("name", ["broken.png", "absent.png"])
def test_a_picture_that_cannot_be_read_is_2(name: str, pictures: Path) -> None:
    answer = run("waypass-reader", "decode", "--json", str(pictures / name))
    assert answer.code == 2
    assert name in answer.stderr


# inspect


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("paper", paper().encode(), 0),
        ("presentation", shown().encode(), 0),
        ("snapshot", FILES["a.snapshot"], 0),
        ("head", FILES["b.head"], 0),
        ("delta", delta(URI, 2, {1: indexes(5)}), 0),
        ("forged", FILES["b.head"][:-1] + b"?", 1),
        ("nonsense", b"\x00\x01\x02", 1),
    ],
)
def test_inspect_shows_foreign_objects(name: str, data: bytes, code: int, station: Station, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    answer = run("waypass", "inspect", str(path), "--keys", str(station.keys), "--at", str(AT), "--json")
    assert answer.code == code, answer
    assert answer.lines


# evidence


def certificate(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """A signer's own certificate, in DER."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a foreign authority")])
    builder = x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key(), serial_number=1)
    days = (datetime.fromtimestamp(AT + d * DAY, UTC) for d in (-400, 400))
    return (
        builder.not_valid_before(next(days))
        .not_valid_after(next(days))
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


EC_KEY = ec.derive_private_key(77, ec.SECP256R1())
EC_DER = certificate(EC_KEY)


def es256(data: bytes) -> bytes:
    r, s = decode_dss_signature(EC_KEY.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def health(sign: Sign, alg: int, der: bytes, *, exp: int = AT + DAY) -> str:
    """A vaccination certificate as its public specification has it."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    dose = {"tg": "840539006", "vp": "1119349007", "mp": "EU/1/20/1528", "ma": "ORG-100030215", "dn": 2, "sd": 2,
            "dt": "2026-12-01", "co": "AT", "is": "Ministry", "ci": "URN:UVCI:01:AT:1#0"}  # fmt: skip
    group = {"ver": "1.3.0", "nam": {"fnt": "LI", "gnt": "WEI"}, "dob": "1990-01-01", "v": [dose]}
    claims = {1: "AT", 4: exp, 6: AT - HOUR, -260: {1: group}}
    signed = encode(Tag(18, sign1_parts(sign, {1: alg, 4: digest.finalize()[:8]}, claims)))
    return "HC1:" + bytes(base45.b45encode(zlib.compress(signed))).decode()


def evidence(*lines: Any) -> Answer:
    stdin = b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    return run("waypass-server", "evidence", "check", "--json", stdin=stdin)


def asked(text: str, der: bytes = EC_DER) -> dict[str, Any]:
    return {"text": text, "signers": [base64.b64encode(der).decode()], "at": AT}


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def test_foreign_health_certificates_are_verified(rsa_key: rsa.RSAPrivateKey) -> None:
    def ps256(data: bytes) -> bytes:
        return rsa_key.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())

    der = certificate(rsa_key)
    answer = evidence(asked(health(es256, -7, EC_DER)), asked(health(ps256, -37, der), der))
    assert [set(line) for line in answer.lines] == [{"verified", "reason", "claims"}] * 2
    assert [line["verified"] for line in answer.lines] == [True, True], answer
    assert (answer.code, answer.stderr) == (0, "")


def test_bad_health_certificates_are_not(rsa_key: rsa.RSAPrivateKey) -> None:
    good = health(es256, -7, EC_DER)
    bomb = "HC1:" + bytes(base45.b45encode(zlib.compress(bytes(50_000_000)))).decode()
    spoiled = [
        asked(health(es256, -7, EC_DER, exp=AT - 1)),
        asked(health(lambda data: es256(data + b"?"), -7, EC_DER)),
        asked(good, certificate(rsa_key)),
        asked(good) | {"signers": []},
        *map(asked, (good[4:], good[:-3], good.replace("HC1:", "HC2:"), good.lower(), "", "HC1:", bomb, paper())),
    ]
    answer = evidence(*spoiled)
    assert [line["verified"] for line in answer.lines] == [False] * len(spoiled)
    assert all(line["reason"] for line in answer.lines)
    assert answer.code == 1


@pytest.mark.parametrize("line", [b"{", b"\xff", asked("HC1:") | {"signers": ["%"]}, asked("HC1:") | {"at": "now"}])
def test_a_line_that_is_no_question_is_2(line: Any) -> None:
    answer = evidence(line)
    assert answer.code == 2
    assert answer.stderr
    assert "Traceback" not in answer.stderr
