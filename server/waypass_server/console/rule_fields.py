"""The fields of the form in which a rule set is written: `ruleN_id`, `ruleN_logic` and so on, N from 0.

Each rule is read by the API's own model, so that form and API accept the same; its logic and the questions are typed
JSON, and what is wrong with them is said by its line.
"""

import json
from typing import Any

from pydantic import ValidationError

from waypass_server.api.rule_sets import RuleForm, RuleSetForm, SurveyFormForm
from waypass_server.console import forms
from waypass_server.console.access import Form
from waypass_server.console.forms import Filled, FormRefused
from waypass_server.console.typed_json import Mistyped, check_logic, line_of, read_typed
from waypass_server.console.words import Speech
from waypass_server.models.lists_of_people import Weight
from waypass_server.rule_text import Rule, RuleText, to_json

MOST_RULES = 12
LONGEST_JSON = 20_000
HEAD = ("authority", "title", "citation", "form")
_TEXTS = ("id", "reason", "gives", "logic", "basis", "effect")
_LISTS = ("scopes", "pscopes")


def filled_as_sent(form: Form, count: int, errors: dict[str, str] | Any) -> Filled:
    """What stands in the fields."""
    texts = HEAD + tuple(f"rule{number}_{name}" for number in range(count) for name in _TEXTS)
    lists = tuple(f"rule{number}_{name}" for number in range(count) for name in _LISTS)
    return Filled.of(form, texts=texts, lists=lists, errors=errors)


def filled_with(text: RuleText) -> Filled:
    """What a version says, in the fields."""
    values: dict[str, str] = {"citation": text.citation}
    chosen: dict[str, list[str]] = {}
    written = to_json(text)["form"]
    if written is not None:
        values["form"] = _pretty({**written, "questions": [_short(each) for each in written["questions"]]})
    for number, rule in enumerate(text.rules):
        texts, lists = _fields_of(rule)
        values |= {f"rule{number}_{name}": value for name, value in texts.items()}
        chosen |= {f"rule{number}_{name}": value for name, value in lists.items()}
    return Filled(values=values, chosen=chosen)


def read(form: Form, count: int, model: type[RuleSetForm], speech: Speech) -> RuleSetForm:
    """The API's body. Raises `FormRefused` with everything that is wrong."""
    errors: dict[str, str] = {}
    rules: list[RuleForm] = []
    for number in range(count):
        try:
            rules += _read_rule(form, f"rule{number}_", [rule.id for rule in rules], speech)
        except FormRefused as refused:
            errors |= refused.errors
    values: dict[str, Any] = {name: form.text(name) for name in HEAD if name in model.model_fields}
    values |= {"rules": tuple(rules), "form": None}
    try:
        values["form"] = _read_questions(form.text("form"), speech)
    except FormRefused as refused:
        errors |= refused.errors
    if not rules and not errors:
        errors["rule0_id"] = speech("Write at least one rule.")
    try:
        # Without rules because they are wrong, the model would only complain of that.
        body = forms.read(model, values if rules else {**values, "rules": (_STAND_IN,)}, speech)
    except FormRefused as refused:
        raise FormRefused({**refused.errors, **errors}) from None
    if errors:
        raise FormRefused(errors)
    return body


_STAND_IN = RuleForm(id="none", reason="none", gives=Weight.YELLOW, scopes=(0,), logic=True)


def _read_rule(form: Form, prefix: str, ids: list[str], speech: Speech) -> list[RuleForm]:
    """The rule in one place, or none where nothing was written. Raises `FormRefused`."""
    texts = {name: form.text(prefix + name) for name in _TEXTS}
    if not any(texts[name] for name in ("id", "reason", "logic")):
        return []
    errors: dict[str, str] = {}
    logic: Any = True
    try:
        logic = _read_logic(texts["logic"], speech)
    except FormRefused as refused:
        errors |= {prefix + name: text for name, text in refused.errors.items()}
    basis = forms.record_id(texts["basis"])
    reach = forms.numbers(form.texts(f"{prefix}pscopes"))
    proposed = {"basis": basis, "effect": texts["effect"] or None, "scopes": reach}
    values = {
        "id": texts["id"],
        "reason": texts["reason"],
        "gives": texts["gives"] or None,
        "scopes": forms.numbers(form.texts(f"{prefix}scopes")),
        "logic": logic,
        "proposes": proposed if basis else None,
    }
    try:
        rule = forms.read(RuleForm, values, speech)
    except FormRefused as refused:
        raise FormRefused({**_named(refused, prefix, texts, speech), **errors}) from None
    if rule.id in ids:
        errors[f"{prefix}id"] = speech("Another rule has this name.")
    if rule.gives is Weight.NONE and rule.proposes is None:
        errors[f"{prefix}gives"] = speech("A rule gives something, or proposes an entry.")
    if errors:
        raise FormRefused(errors)
    return [rule]


def _named(refused: FormRefused, prefix: str, texts: dict[str, str], speech: Speech) -> dict[str, str]:
    """The model's errors at the form's own fields."""
    fields = {"proposes_basis": "basis", "proposes_effect": "effect", "proposes_scopes": "pscopes"}
    found = {prefix + fields.get(name, name): text for name, text in refused.errors.items()}
    if texts["id"] and f"{prefix}id" in found:
        found[f"{prefix}id"] = speech("Small letters, digits and hyphens, a letter first; at most 40.")
    return found


def _read_logic(text: str, speech: Speech) -> Any:
    if not text:
        raise FormRefused({"logic": speech("Please fill this in.")})
    if len(text) > LONGEST_JSON:
        raise FormRefused({"logic": speech("This is too long.")})
    try:
        return check_logic(text)
    except Mistyped as error:
        raise FormRefused({"logic": error.words(speech)}) from None


def _read_questions(text: str, speech: Speech) -> SurveyFormForm | None:
    """The form that asks for answers, or None. Raises `FormRefused`."""
    if not text:
        return None
    if len(text) > LONGEST_JSON:
        raise FormRefused({"form": speech("This is too long.")})
    try:
        return SurveyFormForm.model_validate(read_typed(text))
    except Mistyped as error:
        raise FormRefused({"form": error.words(speech)}) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "{}"
        what = f"{place}: {forms.word_of(first['type'], speech)}"
        raise FormRefused({"form": Mistyped(what, line=line_of(text, first["loc"])).words(speech)}) from None


def _fields_of(rule: Rule) -> tuple[dict[str, str], dict[str, list[str]]]:
    texts = {"id": rule.id, "reason": rule.reason, "gives": rule.gives.value, "logic": _pretty(rule.logic)}
    lists = {"scopes": [str(number) for number in rule.scopes]}
    if rule.proposes is not None:
        texts |= {"basis": str(rule.proposes.basis_id), "effect": rule.proposes.effect.value}
        lists["pscopes"] = [str(number) for number in rule.proposes.scopes]
    return texts, lists


def _short(question: dict[str, Any]) -> dict[str, Any]:
    """Without what only other kinds of questions have."""
    return {name: value for name, value in question.items() if name not in ("choices", "least", "most") or value}


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
