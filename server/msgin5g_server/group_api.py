"""SEAL group management over CoAP (6.8.3, TS 24.544 C.2.1): /su-gm/v1, without network.

Requests go in as what they are, answers come out; what changes is staged. Members without a group
management client hear of it by a message (6.8.3.1).
"""

import json
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from msgin5g import checks, coap, gaps
from msgin5g import names as n
from msgin5g.limits import MAX_URI_BYTES
from msgin5g.message import Message
from msgin5g.payload_errors import BadMessage
from msgin5g_host.config import Settings
from msgin5g_host.fill import Fill
from msgin5g_host.log import EventLog
from msgin5g_server.groups import (
    GROUP_ID,
    MAX_GROUP_MEMBERS,
    MEMBERS,
    Group,
    Groups,
    check_document,
)
from msgin5g_server.messages import MessageCore
from msgin5g_server.routes import RouteError
from msgin5g_server.seal import (
    CBOR_FORMAT,
    CONFLICT,
    UNPROCESSABLE,
    Desk,
    Refused,
    SealAnswer,
    SealRequest,
    host_of,
    read,
    wanted_format,
    write,
)

ROOT = "su-gm"
MAX_GM_CLIENTS = 10_000
_FILTERS = ("val-group-id", "val-service-id", "member-id")
# Of 64 KiB and more, a list goes block by block.
_MAX_LISTED = 1_000


