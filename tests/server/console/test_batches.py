"""Batches at the console: from the queue over the preview to the decision, in both languages."""

import re
from pathlib import Path

import pytest
from tests.server.bulk.files import batch_of
from tests.server.test_worsening import fill
from tests.support.console import ConsoleBrowser
from tests.support.office import NOTICE, RIDE, Office

PAGE = "/ops/batches/1"


def browser_of(office: Office, who: str) -> ConsoleBrowser:
    browser = ConsoleBrowser(office)
    browser.sign_in(who)
    return browser


def states(office: Office) -> list[str]:
    return [row["state"] for row in office.do("reviewer", "GET", "/batches/1/entries")]


def test_from_the_queue_over_the_preview_to_effect(office: Office, tmp_path: Path) -> None:
    batch_of(office, tmp_path, 3)
    wallet = office.person("p-1")
    approver = browser_of(office, "approver")
    assert "1 thing waits for you" in approver.text()
    assert "Batches of imported entries Batch 1 3 entries" in approver.text()
    assert "Entries to approve" not in approver.text(), "a batch does not fill the queue"
    approver.get(PAGE)
    text = approver.text()
    assert "3 people are told at once" in text
    assert "That is 100.00 % of the 3 people in the network." in text
    assert "0 of 0 live passes get status 1" in text
    assert "3 people are worsened at once; in the last 30 days it was 0.0 a day." in text
    assert "ride: 3 people" in text
    assert "Infection protection, in 24 hours: 0 now, 3 with this batch, at most 100" in text
    assert "This passes a limit" not in text
    approver.fill(f"{PAGE}/approve")
    assert "Approved. Everybody whom it concerns is being told" in approver.text()
    office.later()
    office.later(NOTICE)
    assert states(office) == ["in-effect"] * 3
    assert office.aspects(wallet)[RIDE] == "red"
    approver.sign_in("approver")
    approver.get(PAGE)
    assert [form.action for form in approver.forms()] == ["/ops/sign-out", f"{PAGE}/undo"]
    approver.fill(f"{PAGE}/undo")
    office.later()
    assert states(office) == ["ended"] * 3


def test_the_plots_say_in_words_what_they_show(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    fill(office, basis, 60)
    batch_of(office, tmp_path, 3, basis=basis)
    page = browser_of(office, "approver").get(PAGE).text
    (desc,) = re.findall(r"<desc[^>]*>(.*?)</desc>", page)
    assert desc == "At most 60 on one of the last 30 days, 2.0 a day in the mean; this batch: 3 at once."
    assert page.count('<svg class="plot"') == 1
    assert page.count('role="img"') == 1
    assert "style=" not in page, "the page's policy lets no style in"


def test_past_a_limit_it_is_said_before_and_held_after(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    fill(office, basis, 98)
    batch_of(office, tmp_path, 3, basis=basis)
    approver = browser_of(office, "approver")
    approver.get(PAGE)
    assert "This passes a limit on how many people may be worsened" in approver.text()
    approver.fill(f"{PAGE}/approve")
    assert "Approved, and held: a limit is passed." in approver.text()
    office.later()
    assert states(office) == ["held"] * 3
    approver.get("/ops/")
    assert "Nothing waits for you" in approver.text()
    third = browser_of(office, "approver-2")
    assert "Look and confirm" in third.text()
    third.get(PAGE)
    third.fill(f"{PAGE}/confirm")
    office.later()
    assert states(office) == ["notified"] * 3


def test_single_entries_are_taken_out(office: Office, tmp_path: Path) -> None:
    batch_of(office, tmp_path, 2)
    approver = browser_of(office, "approver")
    approver.get(PAGE)
    csrf = dict(approver.form(f"{PAGE}/approve").fields)["csrf"]
    approver.post(f"{PAGE}/take-out", [("csrf", csrf), ("entry", "2")])
    assert "Taken out. The entry has ended." in approver.text()
    assert states(office) == ["proposed", "ended"]
    approver.fill(f"{PAGE}/withdraw")
    assert "Turned down. All of its entries end." in approver.text()
    office.later()
    assert states(office) == ["ended", "ended"]


@pytest.mark.parametrize(
    ("who", "message"),
    [
        ("proposer", "You imported this, so another person must approve it."),
        ("neighbour", "Another person who approves, from another desk, must look at this."),
        ("reviewer", "Another person who approves, from another desk, must look at this."),
    ],
)
def test_who_cannot_approve_is_told_why(office: Office, tmp_path: Path, who: str, message: str) -> None:
    batch_of(office, tmp_path, 1)
    browser = browser_of(office, who)
    browser.get(PAGE)
    assert message in browser.text()
    assert f"{PAGE}/approve" not in [form.action for form in browser.forms()]


def test_an_entry_of_a_batch_leads_to_it(office: Office, tmp_path: Path) -> None:
    batch_of(office, tmp_path, 1)
    approver = browser_of(office, "approver")
    approver.get("/ops/entries/1")
    assert "This came in a batch and is approved with it. Batch 1" in approver.text()
    assert "/ops/entries/1/approve" not in [form.action for form in approver.forms()]


def test_the_list_and_nothing_imported(office: Office, tmp_path: Path) -> None:
    approver = browser_of(office, "approver")
    approver.get("/ops/batches")
    assert "Nothing was imported yet." in approver.text()
    batch_of(office, tmp_path, 2)
    approver.get("/ops/batches")
    assert "Batch 1 2 entries waits for approval · proposer" in approver.text()


def test_in_chinese(office: Office, tmp_path: Path) -> None:
    batch_of(office, tmp_path, 2)
    approver = browser_of(office, "approver")
    approver.get("/ops/language/zh?back=/ops/batches/1")
    text = approver.text()
    assert "批准整个批次" in text
    assert "占网络中 2 人的 100.00 %" in text
    assert "Approve" not in text
