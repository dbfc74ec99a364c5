"""Who may say that a message is theirs (6.4.1.2.2 a)."""

from msgin5g import gaps
from msgin5g import names as n
from msgin5g.message import Message
from msgin5g_server.accounts import Accounts
from msgin5g_server.message_store import MessageStore
from msgin5g_server.registry import Registry
from msgin5g_server.routes import Routes

# From here down: places in what was seen of a message that a neighbour passed on.
_NEIGHBOUR = -3


class Origins:
    """Check originators against the registry and where they speak from."""

    def __init__(
        self, registry: Registry, accounts: Accounts, routes: Routes, store: MessageStore
    ) -> None:
        self._registry = registry
        self._accounts = accounts
        self._routes = routes
        self._store = store

    def refuse(self, message: Message, source: str, now: int) -> str | None:
        """Return the cause that refuses the sender of a CoAP request, or None."""
        kind, origin = message.origin
        row = self._registry.get(origin) if kind == n.UE else None
        if row is None or row.expires_at_ms <= now:
            return gaps.CAUSE_NOT_REGISTERED
        if not self.speaks_from(origin, source, now):
            return gaps.CAUSE_NOT_THE_SENDER
        return None

    def came_from(self, message: Message, number: int, neighbour: str) -> bool:
        """Tell whether a message of another domain is new, or was this neighbour's before.

        number: that of the segment, or 0. Whose it is, is staged.
        """
        place = _NEIGHBOUR - number
        message_id = message.message_id
        if self._store.has_seen(neighbour, message_id, place):
            return True
        if self._store.has_seen(message.origin[1], message_id, number):
            return False
        self._store.note_seen(neighbour, message_id, place, False)
        return True

    def speaks_from(self, ue: str, source: str, now: int) -> bool:
        """Tell whether a UE, or the gateway it is behind, speaks from this address."""
        row = self._registry.get(ue)
        if row is None:
            return False
        if row.peer == source or self._routes.address(ue, now) == source:
            return True
        return bool(row.via) and self._accounts.speaker(source) == row.via
