"""What entries say of the trace that they are in: its kind, and what has become of it."""

from msgin5g import l3, names
from msgin5g_host.follower import Entry

UNDER_WAY, DEFERRED, DISCARDED, REJECTED = "under way", "deferred", "discarded", "rejected"
DELIVERED, REPORTED = "delivered", "reported"
REGISTERED, REFUSED, DEREGISTERED = "registered", "refused", "deregistered"
# A message that reached one recipient of several is delivered; a report says more than that.
_WEIGHT = {UNDER_WAY: 0, DEFERRED: 1, DELIVERED: 3, REPORTED: 4}
_END_WEIGHT = 2
_FAILED = (DISCARDED, REJECTED)
MESSAGE_KINDS = ("MSG", "IMDN", "MSGRESP", "SEGREC", "SEGCONFIR")
_KINDS = (*MESSAGE_KINDS, "GWREG", "REG", "DEREG", "BREG", "GET")
# What devices without an MSGin5G client call the same.
_L3_KINDS = {
    l3.NAMES[l3.REGISTRATION_REQUEST]: "REG",
    l3.NAMES[l3.DEREGISTRATION_REQUEST]: "DEREG",
    l3.NAMES[l3.MESSAGE_SENDING_REQUEST]: "MSG",
    l3.NAMES[l3.DELIVERY_REPORT_SENDING_REQUEST]: "IMDN",
}


def kind_of(entry: Entry) -> str:
    """Return the Message Type that an entry is about, or ""."""
    what = entry.get("what")
    if not isinstance(what, str):
        return ""
    return what if what in _KINDS else _L3_KINDS.get(what, "")


def advanced(state: str, entry: Entry) -> str:
    """Return the state of a trace after an entry."""
    new = _state(entry)
    if state in _FAILED and new in (REJECTED, REPORTED):
        # The sender is told of the failure; devices hear it as a delivery report.
        return state
    known = new and _WEIGHT.get(new, _END_WEIGHT) >= _WEIGHT.get(state, _END_WEIGHT)
    return new if known else state


def _state(entry: Entry) -> str:
    event, kind = entry["event"], kind_of(entry)
    if event == "delivered":
        if entry.get("status") == names.FAILURE:
            return REJECTED  # so the report says
        return {"MSG": DELIVERED, "IMDN": REPORTED}.get(kind, "")
    if event == "discarded":
        return DISCARDED if kind == "MSG" else ""
    if event == "message" and kind == "MSGRESP" and entry.get("status") == names.FAILURE:
        return REJECTED
    if event in ("refused", "rejected"):
        return REJECTED if kind in MESSAGE_KINDS else REFUSED
    if event == "answered":
        if not entry.get("result"):
            return REFUSED
        return DEREGISTERED if kind == "DEREG" else REGISTERED
    if event in ("registered", "refreshed", "own-registered", "signed-up", "device-registered"):
        return REGISTERED
    return event if event in (DEFERRED, DEREGISTERED) else ""
