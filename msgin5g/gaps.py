"""Every choice that TS 24.538 leaves open, so that a later release changes one file only."""

from msgin5g import names as n

# GAP 7.2.2, 7.3: the value of the MSGin5G service identifier is not published.
SERVICE_ID = "urn:msgin5g:service"

# GAP 6.3, 6.4: no resource path is defined for POST requests. One segment, so that stacks which
# reorder segments still reach us.
PATH = "msgin5g"

# GAP 6.3.4.3.2, 6.3.4.3.5, 6.3.4.4: no JSON keys for the counts and lists of bulk requests and
# answers. Each entry has the shape of the single request or answer.
REG_REQ_NUM, REG_REQ_LIST = "regReqNum", "regReqList"
REG_RESP_NUM, REG_RESP_LIST = "regRespNum", "regRespList"
DEREG_REQ_NUM, DEREG_REQ_LIST = "deregReqNum", "deregReqList"
DEREG_RESP_NUM, DEREG_RESP_LIST = "deregRespNum", "deregRespList"
BULK_KEYS = (
    DEREG_REQ_LIST,
    DEREG_REQ_NUM,
    REG_REQ_LIST,
    REG_REQ_NUM,
    DEREG_RESP_LIST,
    DEREG_RESP_NUM,
    REG_RESP_LIST,
    REG_RESP_NUM,
)

# GAP 6.3.4.4.2: a Message Type of its own is expected for bulk de-registration and printed
# nowhere. DEREG with a list is sent, BDEREG is accepted.
BDEREG = "BDEREG"

# GAP 6.3.4.2.2, 7.3.3.2: DEREG has no keys for urgency and expiration; those of REG are used.
DEREG_URGENT_TAG = n.URGENT_TAG
DEREG_REQ_EXP_TIME = n.REQ_EXP_TIME

# GAP 6.3.4.3.1, 6.3.4.3.4: an absent urgentTag is taken as not urgent at a gateway.
ABSENT_IS_URGENT = False

# GAP 6.3.1.1.1, 7.3.3.1: durations of a client profile are typed as date-time. Taken are the
# date-time at which the period ends, an ISO 8601 duration, and seconds (number or text);
# `storeForward` has no values: any value opts out.

# GAP 6.3.5.3.1, 7.3.3.3: "Time till" is an integer of seconds, taken as a duration from now.

# GAP 6.3.1.2.1, 6.3.5.2.1: cause values are not enumerated. A short fixed set:
CAUSE_UNKNOWN_UE = "unknown UE Service ID"
CAUSE_NOT_AUTHORISED_GATEWAY = "gateway may not speak for this UE"
CAUSE_ONLY_THROUGH_GATEWAY = "UE may register only through its gateway"
CAUSE_UNKNOWN_GATEWAY = "unknown gateway"
CAUSE_NOT_REGISTERED = "not registered"
CAUSE_CONGESTION = "congestion"
CAUSE_NOT_ALLOWED = "UE may not use this gateway"
CAUSE_WRONG_UE_ID = "MSGin5G UE ID does not belong to this UE Service ID"
CAUSE_SUPERSEDED = "superseded by a later request"
CAUSE_SERVER_UNREACHABLE = "server unreachable"
CAUSE_NO_ANSWER = "the server gave no answer for this UE"
CAUSE_UNSPECIFIED = "refused without a cause"

# GAP 7.3.3, 7.3.4, A.3: the cause has several spellings; a receiver takes them all.
CAUSE_KEYS = (n.CAUSE, "Cause", n.FAILURE_REASON, "failureReason")
