"""SEAL configuration management over CoAP (6.2, TS 24.546 C.3.1): /su-uc/v1, without network.

Requests go in as what they are, answers come out; what is assigned is staged.
"""

from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from msgin5g import cbor, coap, gaps
from msgin5g.configuration import ROOT, Configuration
from msgin5g.configuration_document import document
from msgin5g.configuration_requests import (
    ConfigurationRequest,
    answer,
    bulk_answer,
    parse_request,
)
from msgin5g.limits import MAX_BULK_ENTRIES
from msgin5g_host.config import Settings
from msgin5g_host.log import EventLog
from msgin5g_server.accounts import Accounts
from msgin5g_server.messages import MessageCore
from msgin5g_server.seal import (
    CBOR_FORMAT,
    UNPROCESSABLE,
    Desk,
    Refused,
    SealAnswer,
    SealRequest,
    host_of,
    wanted_format,
)
from msgin5g_server.ue_ids import UeIds, document_id

_UNKNOWN = "unknown MSGin5G UE ID; give it to an account, [[ue]] ue_id in server.toml"
_NO_ADDRESS = "no route back; set [server] address in server.toml"
_TOO_MANY = f"more than {MAX_BULK_ENTRIES} documents: ask for one with ue-uri"


class ConfigurationApi:
    """Answer requests for /su-uc/v1 from the accounts and what was assigned."""

    def __init__(
        self,
        settings: Settings,
        messages: MessageCore,
        accounts: Accounts,
        ue_ids: UeIds,
        counters: Counter[str],
        log: EventLog,
    ) -> None:
        self._accounts = accounts
        self._counters = counters
        self._desk = Desk(ROOT, "configuration", counters, log)
        self._log = log
        self._managers = frozenset(settings["server.group_managers"])
        self._open: bool = settings["server.open"]
        self._segment_bytes = messages.routes.segment_bytes
        self._service_id: str = settings["server.service_id"]
        self._ue_ids = ue_ids
        # The Server's URI for who asks from a source, "host:port".
        where = settings["server.address"] or "coap://" + settings["server.bind"]
        self.address_for: Callable[[str], str] = lambda source: where

    def handle(self, request: SealRequest, now: int) -> SealAnswer:
        """Return the answer; an error has problem details (RFC 9290)."""
        return self._desk.answer(request, lambda: self._handle(request))

    def _handle(self, request: SealRequest) -> SealAnswer:
        path = [ROOT, *request.path]
        if parse_request(path, (), b"") is None:
            raise Refused(coap.NOT_FOUND, "no such resource")
        if request.code != coap.GET:
            raise Refused(coap.METHOD_NOT_ALLOWED, "configuration is read with GET")
        if request.payload and request.content_format not in (None, coap.JSON_FORMAT):
            raise Refused(coap.UNSUPPORTED_FORMAT, "Content-Format: 50 (JSON) is understood")
        asked = parse_request(path, request.query, request.payload)
        if asked.service_id != self._service_id:
            raise Refused(coap.NOT_FOUND, f"the service here is {self._service_id}")
        form = wanted_format(request, coap.JSON_FORMAT)
        if asked.ue_ids is not None:
            return self._bulk(request, asked, form)
        if asked.document_id is not None:
            ue_id = self._ue_ids.of_document(asked.document_id)
            if ue_id is None or asked.ue_id not in (None, ue_id):
                raise Refused(coap.NOT_FOUND, "no such configuration document")
            return self._one(request, ue_id, form, alone=True)
        if asked.ue_id is None:
            return self._all(request, asked, form)
        return self._one(request, asked.ue_id, form, asked=asked)

    def _one(
        self,
        request: SealRequest,
        ue_id: str,
        form: int,
        alone: bool = False,
        asked: ConfigurationRequest | None = None,
    ) -> SealAnswer:
        """alone: one document by its id, rather than a list of one."""
        found = self._configuration(ue_id, request.source, self._address(request.source))
        told = {} if asked is None else {"vendor": asked.vendor, "type": asked.type}
        self._counters["configurations"] += 1
        self._log.event(
            "configured", ue=found.ue_service_id, ue_id=ue_id, peer=request.source, **told
        )
        if form == CBOR_FORMAT:
            value = self._document(found)
            return SealAnswer(coap.CONTENT, cbor.dumps(value if alone else [value]), form)
        return SealAnswer(coap.CONTENT, answer(found), form)

    def _all(self, request: SealRequest, asked: ConfigurationRequest, form: int) -> SealAnswer:
        """Return every document, to managers."""
        if host_of(request.source) not in self._managers:
            raise Refused(coap.FORBIDDEN, "ue-uri is missing; all documents are for managers")
        if asked.vendor or asked.type or asked.serial:
            raise Refused(UNPROCESSABLE, "documents are kept by ue-uri alone: ask with it")
        found = list(islice(self._ue_ids.items(), MAX_BULK_ENTRIES + 1))
        if len(found) > MAX_BULK_ENTRIES:
            raise Refused(UNPROCESSABLE, _TOO_MANY)
        server = self._address(request.source)
        entries = [self._entry(ue_id, ue, server) for ue_id, ue in found]
        return self._several(entries, None, form)

    def _bulk(self, request: SealRequest, asked: ConfigurationRequest, form: int) -> SealAnswer:
        """Answer a gateway that asks for its UEs (6.2.3.4.1); whom it gets nothing for is left
        out."""
        source = request.source
        claimed = self._gateway(asked, source)
        server = self._address(source)
        own = None
        if asked.ue_id is not None:
            own = self._configuration(asked.ue_id, source, server)
        entries = []
        cause = None
        for ue_id in asked.ue_ids:
            try:
                entries.append(self._configuration(ue_id, source, server, claimed, bulk=True))
            except Refused as problem:
                self._counters["configurations refused in bulk"] += 1
                cause = cause or f"{ue_id}: {problem}"
        self._counters["bulk configurations"] += 1
        self._counters["configurations"] += len(entries)
        told = {"asked": len(asked.ue_ids), "given": len(entries), "cause": cause}
        self._log.event("configured-in-bulk", gateway=claimed, peer=source, **told)
        return self._several(entries, own, form)

    def _gateway(self, asked: ConfigurationRequest, source: str) -> str | None:
        """Return the UE Service ID of the gateway that asks in bulk. Raises Refused."""
        named = None if asked.ue_id is None else self._ue_ids.find(asked.ue_id)
        claimed = named or self._accounts.speaker(source) or None
        if claimed is None and not self._open:
            raise Refused(
                coap.FORBIDDEN, "a gateway asks in bulk once it is registered, or with its ue-uri"
            )
        cause = self._accounts.refuse_gateway(claimed, source)
        if cause:
            raise Refused(coap.FORBIDDEN, cause)
        return claimed

    def _configuration(
        self,
        ue_id: str,
        source: str,
        server: str,
        claimed: str | None = None,
        bulk: bool = False,
    ) -> Configuration:
        """Return what a UE is given, one that nobody knows with a fresh UE Service ID.

        Raises Refused.
        """
        ue = self._ue_ids.find(ue_id)
        if ue is not None:
            cause = self._accounts.refuse(ue, source, claimed, bulk)
            if cause:
                raise Refused(coap.FORBIDDEN, cause)
        elif not self._open:
            raise Refused(coap.FORBIDDEN, _UNKNOWN)
        elif self._ue_ids.is_full():
            self._counters["assignments refused"] += 1
            raise Refused(coap.UNAVAILABLE, gaps.CAUSE_CONGESTION)
        else:
            ue = self._ue_ids.assign(ue_id)
            self._counters["assigned"] += 1
            self._log.event("assigned", ue=ue, ue_id=ue_id, peer=source)
        return self._entry(ue_id, ue, server)

    def _address(self, source: str) -> str:
        """Return the Server's URI for who asks. Raises Refused."""
        try:
            return self.address_for(source)
        except OSError:
            raise Refused(coap.UNAVAILABLE, _NO_ADDRESS) from None

    def _entry(self, ue_id: str, ue: str, server: str) -> Configuration:
        return Configuration(ue, server, self._segment_bytes(ue), ue_id)

    def _several(
        self, entries: list[Configuration], own: Configuration | None, form: int
    ) -> SealAnswer:
        if form == CBOR_FORMAT:
            found = entries if own is None else [own, *entries]
            return SealAnswer(coap.CONTENT, cbor.dumps([*map(self._document, found)]), form)
        return SealAnswer(coap.CONTENT, bulk_answer(entries, own), form)

    def _document(self, found: Configuration) -> dict[str, Any]:
        domain = urlsplit(found.server).hostname or found.server
        name = document_id(found.ue_id)
        made: dict[str, Any] = document(found, found.ue_id, self._service_id, domain, name)
        return made
