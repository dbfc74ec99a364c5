"""Group documents (6.8.3, TS 24.544): made, read, changed, deleted, kept and delivered to."""

import json

import pytest

from msgin5g import cbor, coap, gaps
from msgin5g.codes import code_text
from msgin5g.limits import MAX_BULK_JSON_DEPTH
from msgin5g_server import group_api, groups
from msgin5g_server.seal import CBOR_FORMAT, PROBLEM_FORMAT, SealRequest
from tests.server.post_office import GROUP, PostOffice
from tests.world import ue_id

NAME = "urn:example:group:shift"
MANAGER = "10.9.9.9:5683"
DOCUMENTS = ["v1", "group-documents"]
CONFLICT, UNPROCESSABLE = 0x89, 0x96


class Office(PostOffice):
    """A PostOffice whose groups are managed from MANAGER."""

    def __init__(self, folder, **more):
        super().__init__(folder, group_managers=["10.9.9.9", "::1"], **more)

    def request(self, code, path, value=None, source=MANAGER, as_json=False, **more):
        """Returns (code, what the answer says)."""
        form = coap.JSON_FORMAT if as_json else CBOR_FORMAT
        payload = more.pop("payload", b"")
        if value is not None:
            payload = json.dumps(value).encode() if as_json else cbor.dumps(value)
        given = {"payload": payload, "content_format": form if payload else None, **more}
        request = SealRequest(code, path, source, **given)
        self.answer = self.core.groups.handle(request, self.now)
        self.settle()
        if not self.answer.payload:
            return self.answer.code, None
        if self.answer.content_format == coap.JSON_FORMAT:
            return self.answer.code, json.loads(self.answer.payload)
        return self.answer.code, cbor.loads(self.answer.payload, MAX_BULK_JSON_DEPTH)

    def create(self, *members, name=NAME, **more):
        """Returns the path of a new group's document."""
        value = {"valGroupId": name, "category": "normal", "members": [*map(ue_id, members)]}
        code, made = self.request(coap.POST, DOCUMENTS, {**value, **more})
        assert code == coap.CREATED, made
        assert self.answer.location == ["su-gm", *DOCUMENTS, made["resUri"].rpartition("/")[2]]
        self.id = self.answer.location[-1]
        return [*DOCUMENTS, self.id]

    def refused(self, code, path, value=None, **more):
        """Returns (code, cause) of an error, which has problem details (RFC 9290)."""
        found, problem = self.request(code, path, value, **more)
        assert self.answer.content_format == PROBLEM_FORMAT
        assert set(problem) == {-1, -2} and problem[-1] == code_text(found)
        return found, problem[-2]

    def members(self, path):
        return self.request(coap.GET, path)[1]["members"]

    def told(self):
        """What members were told of their groups: {number of the UE: event}."""
        found = {}
        while self.posts:
            number, message = self.take()
            if message.origin == ("AS", gaps.GROUP_MANAGEMENT_ID):
                assert json.loads(message.payload)["valGroupId"] == NAME
                found[number] = json.loads(message.payload)["event"]
        return found


@pytest.fixture
def office(tmp_path):
    made = Office(tmp_path)
    yield made
    made.close()


@pytest.mark.clause("6.8.1-p1", "6.4.1.2.1-c", "6.4.1.2.6-d3", "6.4.1.2.6-d3-ii-rcp")
def test_a_message_to_a_new_group_goes_to_every_member_but_its_sender(office):
    office.create(1, 2, 3, groupName="Schicht ä")
    office.told()
    office.send(2, ("GROUP", NAME))
    found = [office.take() for _ in range(2)]
    assert {number for number, _ in found} == {1, 3} and not office.posts
    for number, message in found:
        assert message.destination == ("GROUP", NAME) and message.recipient == ue_id(number)


def test_a_document_is_kept_and_given_back_as_it_is(office):
    more = {
        "grpDesc": "",
        "memberDetails": [{"memberId": ue_id(1), "membershipType": "EXPLICIT", "x": [1.5, None]}],
        "valServiceIds": ["urn:msgin5g:service"],
        "valGrpConf": {"a": {"b": [True]}},
        "priority": 3,
    }
    path = office.create(1, 2, **more)
    office.crash()
    for as_json in (False, True):
        form = coap.JSON_FORMAT if as_json else CBOR_FORMAT
        code, found = office.request(coap.GET, path, accept=form)
        assert code == coap.CONTENT and office.answer.content_format == form
        assert found == {
            **{"valGroupId": NAME, "category": "normal", "members": [ue_id(1), ue_id(2)]},
            **more,
            "resUri": "/su-gm/" + "/".join(path),
        }


