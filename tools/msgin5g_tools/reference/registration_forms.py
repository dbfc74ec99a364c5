"""The keys of the registration family."""

from msgin5g_tools.reference.forms import UE, Family, Form, head

RESULT = "result | boolean | {} | whether it was done; without it the answer is interim\n"
CAUSE = "cause | text | | why not, if `result` is false\n"
REGISTRATION = Family(
    "Registration",
    "MSGin5G-1 (to the server) and MSGin5G-6 (to the gateway). A request is a Confirmable POST, "
    "an answer the payload of its 2.01 or 2.04.",
    (
        Form(
            "REG",
            "7.3.3.1",
            "UE → server or gateway",
            ("registration/reg-full", "registration/reg-profile-port")
            + ("registration/reg-profile-availability",),
            head("REG")
            + "urgentTag | boolean | | true: not in bulk (to a gateway)\n"
            + UE
            + """
cliProfile | object | | MSGin5G Client Profile
cliProfile.triInfo | object | | Client Triggering Information
cliProfile.triInfo.ueId | text | yes | MSGin5G UE ID
cliProfile.triInfo.cliPort | text | yes | Client Port, or the next
cliProfile.triInfo.cliPorts | list | yes | Client Ports
cliProfile.triInfo.cliPorts[].portNum | whole number | yes | port
cliProfile.triInfo.cliPorts[].Protocol | `SMS` `NIDD` `OTHER` | yes | protocol of the port
cliProfile.comAvail | object | | Client Communication Availability
cliProfile.comAvail.schTime | date-time | | when it can be reached
cliProfile.comAvail.durTime | date-time or duration | | until when, or how long
cliProfile.comAvail.periIndi | boolean | | true: again and again
cliProfile.comAvail.periInterval | date-time or duration | | how often
cliProfile.comAvail.dataSize | text | | Data size indication
cliProfile.comAvail.storeForward | any | | there: wants no stored messages
reqExpTime | whole number | | longest wait for the final answer, s (to a gateway)
""",
        ),
        Form(
            "Answer to REG",
            "7.3.3.1",
            "server → UE or gateway",
            ("registration/reg-answer-good", "registration/reg-answer-refused"),
            UE
            + RESULT.format("")
            + "regExpTime | whole number | | the registration lasts so long, s\n"
            + CAUSE,
        ),
        Form(
            "Interim answer to REG and DEREG",
            "7.3.3.1",
            "gateway → UE",
            ("registration/interim-expected",),
            UE + "expectedTime | whole number | | the result comes within so long, s\n",
            "It has no `result`: the UE is not registered yet. REGRESP or DEREGRESP follows.",
        ),
        Form(
            "DEREG",
            "7.3.3.2",
            "UE → server or gateway",
            ("registration/dereg-urgent", "registration/dereg-not-urgent"),
            head("DEREG")
            + "urgentTag | boolean | | as in REG (no key printed)\n"
            + UE
            + "reqExpTime | whole number | | as in REG (no key printed)\n",
        ),
        Form(
            "Answer to DEREG",
            "7.3.3.2",
            "server → UE or gateway",
            ("registration/dereg-answer-good", "registration/dereg-answer-refused"),
            UE + RESULT.format("") + CAUSE,
        ),
        Form(
            "GWREG",
            "7.3.3.3",
            "UE → gateway",
            ("registration/gwreg-full",),
            head("GWREG")
            + UE
            + """
oriUEAddr | object | | the device
oriUEAddr.oriAddrType | `UE` | yes | kind of address
oriUEAddr.addr | text | yes | MSGin5G UE ID
expiredTime | whole number | | sign-up for so long, s
""",
            "Sign-up to the gateway service; in Release 17 there was none.",
        ),
        Form(
            "Answer to GWREG",
            "7.3.3.3",
            "gateway → UE",
            ("registration/gwreg-answer-good", "registration/gwreg-answer-refused"),
            UE
            + RESULT.format("")
            + "acceptedTime | whole number | | the sign-up lasts so long, s\n"
            + "failure reason | text | | why not, if `result` is false\n",
        ),
        Form(
            "BREG",
            "6.3.4.3.2",
            "gateway → server",
            ("registration/breg-two",),
            head("BREG")
            + UE.replace("oriAddr | object | yes", "oriAddr | object |").replace(
                "whom it is about", "the gateway"
            )
            + """
regReqNum | whole number | yes | entries of the list
regReqList | list of REG | yes | the requests, as they came
""",
            "The standard prints no keys for number and list, here or in the next ones.",
        ),
        Form(
            "Answer to BREG",
            "6.3.4.4.1",
            "server → gateway",
            ("registration/breg-answer-two",),
            "regRespNum | whole number | yes | entries of the list\n"
            "regRespList | list of answers to REG | yes | one for each request\n",
        ),
        Form(
            "Bulk DEREG",
            "6.3.4.3.5",
            "gateway → server",
            ("registration/bulk-dereg-two",),
            head("DEREG")
            + UE.replace("whom it is about", "the gateway")
            + """
deregReqNum | whole number | yes | entries of the list
deregReqList | list of DEREG | yes | the requests, as they came
""",
            "The list makes it a bulk request; Message Type `BDEREG` is taken as well.",
        ),
        Form(
            "Answer to bulk DEREG",
            "6.3.4.4.2",
            "server → gateway",
            ("registration/bulk-dereg-answer-two",),
            "deregRespNum | whole number | yes | entries of the list\n"
            "deregRespList | list of answers to DEREG | yes | one for each request\n",
        ),
        Form(
            "REGRESP",
            "7.3.3.4",
            "gateway → UE",
            ("registration/regresp-good", "registration/regresp-refused"),
            head("REGRESP").replace("URI | yes", "URI |")
            + UE
            + "result | boolean | yes | whether it was done\n"
            + CAUSE,
            "A POST of the gateway's own, with the Token of the UE's request.",
        ),
        Form(
            "DEREGRESP",
            "7.3.3.5",
            "gateway → UE",
            ("registration/deregresp-good", "registration/deregresp-refused"),
            head("DEREGRESP").replace("URI | yes", "URI |")
            + UE
            + "result | boolean | yes | whether it was done\n"
            + CAUSE,
        ),
    ),
)
