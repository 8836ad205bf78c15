"""A rule set for tests: a cough makes yellow for ten days, asked by a form; a fever proposes an entry."""

from typing import Any

from tests.support.office import CHECKED, DAY, HEALTH, HOSPITAL, RIDE, Office

COUGH = {"and": [{"var": "survey"}, {"var": "survey.cough"}]}
"""The person answered that they cough."""
RECENT = {
    "after": [
        {"plusTime": [{"var": "facts.test.0.sampled"}, 24, "hour"]},
        {"plusTime": [{"var": "external.validationClock"}, 0, "hour"]},
    ]
}
NO_RECENT_TEST = {"if": [{"var": "facts.test.0"}, {"!": [RECENT]}, True]}
"""The newest test is older than a day, or there is none."""
FORM: dict[str, Any] = {
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
}
ANSWERS: dict[str, Any] = {"cough": True, "been": "here", "warmth": 37, "since": "2027-01-10"}


def rule(name: str = "cough", logic: Any = COUGH, **changes: Any) -> dict[str, Any]:
    """A rule that makes yellow, then changes."""
    words = "You told us that you cough."
    return {"id": name, "reason": words, "gives": "yellow", "scopes": [RIDE, HOSPITAL], "logic": logic, **changes}


def rule_set(*rules: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A new rule set of the health office, then changes; a value of None takes a field out."""
    form = {
        "authority": HEALTH,
        "title": "Coughs",
        "citation": "Act 7, section 4",
        "rules": list(rules) or [rule()],
        "form": FORM,
    }
    return {name: value for name, value in {**form, **changes}.items() if value is not None}


def propose(office: Office, *rules: dict[str, Any], **changes: Any) -> str:
    """A proposed rule set: the address of its first version."""
    made = office.do("proposer", "POST", "/rule-sets", **rule_set(*rules, **changes))
    return f"/rule-sets/{made['id']}/versions/1"


def put_in_force(office: Office, address: str) -> dict[str, Any]:
    """Shadow run and approval; then the scheduler looks at everybody."""
    counted: dict[str, Any] = office.do("approver", "POST", f"{address}/shadow")
    office.do("approver", "POST", f"{address}/approve", shadow_at=counted["shadow_at"])
    office.later()
    shadow: dict[str, Any] = counted["shadow"]
    return shadow


EVIDENCE = rule("well", {"!": [{"var": "survey.cough"}]}, gives="admits", scopes=[CHECKED])
