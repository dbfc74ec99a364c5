"""What messages and reports are once they are read, and before they are built."""

from msgin5g import names as n

ORIGINS = (n.UE, n.AS)
DESTINATIONS = (n.UE, n.AS, n.GROUP, n.BC, n.TOPIC)


class Message:
    """A message of the family; which attributes are set depends on `msg_type`.

    origin, destination: (type, text); recipient: UE Service ID of the member that a group or topic
    message goes to; applications: list of Application IDs as text; payload: text; expires_ms:
    milliseconds since the epoch or None; segment: Segment or None; entries: list of Entry for an
    aggregate; status: "success", "failure" or "stored for deferred delivery"; set_id, ranges,
    result: of SEGREC and SEGCONFIR.
    """

    msg_type = None
    service_id = None
    message_id = None
    origin = None
    destination = None
    recipient = None
    applications = ()
    report = False
    store = False
    expires_ms = None
    app_store = None
    payload = None
    priority = n.NORMAL
    segment = None
    entries = None
    status = None
    cause = None
    set_id = None
    ranges = None
    result = None


class Segment:
    """What a segment says of itself. number: from 1; total: None if the sender leaves it out."""

    def __init__(self, set_id, number, total=None, last=False):
        self.set_id = set_id
        self.number = number
        self.total = total
        self.last = last


class Entry:
    """One message or report of an aggregate; the attributes are those of Message."""

    message_id = None
    applications = ()
    report = False
    payload = None
    priority = n.NORMAL
    status = None
    cause = None
