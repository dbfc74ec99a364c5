"""A UE that knows nothing but its MSGin5G UE ID: it asks for its configuration first (6.2).

Through a gateway (6.2.3.2), a Relay UE (6.2.2.2) or directly (6.2.1.2). Loaded only for a
configuration without `ue_service_id`.
"""

from msgin5g import coap
from msgin5g.awaiting import keep_open
from msgin5g.codes import code_text
from msgin5g.configuration import parse_answer, request_options
from msgin5g.errors import CallerError
from msgin5g.payload_errors import BadMessage
from ue.core import PEER, UeCore
from ue.kept import Kept
from ue.requests import Requests, check_size

CONFIGURING = "configuring"
_GET = "GET"
_INFOS = ("vendor", "type")
_NO_TEXT = {
    coap.FORBIDDEN: "4.03: this UE may not be configured from here",
    coap.NOT_FOUND: "4.04: nothing is known of this MSGin5G UE ID",
}


class _Kept(Kept):
    """What is kept, and the JSON with which the configuration came, or None."""

    def __init__(self, saved, endpoint, rng):
        super().__init__(saved, endpoint, rng)
        self.configuration = saved.get("configuration")

    def snapshot(self):
        saved = super().snapshot()
        if self.configuration:
            saved["configuration"] = self.configuration
        return saved


class BlankCore(UeCore):
    """A `UeCore` with the state "configuring" before all others until it knows who it is.

    What it was told replaces `ue_service_id`, `server_host` and `segment_bytes` in `config` and
    is kept across reboots. It asks anew once it was refused under that name.
    """

    def __init__(self, config, endpoint, saved, rng):
        self._own_segment_bytes = config["segment_bytes"]
        found = _read(saved.get("configuration"))
        if found is not None:
            self._adopt(config, found)
        self._is_configured = found is not None
        self._get = None
        super().__init__(config, endpoint, saved, rng)
        self._kept = _Kept(saved, endpoint, rng)

    def deregister(self, now):
        if not self._kept.configuration:
            # Nobody can know a UE without a name.
            self._kept.known = False
        super().deregister(now)

    def _advance(self, now):
        if self._is_configured:
            super()._advance(now)
        else:
            self._ask(now)

    def _ask(self, now):
        self._retry_at = None
        self._go(CONFIGURING)
        self._is_dirty |= self._kept.spend()
        self._exchange = self._get = self.endpoint.send_request(
            PEER, coap.GET, _options(self._config), b"", now, context=_GET
        )
        self._sent(_GET, {"mid": self._get.mid})

    def _on_answer(self, what, message, now):
        if what != _GET:
            super()._on_answer(what, message, now)
            return
        code = message.code
        text = code_text(code)
        if code in _NO_TEXT:
            cause = self.answer_text(message)
            cause = _NO_TEXT[code] if cause == text else cause
            self._note(text, {"of": what, "cause": cause})
            self._refuse(cause, now)
            return
        if code >= coap.BAD_REQUEST:
            super()._on_answer(what, message, now)
            return
        try:
            answer = parse_answer(message.payload)
        except BadMessage as problem:
            self._back_off(now, "malformed answer: %s" % problem)
            return
        found = answer.configuration
        if found is not None:
            self._configured(found, message, now)
            return
        self._note(text, {"of": what, "expected_s": answer.wait_s})
        wait_s = max(answer.wait_s or 0, self._config["wait_s"])
        wait_s += self._config["answer_margin_s"]
        self._exchange = self._get
        keep_open(self.endpoint, self._exchange, wait_s * 1000, now)
        self._go(CONFIGURING, {"expected_s": answer.wait_s})

    def _configured(self, found, message, now):
        info = {"of": _GET, "ue_service_id": found.ue_service_id, "server": found.server}
        info["segment_bytes"] = found.segment_bytes
        self._note(code_text(message.code), info)
        self._adopt(self._config, found)
        self._ue = found.ue_service_id
        self._requests = Requests(self._config, self.endpoint.prepare)
        problem = check_size(self._config, self.max_frame_bytes)
        if problem:
            self._refuse(problem, now)
            return
        if self._postman is not None:
            self._postman.configured()
        self._is_configured = True
        self._kept.configuration = bytes(message.payload).decode()
        self._is_dirty = True
        self._failures = 0
        self._advance(now)

    def _adopt(self, config, found):
        config["ue_service_id"] = found.ue_service_id
        config["server_host"] = _host(found.server)
        size = self._own_segment_bytes
        config["segment_bytes"] = min(size, found.segment_bytes or size)

    def _refuse(self, cause, now):
        # It may be known under another name now.
        self._is_configured = False
        super()._refuse(cause, now)


def check_blank(config, max_bytes):
    """Return what keeps a UE from asking for its configuration, or None."""
    if config["coap"]:
        return "ue_service_id: wanted with this coap, which cannot ask for it"
    for key in config["ue_info"]:
        if key not in _INFOS:
            return "ue_info: vendor and type are known, not %r" % key
        if config["ue_info"][key].__class__ is not str:
            return "ue_info: %s: a string is wanted" % key
    try:
        size = len(coap.encode_options(_options(config)))
    except CallerError as problem:
        return str(problem)
    if size + 16 > max_bytes:
        return "ue_id: the request does not fit %d bytes" % max_bytes
    return None


def _options(config):
    """Return the options of the GET: to a gateway it names the gateway, so no host."""
    infos = config["ue_info"]
    host = config["server_host"] if config["direct"] else ""
    return request_options(
        config["service_id"], config["ue_id"], infos.get("vendor"), infos.get("type"), host=host
    )


def _host(server):
    """Return the host in a Server's URI, "" if it has none."""
    rest = server.partition("://")[2].partition("/")[0]
    if rest[:1] == "[":
        return rest[1:].partition("]")[0]
    return rest.partition(":")[0]


def _read(saved):
    """Return the configuration that was kept, None if there is none of use."""
    try:
        return parse_answer(saved.encode()).configuration
    except (AttributeError, BadMessage):
        return None