@pytest.mark.clause("6.8.3.1-p1")
def test_a_document_is_replaced_and_deleted(office):
    path = office.create(1, 2)
    fields = {"valGroupId": NAME, "category": "x", "members": [ue_id(3)]}
    assert office.request(coap.PUT, path, fields, as_json=True)[0] == coap.CHANGED
    assert office.members(path) == [ue_id(3)]
    assert office.request(coap.DELETE, path) == (coap.DELETED, None)
    assert office.refused(coap.GET, path)[0] == coap.NOT_FOUND
    office.told()
    office.send(1, ("GROUP", NAME))
    assert office.take()[1].cause == "unknown recipient"


@pytest.mark.clause("6.8.3.1-p1")
def test_members_come_and_go(office):
    path = office.create(1)
    one = [*path, "members", ue_id(2)]
    assert office.request(coap.PUT, one)[0] == coap.CREATED
    assert office.request(coap.PUT, one)[0] == coap.CHANGED
    assert office.members(path) == [ue_id(1), ue_id(2)]
    assert office.request(coap.GET, one) == (coap.CONTENT, {"memberId": ue_id(2)})
    assert office.request(coap.DELETE, one)[0] == coap.DELETED
    for code in (coap.GET, coap.DELETE):
        assert office.refused(code, one) == (coap.NOT_FOUND, f"{ue_id(2)} is no member")
    office.crash()
    assert office.members(path) == [ue_id(1)]


def test_groups_are_listed_and_filtered(office):
    office.create(1, 2)
    office.create(2, name="urn:example:group:other", valServiceIds=["urn:other"])

    def names(*query, source=MANAGER, path=DOCUMENTS):
        code, found = office.request(coap.GET, path, query=[*query], source=source)
        assert code == coap.CONTENT
        return [one["valGroupId"] for one in found]

    assert names() == [GROUP, NAME, "urn:example:group:other"]
    assert names(f"val-group-id={NAME}") == [NAME]
    assert names(f"member-id={ue_id(1)}") == [GROUP, NAME]
    assert names("val-service-id=urn:other", f"member-id={ue_id(2)}") == [
        GROUP,
        NAME,
        "urn:example:group:other",
    ]
    assert names("val-service-id=urn:x") == [GROUP, NAME]
    # A member sees its own groups.
    assert names(source=office.at(1)) == [GROUP, NAME]
    assert names(source=office.at(2), path=["v1", "group-membership", ue_id(2)])[1:] == [
        NAME,
        "urn:example:group:other",
    ]
    assert office.refused(coap.GET, DOCUMENTS, query=["x=1"])[0] == coap.BAD_REQUEST


def test_who_may_do_what(office):
    path = office.create(1, 2, memberDetails=[{"memberId": ue_id(1), **_ADMIN}])
    by = {number: {"source": office.at(number)} for number in (1, 2, 3)}
    fields = {"valGroupId": "urn:example:group:new", "category": "x"}
    for number in (1, 2, 3):
        assert office.refused(coap.POST, DOCUMENTS, fields, **by[number])[0] == coap.FORBIDDEN
    assert office.request(coap.GET, path, **by[2])[0] == coap.CONTENT
    assert office.refused(coap.GET, path, **by[3])[0] == coap.FORBIDDEN
    third = [*path, "members", ue_id(3)]
    assert office.refused(coap.PUT, third, **by[2])[0] == coap.FORBIDDEN
    assert office.refused(coap.PUT, third, **by[3])[0] == coap.FORBIDDEN
    assert office.request(coap.PUT, third, **by[1])[0] == coap.CREATED
    # Who leaves needs nobody's leave; others cannot make it leave.
    assert office.refused(coap.DELETE, third, **by[2])[0] == coap.FORBIDDEN
    assert office.request(coap.DELETE, third, **by[3])[0] == coap.DELETED
    assert office.refused(coap.DELETE, path, **by[2])[0] == coap.FORBIDDEN
    membership = ["v1", "group-membership", ue_id(1)]
    assert office.refused(coap.GET, membership, **by[2])[0] == coap.FORBIDDEN
    office.deregister(1)
    assert office.refused(coap.DELETE, path, **by[1])[0] == coap.FORBIDDEN
    office.register(1)
    assert office.request(coap.DELETE, path, **by[1])[0] == coap.DELETED


_ADMIN = {"membershipType": "ADMINISTRATOR"}