class GroupApi:
    """Answer requests for /su-gm/v1 over the groups of a `MessageCore`."""

    def __init__(
        self, settings: Settings, messages: MessageCore, counters: Counter[str], log: EventLog
    ) -> None:
        self._groups: Groups = messages.groups
        self._messages = messages
        self._managers = frozenset(settings["server.group_managers"])
        self._counters = counters
        self._log = log
        self._desk = Desk(ROOT, "group", counters, log)
        # UEs that have asked for a group themselves, the latest last.
        self._clients: OrderedDict[str, None] = OrderedDict()

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("gm_clients", len(self._clients), MAX_GM_CLIENTS)

    def handle(self, request: SealRequest, now: int) -> SealAnswer:
        """Return the answer; an error has problem details (RFC 9290)."""
        return self._desk.answer(request, lambda: self._route(request)(request, now))

    def _route(self, request: SealRequest) -> Callable[[SealRequest, int], SealAnswer]:
        path, code = request.path, request.code
        found: dict[int, Callable[[SealRequest, int], SealAnswer]] = {}
        if path == ["v1", "group-documents"]:
            found = {coap.POST: self._create, coap.GET: self._list}
        elif path[:2] == ["v1", "group-documents"] and len(path) == 3:
            found = {coap.GET: self._show, coap.PUT: self._replace, coap.DELETE: self._delete}
        elif path[:2] == ["v1", "group-documents"] and len(path) == 5 and path[3] == "members":
            found = {
                coap.GET: self._show_member,
                coap.PUT: self._add_member,
                coap.DELETE: self._remove_member,
            }
        elif path[:2] == ["v1", "group-membership"] and len(path) == 3:
            found = {coap.GET: self._memberships}
        if not found:
            raise Refused(coap.NOT_FOUND, "no such resource")
        if code not in found:
            raise Refused(coap.METHOD_NOT_ALLOWED, "not for this resource")
        return found[code]

    # Documents

    def _create(self, request: SealRequest, now: int) -> SealAnswer:
        fields = check_document(read(request))
        self._only_managers(request)
        if self._groups.named(fields[GROUP_ID]) is not None:
            raise Refused(CONFLICT, f"{GROUP_ID}: {fields[GROUP_ID]} exists")
        if self._groups.is_full():
            raise Refused(coap.UNAVAILABLE, gaps.CAUSE_CONGESTION)
        self._check_members(fields.get(MEMBERS, ()), fields[GROUP_ID])
        group = self._groups.put(fields)
        self._counters["groups created"] += 1
        self._log.event("group-created", group=group.name, members=len(group.members))
        self._inform(group, group.members, "created", now)
        location = [ROOT, "v1", "group-documents", group.id]
        answer = self._answer(request, coap.CREATED, self._document(group))
        answer.location = location
        return answer

    def _list(self, request: SealRequest, now: int) -> SealAnswer:
        wanted: dict[str, str] = {}
        for one in request.query:
            key, _, value = one.partition("=")
            if key not in _FILTERS:
                raise BadMessage("Uri-Query", f"one of {', '.join(_FILTERS)} is wanted")
            wanted[key] = value
        found = [one for one in self._groups.all() if self._may_read(one, request, now)]
        if "val-group-id" in wanted:
            found = [one for one in found if one.name == wanted["val-group-id"]]
        if "member-id" in wanted:
            found = [one for one in found if wanted["member-id"] in one.members]
        if "val-service-id" in wanted:
            service = wanted["val-service-id"]
            found = [one for one in found if service in one.fields.get("valServiceIds", [service])]
        documents = [self._document(one) for one in found[:_MAX_LISTED]]
        return self._answer(request, coap.CONTENT, documents)

    def _show(self, request: SealRequest, now: int) -> SealAnswer:
        group = self._readable(request, now)
        return self._answer(request, coap.CONTENT, self._document(group))

    def _replace(self, request: SealRequest, now: int) -> SealAnswer:
        group = self._changeable(request, now)
        fields = check_document(read(request))
        if fields[GROUP_ID] != group.name:
            raise Refused(CONFLICT, f"{GROUP_ID}: the document is that of {group.name}")
        fresh = [one for one in fields.get(MEMBERS, ()) if one not in group.members]
        self._check_members(fresh, group.name)
        changed = self._groups.put(fields, group.id)
        gone = [one for one in group.members if one not in changed.members]
        self._changed(changed, fresh, gone, now)
        return self._answer(request, coap.CHANGED, self._document(changed))

    def _delete(self, request: SealRequest, now: int) -> SealAnswer:
        group = self._changeable(request, now)
        self._groups.remove(group)
        self._counters["groups deleted"] += 1
        self._log.event("group-deleted", group=group.name)
        self._inform(group, group.members, "deleted", now)
        return SealAnswer(coap.DELETED)

    # Members

    def _show_member(self, request: SealRequest, now: int) -> SealAnswer:
        group = self._readable(request, now)
        member = self._member_of(group, request.path[4])
        details = group.fields.get("memberDetails", ())
        found = [one for one in details if one["memberId"] == member]
        return self._answer(request, coap.CONTENT, found[0] if found else {"memberId": member})

    def _add_member(self, request: SealRequest, now: int) -> SealAnswer:
        group = self._changeable(request, now)
        member = request.path[4]
        checks.uri(member, "memberId")
        if member in group.members:
            return SealAnswer(coap.CHANGED)
        if len(group.members) >= MAX_GROUP_MEMBERS:
            raise Refused(UNPROCESSABLE, f"members: at most {MAX_GROUP_MEMBERS} are wanted")
        self._check_members([member], group.name)
        changed = self._groups.put(group.with_member(member), group.id)
        self._changed(changed, [member], [], now)
        return SealAnswer(coap.CREATED)

    def _remove_member(self, request: SealRequest, now: int) -> SealAnswer:
        group = self._group(request)
        member = request.path[4]
        if not self._speaks_for(request.source, member, now):
            # A member may leave; all else is for those who manage the group.
            self._changeable(request, now)
        elif group.fixed:
            raise Refused(coap.FORBIDDEN, "this group stands in server.toml")
        self._member_of(group, member)
        changed = self._groups.put(group.without_member(member), group.id)
        self._changed(changed, [], [member], now)
        return SealAnswer(coap.DELETED)

    def _memberships(self, request: SealRequest, now: int) -> SealAnswer:
        member = request.path[2]
        if not self._is_manager(request) and not self._speaks_for(request.source, member, now):
            raise Refused(coap.FORBIDDEN, "for the member itself and group managers")
        found = [one for one in self._groups.all() if member in one.members]
        return self._answer(request, coap.CONTENT, [self._document(one) for one in found])

    # Who may do what

    def _group(self, request: SealRequest) -> Group:
        group = self._groups.get(request.path[2])
        if group is None:
            raise Refused(coap.NOT_FOUND, "no such group document")
        return group

    def _readable(self, request: SealRequest, now: int) -> Group:
        group = self._group(request)
        if not self._may_read(group, request, now):
            raise Refused(coap.FORBIDDEN, "for members and group managers")
        return group

    def _changeable(self, request: SealRequest, now: int) -> Group:
        group = self._group(request)
        administers = any(
            self._speaks_for(request.source, one, now) for one in group.administrators()
        )
        if not administers:
            self._only_managers(request)
        if group.fixed:
            raise Refused(coap.FORBIDDEN, "this group stands in server.toml")
        return group

    def _only_managers(self, request: SealRequest) -> None:
        if not self._is_manager(request):
            raise Refused(coap.FORBIDDEN, "not a group manager; see group_managers in server.toml")

    def _may_read(self, group: Group, request: SealRequest, now: int) -> bool:
        if self._is_manager(request):
            return True
        return any(self._speaks_for(request.source, one, now) for one in group.members)

    def _is_manager(self, request: SealRequest) -> bool:
        return host_of(request.source) in self._managers

    def _speaks_for(self, source: str, ue: str, now: int) -> bool:
        """Tell whether a UE asks itself: then it has a group management client."""
        who = Message()
        who.origin = (n.UE, ue)
        if self._messages.origins.refuse(who, source, now) is not None:
            return False
        self._clients.pop(ue, None)
        self._clients[ue] = None
        if len(self._clients) > MAX_GM_CLIENTS:
            self._clients.popitem(last=False)
        return True

    # Documents and members

    def _check_members(self, members: Any, name: str) -> None:
        for member in members:
            try:
                self._messages.routes.recipients((n.UE, member), name)
            except RouteError:
                raise Refused(UNPROCESSABLE, f"{MEMBERS}: {member} is not known here") from None

    def _member_of(self, group: Group, member: str) -> str:
        if member not in group.members:
            raise Refused(coap.NOT_FOUND, f"{member[:MAX_URI_BYTES]} is no member")
        return member

    def _document(self, group: Group) -> dict[str, Any]:
        return {**group.fields, "resUri": f"/{ROOT}/v1/group-documents/{group.id}"}

    def _changed(self, group: Group, fresh: list[str], gone: list[str], now: int) -> None:
        self._counters["groups changed"] += 1
        self._log.event("group-changed", group=group.name, added=len(fresh), removed=len(gone))
        self._inform(group, fresh, "added", now)
        self._inform(group, gone, "removed", now)

    def _inform(self, group: Group, members: list[str], event: str, now: int) -> None:
        """Tell members that have no group management client (6.8.3.1)."""
        told = {"event": event, GROUP_ID: group.name, "groupName": group.fields.get("groupName")}
        payload = json.dumps({key: one for key, one in told.items() if one}, ensure_ascii=False)
        for member in members:
            if member in self._clients:
                continue
            try:
                self._messages.applications.notify(gaps.GROUP_MANAGEMENT_ID, member, payload, now)
                self._counters["members informed"] += 1
            except RouteError as problem:
                self._log.event("not-informed", ue=member, group=group.name, cause=str(problem))

    def _answer(self, request: SealRequest, code: int, value: Any) -> SealAnswer:
        default = request.content_format or CBOR_FORMAT
        return write(code, value, wanted_format(request, default))
