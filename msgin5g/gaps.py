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
CAUSE_NOT_THE_SENDER = "originator does not speak from here"
CAUSE_UNKNOWN_RECIPIENT = "unknown recipient"
CAUSE_UNAVAILABLE = "recipient unavailable"
CAUSE_RECIPIENT_REFUSED = "refused by the recipient"
CAUSE_EXPIRED = "expired"
CAUSE_OPTED_OUT = "recipient wants no stored messages"
CAUSE_NOT_SUPPORTED = "kind of recipient not supported"
CAUSE_SEGMENTS_MISSING = "segments are missing"

# GAP 7.3.3, 7.3.4, A.3: the cause has several spellings; a receiver takes them all.
CAUSE_KEYS = (n.CAUSE, "Cause", n.FAILURE_REASON, "failureReason")

# GAP 7.3.4.1, 6.4.1.1.3, 6.4.1.1.5: no JSON keys for the number and list of an aggregate.
IND_MSG_NUM, IND_MSG_LIST = "indMsgNum", "indMsgList"

# GAP 6.4.1.2.6 d3: a group or topic message is delivered with a Recipient UE Service ID of its
# own, and one `destAddr` cannot hold both; a second object of the same shape does.
RECIPIENT = "recipAddr"

# GAP 6.6.3, 7.3.5: the 2.05 that answers a (un)subscription has no schema. The key is that of
# TopicSubscriptionAck in TS 29.538, with `expireTime` as in the request and `cause` when refused.
SUB_STAT = "subStat"
SUBSCRIBED = "subscribed"
UNSUBSCRIBED = "unsubscribed"
NOT_SUBSCRIBED = "not subscribed"
CAUSE_TOO_MANY_TOPICS = "too many subscriptions of this UE"
CAUSE_PAST = "the expiration time has passed"
CAUSE_NO_SUCH_SUBSCRIPTION = "no such subscription"
CAUSE_UNSUBSCRIBED = "the recipient has left the topic"

# GAP 6.6.2.1: a topic is a path of the server, which has others: these are not taken for topics.
# One slash or backslash before a topic is taken away, as in the example that is printed.
RESERVED_PATHS = (".well-known", "su-gm", "su-uc")

# GAP 6.6.3, 6.4.1.2.6 d4: a topic message is a notification of its own, never superseded by a
# later one; the receiver does not order by Observe. Max-Age is what is left of the subscription,
# so that a UE without a clock knows. One that is not acknowledged does not end the subscription,
# as RFC 7641 4.5 has it, for a UE may sleep; a Reset does. A topic is there while it has a
# subscriber.

# GAP 6.8.3.1: stage 3 has no message that tells a member without a group management client of its
# group. A message of this AS Service ID does, with JSON: `event` "created", "added", "removed" or
# "deleted", `valGroupId` and `groupName`. A UE that has asked for a group itself has a client.
GROUP_MANAGEMENT_ID = "urn:msgin5g:group-management"

# GAP TS 24.544 C.2.1: group documents are CBOR of a media type whose CoAP number is not known;
# 60 (application/cbor) and 50 (application/json) are taken and given. Changes are for those in
# `server.group_managers`, for a group's administrators, and for a member that leaves; reading is
# for members as well. Groups in groups are not supported.

# GAP 6.2.3.3.1, 6.2.3.3.2, 6.2.3.4.1, 7.3.2: no JSON keys for what configuration answers, nor for
# bulk configuration. The maximum configuration time is in whole seconds; an answer without a UE
# Service ID is interim. Bulk answers name the MSGin5G UE ID in each entry, in the order asked, and
# leave out whom they give nothing.
MAX_CONF_TIME = "maxConfTime"
BULK_CONF_FLAG = "bulkConfFlag"
UE_ID_LIST = "ueIdList"
CONF_INFO_LIST = "confInfoList"
UE_SERVICE_ID = "ueServiceId"
SERVER_ADDR = "serverAddr"
SEG_SIZE = "segSize"

# GAP 6.2.1.2, TS 24.546 C.3: JSON (50) and a CBOR document are both possible, and the document's
# media type has no CoAP number. 50 is given to who does not say; 60 (application/cbor) is the
# document, a list of them where several are asked for. Its `configData` is the <on-network> of
# 7.2 as XML, in one document for each UE.
CONF_DOCUMENT_FORMAT = 60