def test_an_administrator_that_leaves_is_none_any_more(office):
    path = office.create(1, 2, memberDetails=[{"memberId": ue_id(1), **_ADMIN}])
    assert office.request(coap.DELETE, [*path, "members", ue_id(1)])[0] == coap.DELETED
    office.request(coap.PUT, [*path, "members", ue_id(1)])
    assert office.refused(coap.DELETE, path, source=office.at(1))[0] == coap.FORBIDDEN


def test_a_manager_may_have_an_address_of_version_6(office):
    # The last is one of version 4 on a socket of version 6.
    for source in ("[::1]:5683", "10.9.9.9:5683", "[::ffff:10.9.9.9]:5683"):
        assert office.request(coap.GET, DOCUMENTS, source=source)[0] == coap.CONTENT
    assert office.request(coap.GET, DOCUMENTS, source="[::ffff:10.9.9.8]:1")[1] == []


def test_what_stands_in_server_toml_is_shown_and_stays(office):
    (found,) = office.request(coap.GET, DOCUMENTS, query=[f"val-group-id={GROUP}"])[1]
    path = found["resUri"].split("/")[2:]
    assert found["members"] == office.ues
    for code, target in (
        (coap.DELETE, path),
        (coap.PUT, [*path, "members", ue_id(1)]),
        (coap.DELETE, [*path, "members", ue_id(1)]),
    ):
        assert office.refused(code, target)[0] == coap.FORBIDDEN
    leave = [*path, "members", ue_id(1)]
    assert office.refused(coap.DELETE, leave, source=office.at(1))[0] == coap.FORBIDDEN
    fields = {"valGroupId": GROUP, "category": "x"}
    assert office.refused(coap.POST, DOCUMENTS, fields) == (
        CONFLICT,
        f"valGroupId: {GROUP} exists",
    )


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"members": ["urn:example:ue:77"]}, UNPROCESSABLE, "urn:example:ue:77 is not known here"),
        ({"members": ["no uri"]}, coap.BAD_REQUEST, "members[0]: a URI is wanted"),
        ({"members": [{}]}, coap.BAD_REQUEST, "members[0]: a string is wanted"),
        ({"members": "x"}, coap.BAD_REQUEST, "members: a list is wanted"),
        ({"members": [ue_id(1)] * 2}, coap.BAD_REQUEST, "members: a member twice"),
        ({"valGroupId": 7}, coap.BAD_REQUEST, "valGroupId: a string is wanted"),
        ({"valGroupId": "x" * 300}, coap.BAD_REQUEST, "valGroupId: 1 to 255 bytes are wanted"),
        ({"category": None}, coap.BAD_REQUEST, "category: missing"),
        ({"groupName": "a\nb"}, coap.BAD_REQUEST, "groupName: control characters"),
        ({"memberDetails": [7]}, coap.BAD_REQUEST, "memberDetails[0]: an object is wanted"),
        (
            {"memberDetails": [{"memberId": ue_id(4)}]},
            coap.BAD_REQUEST,
            "memberDetails[0].memberId: one of the members is wanted",
        ),
        ({"inclValGroupIds": [GROUP]}, coap.BAD_REQUEST, "inclValGroupIds: groups in groups"),
        ({"valGrpConf": {"a": b"x"}}, coap.BAD_REQUEST, "valGrpConf.a: octets have no place"),
        ({"valGrpConf": {1: 2}}, coap.BAD_REQUEST, "valGrpConf: keys are text"),
        ({f"x{at}": 1 for at in range(40)}, coap.BAD_REQUEST, "at most 32 elements"),
    ],
)
def test_a_bad_document_is_refused_with_a_cause_and_changes_nothing(office, change, code, text):
    fields = {"valGroupId": NAME, "category": "x", "members": [ue_id(1)], **change}
    fields = {key: value for key, value in fields.items() if value is not None}
    found, cause = office.refused(coap.POST, DOCUMENTS, fields)
    assert found == code and text in cause
    path = office.create(1)
    found, cause = office.refused(coap.PUT, path, fields)
    assert found in (code, CONFLICT)
    assert office.members(path) == [ue_id(1)]


def test_other_wrong_requests(office):
    path = office.create(1)
    assert office.refused(coap.POST, DOCUMENTS, payload=b"")[0] == coap.BAD_REQUEST
    assert office.refused(coap.POST, DOCUMENTS, payload=b"\xff")[0] == coap.BAD_REQUEST
    wrong = {"payload": b"{}", "content_format": 0}
    assert office.refused(coap.POST, DOCUMENTS, **wrong)[0] == coap.UNSUPPORTED_FORMAT
    assert office.refused(coap.GET, path, accept=0)[0] == coap.NOT_ACCEPTABLE
    assert office.refused(coap.DELETE, DOCUMENTS)[0] == coap.METHOD_NOT_ALLOWED
    for unknown in (["v1"], [], ["v2", *DOCUMENTS[1:]], [*path, "x", "y"], [*path, "members"]):
        assert office.refused(coap.GET, unknown)[0] == coap.NOT_FOUND
    other = {"valGroupId": "urn:example:group:renamed", "category": "x"}
    assert office.refused(coap.PUT, path, other)[0] == CONFLICT
    assert office.refused(coap.PUT, [*path, "members", "x"])[0] == coap.BAD_REQUEST
    missing = [*path, "members", "urn:example:ue:77"]
    assert office.refused(coap.PUT, missing)[0] == UNPROCESSABLE


