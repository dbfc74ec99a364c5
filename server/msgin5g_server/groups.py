"""Group documents (6.8, TS 24.544): in memory for reading, on disk for keeps, for delivery."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

from msgin5g import checks
from msgin5g.payload_errors import BadMessage
from msgin5g_host.config import Settings
from msgin5g_host.fill import Fill
from msgin5g_server.message_store import MessageStore

MAX_GROUPS = 10_000
MAX_GROUP_MEMBERS = 1_000
MAX_OTHER_ELEMENTS = 32
GROUP_ID = "valGroupId"
CATEGORY = "category"
MEMBERS = "members"
DETAILS = "memberDetails"
MEMBER_ID = "memberId"
MEMBERSHIP = "membershipType"
ADMINISTRATOR = "ADMINISTRATOR"
_MEMBERSHIPS = (ADMINISTRATOR, "EXPLICIT", "IMPLICIT")
_TEXTS = (CATEGORY, "groupName", "grpDesc")
_NOTE = "group"

Fields = dict[str, Any]


class Group:
    """A group. id: of its document; fields: the document; fixed: it stands in server.toml."""

    __slots__ = ("id", "fields", "fixed")

    def __init__(self, id: str, fields: Fields, fixed: bool = False) -> None:
        self.id = id
        self.fields = fields
        self.fixed = fixed

    @property
    def name(self) -> str:
        """The Group Service ID."""
        return str(self.fields[GROUP_ID])

    @property
    def members(self) -> list[str]:
        """The members' UE Service IDs."""
        return list(self.fields.get(MEMBERS, ()))

    def administrators(self) -> set[str]:
        """Return the members that may change the group."""
        details = self.fields.get(DETAILS, ())
        return {one[MEMBER_ID] for one in details if one.get(MEMBERSHIP) == ADMINISTRATOR}

    def with_member(self, member: str) -> Fields:
        """Return the document with one more member."""
        return {**self.fields, MEMBERS: [*self.members, member]}

    def without_member(self, member: str) -> Fields:
        """Return the document with one member less."""
        fields = {**self.fields, MEMBERS: [one for one in self.members if one != member]}
        if DETAILS in fields:
            fields[DETAILS] = [one for one in fields[DETAILS] if one[MEMBER_ID] != member]
        return fields


class Groups:
    """The groups of SEAL documents and those of [[group]], which nobody changes from outside."""

    def __init__(self, settings: Settings, store: MessageStore) -> None:
        self._store = store
        self._fixed = [
            Group(
                f"configured-{number}",
                {GROUP_ID: row["group_service_id"], CATEGORY: "", MEMBERS: row["members"]},
                True,
            )
            for number, row in enumerate(settings.rows.get("group", ()), 1)
        ]
        self._by_id: dict[str, Group] = {}
        self._by_name: dict[str, Group] = {}
        self.start()

    def __len__(self) -> int:
        return len(self._by_id)

    def start(self) -> None:
        """Take up what the store holds; what is configured counts more."""
        self._by_id.clear()
        self._by_name.clear()
        for key, value in self._store.notes(_NOTE).items():
            self._add(Group(key, json.loads(value)))
        for group in self._fixed:
            self._add(group)

    def members(self, name: str) -> list[str] | None:
        """Return the members of a group by its Group Service ID, None if there is no such one."""
        group = self._by_name.get(name)
        return None if group is None else group.members

    def get(self, id: str) -> Group | None:
        """Return a group by the id of its document."""
        return self._by_id.get(id)

    def named(self, name: str) -> Group | None:
        """Return a group by its Group Service ID."""
        return self._by_name.get(name)

    def all(self) -> list[Group]:
        """Return every group."""
        return list(self._by_id.values())

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("groups", len(self._by_id), MAX_GROUPS)

    def is_full(self) -> bool:
        """Tell whether one more group would be too many."""
        return len(self._by_id) >= MAX_GROUPS

    def put(self, fields: Fields, id: str | None = None) -> Group:
        """Stage a document, a new one or another state of a known one."""
        group = Group(id or uuid.uuid4().hex, fields)
        before = self._by_id.get(group.id)
        if before is not None:
            self._forget(before)
        self._add(group)
        self._store.put_note(_NOTE, group.id, json.dumps(fields).encode())
        return group

    def remove(self, group: Group) -> None:
        """Stage the end of a group."""
        self._forget(group)
        self._store.drop_note(_NOTE, group.id)

    def _forget(self, group: Group) -> None:
        del self._by_id[group.id]
        if self._by_name.get(group.name) is group:
            del self._by_name[group.name]

    def _add(self, group: Group) -> None:
        self._by_id[group.id] = group
        self._by_name[group.name] = group


def check_document(value: Any) -> Fields:
    """Return a VALGroupDocument that can be kept (TS 24.544 C.2.1). Raises BadMessage."""
    if value.__class__ is not dict:
        raise BadMessage("", "an object is wanted")
    if len(value) > MAX_OTHER_ELEMENTS:
        raise BadMessage("", f"at most {MAX_OTHER_ELEMENTS} elements are wanted")
    checks.uri(value.get(GROUP_ID), GROUP_ID)
    if CATEGORY not in value:
        raise BadMessage(CATEGORY, "missing")
    for key in _TEXTS:
        if key in value and value[key] != "":
            checks.text(value[key], key)
    if value.get("inclValGroupIds"):
        raise BadMessage("inclValGroupIds", "groups in groups are not supported")
    members = _list(value, MEMBERS)
    for at, one in enumerate(members):
        checks.uri(one, f"{MEMBERS}[{at}]")
    if len(set(members)) < len(members):
        raise BadMessage(MEMBERS, "a member twice")
    for at, one in enumerate(_list(value, DETAILS)):
        _check_detail(one, f"{DETAILS}[{at}]", members)
    _check_plain(value, "")
    return dict(value)


def _list(value: Fields, key: str) -> list[Any]:
    found = value.get(key, [])
    if found.__class__ is not list:
        raise BadMessage(key, "a list is wanted")
    if len(found) > MAX_GROUP_MEMBERS:
        raise BadMessage(key, f"at most {MAX_GROUP_MEMBERS} are wanted")
    return list(found)


def _check_detail(one: Any, key: str, members: list[str]) -> None:
    if one.__class__ is not dict:
        raise BadMessage(key, "an object is wanted")
    if one.get(MEMBER_ID) not in members:
        raise BadMessage(f"{key}.{MEMBER_ID}", "one of the members is wanted")
    if one.get(MEMBERSHIP, ADMINISTRATOR) not in _MEMBERSHIPS:
        raise BadMessage(f"{key}.{MEMBERSHIP}", f"one of {', '.join(_MEMBERSHIPS)} is wanted")


def _check_plain(value: Any, key: str) -> None:
    """What JSON has, CBOR has as well; the other way round only without octets and numbers as
    keys."""
    if isinstance(value, dict):
        for name, one in value.items():
            if not isinstance(name, str):
                raise BadMessage(key, "keys are text")
            _check_plain(one, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for one in value:
            _check_plain(one, key)
    elif isinstance(value, bytes):
        raise BadMessage(key, "octets have no place here")
