"""Which UE Service ID a MSGin5G UE ID has (6.2, TS 23.554 8.1.2): from accounts, or assigned.

What was assigned is kept: who asks again gets the same.
"""

import secrets
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgin5g_host.config import ConfigError
from msgin5g_host.fill import Fill
from msgin5g_server.message_store import MessageStore

MAX_ASSIGNED = 100_000
RANDOM = "{random}"
_NOTE = "ue-id"
_RANDOM_BYTES = 6
_ATTEMPTS = 8


class UeIds:
    """UE Service IDs by MSGin5G UE ID. rows: the [[ue]] tables; template: of new ones.

    is_open: without it only accounts count, and what was assigned rests.
    """

    def __init__(
        self,
        rows: Iterable[Mapping[str, Any]],
        template: str,
        is_open: bool,
        store: MessageStore,
        is_taken: Callable[[str], bool],
    ) -> None:
        self._accounts = accounts_by_ue_id(rows)
        self._template = template
        self._open = is_open
        self._store = store
        self._is_taken = is_taken
        self._used: set[str] = set()
        self._documents: dict[str, str] = {}
        self.start()

    def start(self) -> None:
        """Take up what the store holds."""
        notes = self._store.notes(_NOTE)
        self._used = {value.decode() for value in notes.values()}
        self._documents = {document_id(one): one for one in (*notes, *self._accounts)}

    def __len__(self) -> int:
        return len(self._store.notes(_NOTE))

    def items(self) -> Iterator[tuple[str, str]]:
        """Yield every MSGin5G UE ID with its UE Service ID."""
        yield from self._accounts.items()
        if self._open:
            for ue_id, value in self._store.notes(_NOTE).items():
                if ue_id not in self._accounts:
                    yield ue_id, value.decode()

    def find(self, ue_id: str) -> str | None:
        """Return the UE Service ID of a MSGin5G UE ID, or None."""
        found = self._accounts.get(ue_id)
        if found is None and self._open:
            value = self._store.notes(_NOTE).get(ue_id)
            found = None if value is None else value.decode()
        return found

    def of_document(self, name: str) -> str | None:
        """Return the MSGin5G UE ID whose document has that id, or None."""
        return self._documents.get(name)

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("assigned", len(self), MAX_ASSIGNED)

    def is_full(self) -> bool:
        """Tell whether one more assignment would be too many."""
        return len(self) >= MAX_ASSIGNED

    def assign(self, ue_id: str) -> str:
        """Stage a fresh UE Service ID for a MSGin5G UE ID, and return it."""
        for _ in range(_ATTEMPTS):
            made = self._template.replace(RANDOM, secrets.token_hex(_RANDOM_BYTES))
            if made not in self._used and not self._is_taken(made):
                break
        else:
            raise RuntimeError("48 random bits were taken already, again and again")
        self._store.put_note(_NOTE, ue_id, made.encode())
        self._used.add(made)
        self._documents[document_id(ue_id)] = ue_id
        return made


def document_id(ue_id: str) -> str:
    """Return the id of a UE's configuration document; it is the same after a restart."""
    return uuid.uuid5(uuid.NAMESPACE_URL, ue_id).hex


def accounts_by_ue_id(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the UE Service IDs of accounts by their `ue_id`. Raises ConfigError."""
    found: dict[str, str] = {}
    for row in rows:
        ue_id, ue = row.get("ue_id"), row["ue_service_id"]
        if ue_id is None:
            continue
        if ue_id in found:
            raise ConfigError(
                f"[[ue]] ue_id {ue_id!r} belongs to {found[ue_id]} and to {ue}: a device has one "
                "MSGin5G UE ID, which no other has"
            )
        found[ue_id] = ue
    return found