# GAP 6.2.3.3.3 b1: the configuration is a second 2.05 to a GET that has been answered, with its
# Message ID and Token. It is a Confirmable response, repeated until the UE acknowledges; a UE
# keeps the Token open after an interim answer and takes it in any form. Whoever answers Reset, as
# RFC 7252 has it for a Token that is no longer known, gets it with the next GET. 4.04 for whom the
# server has nothing, and 5.04 for what it did not answer, come in the same way.

# GAP 6.5.3.5: SEGCONFIR is spelt this way once; accepted, never sent.
SEGCOFIR = "SEGCOFIR"

# GAP A.2.2.1: the code points of DEREGISTRATION REJECT and ACCEPT are read from a merged table
# cell, in this order.
L3_DEREGISTRATION_REJECT = 0x0B
L3_DEREGISTRATION_ACCEPT = 0x0C

# GAP A.2.1: element identifiers are printed as one hex digit. Taken: type 1 in the high half
# octet, all others as a whole octet; Failure Reason has the placeholder X.
L3_IEI_APPLICATION_ID = 0x0A
L3_IEI_REPORT = 0xB
L3_IEI_PRIORITY = 0xC
L3_IEI_TARGET_TYPE = 0xD
L3_IEI_GROUP_ID = 0x0E
L3_IEI_ORIGINATOR = 0x0F
L3_IEI_CAUSE = 0x58

# GAP A.2.2.2: a name carries the text of a Service ID or Group Service ID as well. It is split at
# its dots into labels of any octets, which may be longer than DNS's 63; text that begins or ends
# with a dot or has two in a row is one label, dots included.
L3_MAX_LABEL_BYTES = 253

# GAP A.2.1.7: Credential information is printed LV and described as type 6; two length octets are
# used.

# GAP A.2.1.1: the least length of Payload is 3 here and 2 in MESSAGE RECEIVED REQUEST; an empty
# payload is sent and taken in both.
L3_MIN_SENDING_PAYLOAD_BYTES = 0

# GAP A.3.2: some Message Types are misspelt in the schemas; those are sent, both are accepted.
APP_SENDING_REQUEST = "MESSAGE SENDING REQEUST"
APP_REPORT_SENDING_REQUEST = "DELIVERY REPORT SENDING REQEUST"
APP_RECEIVED_REQUEST = "MESSAGE RECEIVED REQEUST"

# GAP A.3.2.7, A.3.2.8: the Registration ID is a string; 12 hex digits are used. Its key has
# several spellings, a receiver takes them all; `registrationID` in requests and `registration ID`
# in answers are sent. The Application ID is a string as well; the number of the L3 form is used.
REGISTRATION_ID_REQUEST = "registrationID"
REGISTRATION_ID_ANSWER = "registration ID"
REGISTRATION_ID_KEYS = ("registrationID", "RegistrationID", "registration ID", "registrationId")

# GAP 7.3.4.1, A.3.2.1: a payload is a JSON string. Octets that are no UTF-8 text, or a text that
# looks like it, travel as a data URI (RFC 2397) in base64.
BINARY_PREFIX = "data:;base64,"

# GAP TS 29.538: no API brings anything to an AS. It is POSTed to its targetUri: a message as
# UEMessageDelivery, a report as DeliveryStatusReport (it has `delivSt`), and what MSGRESP says of
# a message of its own as MessageDeliveryAck. An answer 2xx means taken.

# GAP TS 29.538: the ProblemDetails in ASRegistrationAck tells of success by its `status`. An AS
# has one registration, until it is deleted; who registers again replaces it.

# GAP TS 29.538: a message that cannot be delivered is answered 200 with DELY_FAILED and a cause;
# if that comes out later, the sender gets a report of failure if it asked for reports.

# GAP 6.4.1.2.1, MSGin5G-8: nothing keeps a message from going round. Servers name themselves in
# Via (RFC 9110 7.6.3); without that, one that comes back from another neighbour is a loop.
MAX_HOPS = 8
CAUSE_LOOP = "the message goes round"

# GAP TS 29.538 12, 6.3.1.1.1: a MSGin5G UE ID is an External Identifier unless it is a telephone
# number, with or without "tel:". A trigger's payload is the service identifier; its port is the
# first of the Client Ports. What a UE told is kept when its registration expires, for it is then
# that it is needed, and deleted when it de-registers.
