"""The keys of messages, of topics, and of devices without an MSGin5G Client."""

from msgin5g_tools.reference.forms import UE, Family, Form, head

FROM = """
oriAddr | object | yes | originator
oriAddr.oriAddrType | `UE` `AS` | yes | kind of originator
oriAddr.addr | text | yes | its Service ID
"""
REPORT_TO = """
destAddr | object | yes | recipient
destAddr.destAddrType | `UE` `AS` | yes | kind of recipient
destAddr.addr | text | yes | its Service ID
"""
_SUBSCRIBER = UE.replace("whom it is about", "who subscribes")
_APP_REPORT = """
msgType | `{}` | yes | Message Type
msgId | UUID | yes | Message ID of the report
reply2msgId | UUID | | Message ID of the message that it is about
deliveryStatus | `SUCCESS` `FAILED` | yes | Delivery Status
"""
_APP_RESPONSE = """
msgType | `{}` | yes | Message Type
result | `SUCCESS` `FAILED` | yes | Result
failReason | text | | Failure Reason, if it failed
"""
MESSAGES = Family(
    "Messages",
    "MSGin5G-1 and MSGin5G-6, all by POST; an answer of CoAP has no payload. Applications, "
    "message gateways and other servers say the same over HTTP, see "
    "[applications](../applications.md).",
    (
        Form(
            "MSG",
            "7.3.4.1",
            "UE → server, server → UE, by a gateway or not",
            ("message/msg-full", "message/msg-delivered-member", "message/segment-first")
            + ("message/segment-last", "message/aggregate-full"),
            head("MSG")
            + """
appId | text or list | | Application IDs
msgId | UUID | yes | Message ID
isDelivStatReq | boolean | | true: a report is wanted
"""
            + FROM
            + """
destAddr | object | yes | recipient
destAddr.destAddrType | `UE` `AS` `GROUP` `BC` `TOPIC` | yes | kind of recipient
destAddr.addr | text | yes | its Service ID, area or topic
recipAddr | object | | the member that a group message goes to (no key printed)
recipAddr.destAddrType | `UE` | yes | kind of address
recipAddr.addr | text | yes | UE Service ID of the member
sfFlag | boolean | | true: store and forward; not sent to the recipient
sfParam | object | | its parameters; not sent to the recipient
sfParam.expireTime | date-time | | Message expiration time
sfParam.appSpecSf | object | | Application specific information; not sent to the recipient
priority | `HIGH` `NORMAL` `LOW` | | not sent to the recipient unless `server.keep_priority`
isSegmented | boolean | | true: a segment
segParams | object | with `isSegmented` | of the segment
segParams.segId | text | yes | Segmentation set identifier
segParams.totalSegCount | whole number | | number of segments
segParams.segNumb | whole number | yes | number of this one, from 1
segParams.lastSegFlag | `true` as text | | in the last one
indMsgNum | whole number | with `indMsgList` | messages of an aggregate (no key printed)
indMsgList | list | with `indMsgNum` | these (no key printed)
indMsgList[].msgId | UUID | yes | Message ID
indMsgList[].appId | text or list | | Application IDs
indMsgList[].isDelivStatReq | boolean | | true: a report is wanted
indMsgList[].priority | `NORMAL` `LOW` | | not sent to the recipient unless `server.keep_priority`
indMsgList[].payload | text | yes | Payload
payload | text | | Payload; octets as `data:;base64,…`
""",
        ),
        Form(
            "MSGRESP",
            "7.3.4.3",
            "server → UE",
            ("message/msgresp-failure-cause", "message/msgresp-stored"),
            head("MSGRESP")
            + FROM.replace("| originator", "| who sent the message")
            + """
msgId | UUID | yes | Message ID of the message
DelSta | `failure` `stored for deferred delivery` | | what became of it
Cause | text | | Failure Cause
""",
            "Only for a message that is rejected, deferred or discarded.",
        ),
        Form(
            "IMDN",
            "7.3.4.2",
            "UE → server, server → UE, by a gateway or not",
            ("message/imdn-failure-cause", "message/imdn-success", "message/imdn-aggregate"),
            head("IMDN")
            + FROM.replace("| originator", "| who reports")
            + REPORT_TO
            + """
msgId | UUID | yes | Message ID of the message reported on
DelSta | `success` `failure` | unless `indMsgList` | Delivery Status
Cause | text | | Failure Cause
indMsgNum | whole number | with `indMsgList` | reports of an aggregate (no key printed)
indMsgList | list | with `indMsgNum` | these (no key printed)
indMsgList[].msgId | UUID | yes | Message ID of the message reported on
indMsgList[].DelSta | `success` `failure` | yes | Delivery Status
indMsgList[].Cause | text | | Failure Cause
""",
        ),
        Form(
            "SEGREC",
            "7.3.6.2",
            "who receives segments → who sent them",
            ("message/segrec-ranges",),
            head("SEGREC")
            + """
segId | text | yes | Segmentation set identifier
segNoList | text | yes | the segments that are missing: `(5-7, 10-10)`
""",
        ),
        Form(
            "SEGCONFIR",
            "7.3.6.1",
            "who receives segments → who sent them",
            ("message/segconfir-complete",),
            head("SEGCONFIR")
            + """
segId | text | yes | Segmentation set identifier
result | boolean | yes | whether the set is complete
""",
        ),
    ),
)
TOPICS = Family(
    "Topics",
    "A GET whose Uri-Path is the topic, with Observe; messages come as notifications (2.05) with "
    "the payload of MSG. These have neither `msgIden` nor `msgType`.",
    (
        Form(
            "Subscription, Observe 0",
            "7.3.5.1",
            "UE → server, by a gateway or not",
            ("topic/subscribe-expires",),
            UE.replace("whom it is about", "subscriber")
            + "expireTime | date-time | | Expiration time\n",
        ),
        Form(
            "Unsubscription, Observe 1",
            "7.3.5.2",
            "UE → server, by a gateway or not",
            ("topic/unsubscribe",),
            _SUBSCRIBER,
        ),
        Form(
            "Answer to a subscription",
            "6.6.3",
            "server → UE",
            ("topic/answer-subscribed", "topic/answer-refused"),
            """
subStat | text | | `subscribed`, `unsubscribed` or `not subscribed`
expireTime | date-time | | Expiration time
cause | any | | why not subscribed
""",
            "The standard prints no keys for it; those of TS 29.538 are used.",
        ),
    ),
)
DEVICES = Family(
    "Devices without an MSGin5G Client, CoAP form",
    "MSGin5G-5, Annex A.3. All by POST; the answers to registration are payloads of 2.01 or 2.04, "
    "those to messages of 2.05. Three Message Types are misspelt in the standard and sent that "
    "way; both spellings are taken.",
    (
        Form(
            "REG of a device",
            "A.3.2.7",
            "device → gateway",
            ("app_client/registration",),
            head("REG")
            + """
appId | text | yes | Application ID, 0 to 65535
credential | text | yes | Credential information
""",
        ),
        Form(
            "DEREG of a device",
            "A.3.2.8",
            "device → gateway",
            ("app_client/deregistration",),
            head("DEREG") + "registrationID | text | yes | 12 hex digits\n",
        ),
        Form(
            "Answer to either of them",
            "A.3.2.7, A.3.2.8",
            "gateway → device",
            ("app_client/registration-answer-good", "app_client/registration-answer-refused"),
            """
result | boolean | yes | whether it was done
registration ID | text | | 12 hex digits
failure reason | text | | why not
""",
        ),
        Form(
            "MESSAGE SENDING REQUEST",
            "A.3.2.1",
            "device → gateway",
            ("app_client/sending-request-all",),
            """
msgType | `MESSAGE SENDING REQEUST` | yes | Message Type
appId | text | | Application ID
msgId | UUID | yes | Message ID
isDelivStatReq | boolean | | true: a report is wanted
destAddr | object | yes | target
destAddr.destAddrType | `UE` `AS` `GROUP` | yes | Target Type
destAddr.addr | text | yes | a Service ID, an Application ID, or an address of `[[address]]`
payload | text | yes | Payload
""",
        ),
        Form(
            "MESSAGE SENDING RESPONSE",
            "A.3.2.5",
            "gateway → device",
            ("app_client/sending-response-success", "app_client/sending-response-failed-reason"),
            _APP_RESPONSE.format("MESSAGE SENDING RESPONSE"),
        ),
        Form(
            "MESSAGE RECEIVED REQUEST",
            "A.3.2.3",
            "gateway → device",
            ("app_client/received-request-all",),
            """
msgType | `MESSAGE RECEIVED REQEUST` | yes | Message Type
msgId | UUID | yes | Message ID
oriAddr | text | | originator
groupId | text | | group that it was for
isDelivStatReq | boolean | | true: a report is wanted
priority | `HIGH` `MEDIUM` `LOW` | | Priority
payload | text | yes | Payload
""",
        ),
        Form(
            "MESSAGE RECEIVED RESPONSE",
            "A.3.2.6",
            "device → gateway",
            ("app_client/received-response-success",)
            + ("app_client/received-response-failed-reason",),
            _APP_RESPONSE.format("MESSAGE RECEIVED RESPONSE"),
        ),
        Form(
            "DELIVERY REPORT SENDING REQUEST",
            "A.3.2.2",
            "device → gateway",
            ("app_client/report-sending",),
            _APP_REPORT.format("DELIVERY REPORT SENDING REQEUST"),
        ),
        Form(
            "DELIVERY REPORT RECEIVED REQUEST",
            "A.3.2.4",
            "gateway → device",
            ("app_client/report-received",),
            _APP_REPORT.format("DELIVERY REPORT RECEIVED REQUEST"),
        ),
    ),
)
