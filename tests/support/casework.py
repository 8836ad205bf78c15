"""What the staff of the demonstration's network write in tests: a basis, an entry, rules that ask something."""

import time
from typing import Any

from waypass_simulator.api import Api
from waypass_simulator.demo.deployment import AUTHORITY, Deployment
from waypass_simulator.demo.gate import RIDE

HOSPITAL = 2
HOUR = 3600
DAY = 24 * HOUR
REASON = "On 3 May at North station a member of staff was struck."
BAN = "Ban from travel after assault on staff"


def basis_text(**changes: Any) -> dict[str, Any]:
    """A good basis, then changes."""
    return {
        "authority": AUTHORITY,
        "title": BAN,
        "citation": "Transit Act, section 12",
        "health": False,
        "effects": ["red", "yellow"],
        "scopes": [RIDE],
        "longest": 90 * DAY,
        "notice": HOUR,
        "objection_deadline": 14 * DAY,
        "exclusions": ["minors", "medical-travel"],
        **changes,
    }


def entry_text(person: str, basis: int, **changes: Any) -> dict[str, Any]:
    """A good entry, then changes."""
    return {
        "person": person,
        "basis": basis,
        "effect": "red",
        "scopes": [RIDE],
        "reason": REASON,
        "case": {"reference": "C-2031", "state": "open"},
        "ends_at": int(time.time()) + 30 * DAY,
        "exclusions_checked": ["minors", "medical-travel"],
        **changes,
    }


def basis_in_force(deployment: Deployment, **changes: Any) -> int:
    """By two people; its id."""
    with deployment.staff("pavel") as pavel, deployment.staff("anna") as anna:
        made = pavel.post("/api/v1/bases", basis_text(**changes))
        anna.post(f"/api/v1/bases/{made['id']}/versions/1/approve")
    return int(made["id"])


def put_rules_in_force(deployment: Deployment, text: dict[str, Any]) -> int:
    """By two people, after a shadow run; the rule set's id."""
    with deployment.staff("pavel") as pavel, deployment.staff("anna") as anna:
        made = pavel.post("/api/v1/rule-sets", {"authority": AUTHORITY, **text})
        address = f"/api/v1/rule-sets/{made['id']}/versions/1"
        counted = anna.post(f"{address}/shadow")
        anna.post(f"{address}/approve", {"shadow_at": counted["shadow_at"]})
    return int(made["id"])


def lower_limit(deployment: Deployment, basis: int, value: int) -> None:
    """A basis's limit of a day, by two people."""
    with deployment.staff("anna") as anna, deployment.staff("rosa") as rosa:
        text = {"level": "basis", "of": basis, "window": "day", "value": value}
        change = anna.post("/api/v1/limits/changes", text)
        rosa.post(f"/api/v1/limits/changes/{change['id']}/agree")


def register(deployment: Deployment, *people: str) -> None:
    """At the desk."""
    with deployment.staff("dora") as dora:
        for person in people:
            dora.post("/api/v1/people", {"reference": person})


def state_of(api: Api, entry: int) -> str:
    """Where an entry is in its life."""
    return str(api.get(f"/api/v1/entries/{entry}")["state"])


COUGH_RULES: dict[str, Any] = {
    "title": "Coughs",
    "citation": "Transit Act, section 20",
    "rules": [
        {
            "id": "cough",
            "reason": "You told us that you cough.",
            "gives": "yellow",
            "scopes": [HOSPITAL],
            "logic": {"and": [{"var": "survey"}, {"var": "survey.cough"}]},
        }
    ],
    "form": {
        "words": {"en": "How are you?", "zh": "您好吗？"},
        "valid_for": 10 * DAY,
        "questions": [
            {"id": "cough", "kind": "yes-no", "words": {"en": "Do you cough?", "zh": "您咳嗽吗？"}},
            {
                "id": "been",
                "kind": "choice",
                "words": {"en": "Where did you spend the last week?", "zh": "上周您在哪里？"},
                "choices": [
                    {"value": "here", "words": {"en": "Here", "zh": "本地"}},
                    {"value": "abroad", "words": {"en": "Abroad", "zh": "国外"}},
                ],
            },
            {"id": "warmth", "kind": "number", "least": 30, "most": 45, "words": {"en": "Temperature", "zh": "体温"}},
            {"id": "since", "kind": "date", "words": {"en": "Since when?", "zh": "从何时起？"}},
        ],
    },
}


def proposing_rules(basis: int) -> dict[str, Any]:
    """Rules that propose an entry for everybody."""
    rule = {
        "id": "always",
        "reason": "A report names this person.",
        "gives": "none",
        "scopes": [RIDE],
        "logic": True,
        "proposes": {"basis": basis, "effect": "yellow", "scopes": [RIDE]},
    }
    return {"title": "Reports", "citation": "Transit Act, section 21", "rules": [rule]}
