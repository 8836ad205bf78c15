"""Names that are safe as a topic level and as a file name."""

import pytest

from waypass_protocol.errors import Malformed
from waypass_protocol.names import check_name, list_name, natural_order


@pytest.mark.parametrize("name", ["m", "metro", "9", "A.b_c-d", "a" * 64])
def test_accepts(name: str) -> None:
    assert check_name(name, what="network") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "-a",
        "_a",
        "a/b",
        "a+b",
        "a#",
        "a b",
        "a\n",
        "\na",
        "a\0",
        "é",
        "a" * 65,
        None,
        5,
        b"metro",
        ["metro"],
    ],
)
def test_refuses(name: object) -> None:
    with pytest.raises(Malformed, match="network: expected 1 to 64 letters"):
        check_name(name, what="network")


@pytest.mark.parametrize(
    ("uri", "name"), [("wp:17", "17"), ("17", "17"), ("https://example.org/lists/a.b", "a.b"), ("x:y/z", "z")]
)
def test_a_list_is_named_by_the_end_of_its_uri(uri: str, name: str) -> None:
    assert list_name(uri) == name


@pytest.mark.parametrize("uri", ["", "wp:", "https://example.org/lists/", "wp:1#", "wp:+"])
def test_refuses_a_uri_that_names_no_list(uri: str) -> None:
    with pytest.raises(Malformed, match="status list URI: its last part"):
        list_name(uri)


def test_people_count_names_up() -> None:
    names = ["lane-10", "lane-9", "gate", "lane-9b", "10", "9"]
    assert sorted(names, key=natural_order) == ["9", "10", "gate", "lane-9", "lane-9b", "lane-10"]
