"""Every choice that TS 24.538 leaves open, in one place: a later release changes this file only."""

# GAP 7.2.2, 7.3: the value of the MSGin5G service identifier is not published.
SERVICE_ID = "urn:msgin5g:service"

# GAP 6.x: no resource path is defined for POST requests. One segment, so that stacks which
# reorder segments still reach us.
PATH = "msgin5g"

# GAP 6.3.4.3.2, 6.3.4.3.5, 6.3.4.4: no JSON keys for the counts and lists of bulk requests and
# answers. Each entry has the shape of the single request or answer.
REG_REQ_NUM, REG_REQ_LIST = "regReqNum", "regReqList"
REG_RESP_NUM, REG_RESP_LIST = "regRespNum", "regRespList"
DEREG_REQ_NUM, DEREG_REQ_LIST = "deregReqNum", "deregReqList"
DEREG_RESP_NUM, DEREG_RESP_LIST = "deregRespNum", "deregRespList"

# GAP 6.3.4.4.2: a Message Type of its own is expected for bulk de-registration and printed
# nowhere. DEREG with a list is sent, BDEREG is accepted.
BDEREG = "BDEREG"

# GAP 6.3.4.2.2, 7.3.3.2: DEREG has no keys for urgency and expiration; those of REG are used.

# GAP 6.3.4.3.1, 6.3.4.3.4: an absent urgentTag is taken as not urgent at a gateway.
ABSENT_IS_URGENT = False

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

# Spellings of the cause that a receiver takes (7.3.3, 7.3.4 and Annex A differ).
CAUSE_KEYS = ("cause", "Cause", "failure reason", "failureReason")
