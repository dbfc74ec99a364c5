"""What docs/reference/messages.md says of keys and octets is what builders and parsers do."""

import copy
import inspect
import json
import re

import pytest

from msgin5g import (
    app_client,
    configuration,
    configuration_requests,
    gaps,
    l3,
    message,
    registration,
    topic_requests,
    topics,
)
from msgin5g.payload_errors import BadMessage
from msgin5g_tools.reference.gaps import choices
from msgin5g_tools.reference.l3_octets import LAYOUTS, cut
from msgin5g_tools.reference.messages import FAMILIES, VECTORS, vector

FORMS = [pytest.param(form, id=form.name) for family in FAMILIES for form in family.forms]
ALL = {
    f"{path.parent.name}/{path.stem}": vector(f"{path.parent.name}/{path.stem}")
    for path in sorted(VECTORS.glob("*/*.json"))
    if path.parent.name
    in ("app_client", "configuration", "l3", "message", "registration", "topic")
}
ODD = 17.5  # neither a text nor a whole number, a boolean, a list or an object


class Get:
    """A GET with Observe, as far as the parser of topic subscriptions looks at it."""

    def __init__(self, golden, payload):
        self.payload = payload
        self._golden = golden

    def uint(self, number):
        return self._golden["observe"]

    def uri_path(self):
        return "/".join(self._golden["path"])


def parse(name, value):
    """Read a message as whoever receives it does. Raises BadMessage."""
    golden, payload = ALL[name], json.dumps(value).encode()
    folder, request = name.partition("/")[0], golden["kind"] == "request"
    if folder == "message":
        return message.parse_message(payload)
    if folder == "configuration":
        if request:
            return configuration_requests.parse_request(golden["path"], golden["query"], payload)
        return configuration.parse_answer(payload)
    if folder == "topic":
        if request:
            return topic_requests.parse_request(Get(golden, payload))
        return topics.parse_answer(payload)
    module = registration if folder == "registration" else app_client
    return module.parse_request(payload) if request else module.parse_answer(payload)


def keys_in(value, listed, before=""):
    """Return the keys of a message as the page names them, with the way to each."""
    found = {}
    for key, inner in value.items():
        name = before + key
        found[name] = [key]
        if isinstance(inner, list) and any(one.startswith(f"{name}[]") for one in listed):
            places = [(f"{name}[].", [key, at], one) for at, one in enumerate(inner)]
        else:
            places = [(f"{name}.", [key], inner)]
        for front, way, one in places:
            if isinstance(one, dict) and any(other.startswith(front) for other in listed):
                below = keys_in(one, listed, front)
                found |= {inside: [*way, *rest] for inside, rest in below.items()}
    return found


def refused(name, value, way, change):
    """Tell whether a message is refused when `change` was made where `way` leads."""
    value = copy.deepcopy(value)
    inner = value
    for step in way[:-1]:
        inner = inner[step]
    change(inner, way[-1])
    try:
        parse(name, value)
    except BadMessage:
        return True
    return False


def examples(form):
    return [(name, json.loads(ALL[name]["payload"])) for name in form.examples]


@pytest.mark.parametrize("form", FORMS)
def test_the_keys_of_a_message_are_those_of_its_examples(form):
    listed = [row[0] for row in form.rows()]
    assert len(set(listed)) == len(listed)
    shown = set()
    for _, value in examples(form):
        shown |= set(keys_in(value, listed))
    assert shown == set(listed)


@pytest.mark.parametrize("form", FORMS)
def test_no_golden_message_of_the_same_kind_has_further_keys(form):
    listed = [row[0] for row in form.rows()]
    family = form.examples[0].partition("/")[0]
    builders = {ALL[name]["build"]["function"] for name in form.examples}
    assert len(builders) == 1
    same = [
        golden
        for name, golden in ALL.items()
        if name.startswith(f"{family}/") and golden.get("build", {}).get("function") in builders
    ]
    assert len(same) >= len(form.examples)
    for golden in same:
        assert set(keys_in(json.loads(golden["payload"]), listed)) <= set(listed), golden["name"]


@pytest.mark.parametrize("form", FORMS)
def test_needed_keys_are_those_without_which_a_message_is_refused(form):
    for key, _, needed, _ in form.rows():
        outcomes = []
        for name, value in examples(form):
            ways = keys_in(value, [row[0] for row in form.rows()])
            if key in ways:
                outcomes.append(refused(name, value, ways[key], lambda at, one: at.pop(one)))
        if needed in ("", "yes"):
            assert outcomes and set(outcomes) == {needed == "yes"}, key
        else:
            assert True in outcomes, f"{key}: needed {needed}"


@pytest.mark.parametrize("form", FORMS)
def test_a_value_of_another_type_is_refused_and_each_one_named_is_taken(form):
    for key, kind, _, _ in form.rows():
        named = re.findall(r"`([^`]+)`", kind)
        for name, value in examples(form):
            ways = keys_in(value, [row[0] for row in form.rows()])
            if key not in ways:
                continue

            def put(found, at=(name, value, ways[key])):
                return refused(*at, lambda inner, last: inner.__setitem__(last, found))

            assert put(ODD) == (kind != "any"), key
            if named:
                assert put("neither"), key
                assert not any([put(each) for each in named]), key


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda one: one.example)
def test_the_elements_of_an_l3_message_are_where_its_builder_puts_them(layout):
    frames = [
        bytes.fromhex(golden["frame"])
        for golden in ALL.values()
        if "frame" in golden and "build" in golden and golden["parsed"]["type"] == layout.kind
    ]
    assert bytes.fromhex(ALL[f"l3/{layout.example}"]["frame"]) in frames
    seen = set()
    for frame in frames:
        pieces = list(cut(layout, frame))
        assert b"".join(octets for _, octets in pieces) == frame
        seen |= {name for name, _ in pieces}
        found = l3.decode(frame)
        values = dict(pieces)
        if "Message ID" in values:
            assert values["Message ID"] == found.message_id
        if "Payload" in values:
            assert values["Payload"][2:] == found.payload
        if "Registration ID" in values:
            assert values["Registration ID"] == found.registration_id
        if "Failure Reason" in values:
            assert values["Failure Reason"][-1] == found.cause
        for octets, element in zip(pieces[1:], layout.elements, strict=False):
            if element.octets and not element.iei:
                assert len(octets[1]) == int(element.size)
    assert seen == {l3.NAMES[layout.kind], *(one.name for one in layout.elements)}


def test_every_l3_message_is_on_the_page_and_a_frame_that_does_not_fit_is_told():
    assert [one.kind for one in LAYOUTS] == sorted(l3.NAMES)
    frame = bytes.fromhex(ALL[f"l3/{LAYOUTS[0].example}"]["frame"])
    with pytest.raises(ValueError, match="left over"):
        list(cut(LAYOUTS[0], frame + b"\x00"))
    with pytest.raises(ValueError, match="cut short"):
        list(cut(LAYOUTS[0], frame[:9]))


def test_every_gap_is_on_the_page_with_its_constants():
    source = inspect.getsource(gaps)
    found = list(choices())
    assert len(found) == len(re.findall(r"\bGAP [0-9A-Z]", source)) > 20
    named = {name for _, _, names in found for name in re.findall(r"`(\w+) = ", names)}
    constants = {name for name in vars(gaps) if name.isupper()}
    assert named == constants
    assert all(text.endswith((".", ":")) and "#" not in text for _, text, _ in found)