def test_groups_and_their_members_are_bounded(office, monkeypatch):
    monkeypatch.setattr(groups, "MAX_GROUPS", 2)
    monkeypatch.setattr(group_api, "MAX_GROUP_MEMBERS", 2)
    monkeypatch.setattr(groups, "MAX_GROUP_MEMBERS", 2)
    path = office.create(1, 2)
    fields = {"valGroupId": "urn:example:group:more", "category": "x"}
    assert office.refused(coap.POST, DOCUMENTS, fields) == (coap.UNAVAILABLE, "congestion")
    assert office.refused(coap.PUT, [*path, "members", ue_id(3)])[0] == UNPROCESSABLE
    fields = {"valGroupId": NAME, "category": "x", "members": office.ues[:3]}
    assert office.refused(coap.PUT, path, fields)[0] == coap.BAD_REQUEST


def test_changes_are_on_disk_before_they_are_answered(office):
    path = office.create(1)
    office.request(coap.PUT, [*path, "members", ue_id(2)])
    office.crash()
    assert office.members(path) == [ue_id(1), ue_id(2)]
    office.request(coap.DELETE, path)
    office.crash()
    assert office.refused(coap.GET, path)[0] == coap.NOT_FOUND


def test_what_was_not_committed_is_gone_after_a_rollback(office):
    path = office.create(1)
    request = SealRequest(coap.DELETE, path, MANAGER)
    assert office.core.groups.handle(request, office.now).code == coap.DELETED
    office.core.rollback()
    assert office.members(path) == [ue_id(1)]


@pytest.mark.clause("6.8.3.1-a1")
def test_members_without_a_group_management_client_are_told(office):
    office.request(coap.GET, DOCUMENTS, source=office.at(2))
    path = office.create(1, 2, 3)
    # UE 2 has asked for its groups itself.
    assert office.told() == {1: "created", 3: "created"}
    office.request(coap.PUT, [*path, "members", ue_id(4)])
    assert office.told() == {4: "added"}
    office.request(coap.DELETE, [*path, "members", ue_id(3)])
    assert office.told() == {3: "removed"}
    office.request(coap.DELETE, path)
    assert office.told() == {1: "deleted", 4: "deleted"}


def test_a_member_that_is_away_is_told_when_it_is_back(office):
    office.deregister(1)
    office.create(1)
    office.wait(100_000)
    assert not office.posts
    office.register(1)
    assert office.told() == {1: "created"}


def test_the_ues_with_a_client_are_bounded(office, monkeypatch):
    monkeypatch.setattr(group_api, "MAX_GM_CLIENTS", 1)
    for number in (1, 2):
        office.request(coap.GET, DOCUMENTS, source=office.at(number))
    office.create(1, 2)
    assert office.told() == {1: "created"}


class PhoneOffice(Office):
    """An Office with a phone behind a Legacy 3GPP Message Gateway."""

    PHONE = "urn:example:phone:1"

    rows = {
        "message_gateway": [
            {
                **{"mgw_service_id": "urn:example:mgw:1", "kind": "L3G", "url": "http://gw"},
                **{"ues": [PHONE], "areas": []},
            }
        ]
    }


@pytest.mark.clause("6.8.3.1-a1", "6.8.3.1-n")
def test_a_legacy_member_is_told_through_its_gateway(tmp_path):
    """It cannot ask for its group: the Server does the exchange in its place."""
    office = PhoneOffice(tmp_path)
    path = office.create(1, members=[ue_id(1), PhoneOffice.PHONE])
    (call,) = office.messages.take_calls()
    message = call.batch[0].body.message
    assert call.peer.startswith("http://gw") and call.recipient == PhoneOffice.PHONE
    assert message.origin == ("AS", gaps.GROUP_MANAGEMENT_ID)
    assert json.loads(message.payload) == {"event": "created", "valGroupId": NAME}
    assert office.members(path) == [ue_id(1), PhoneOffice.PHONE]
    office.close()
