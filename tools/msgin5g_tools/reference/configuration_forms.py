"""The keys of configuration."""

from msgin5g_tools.reference.forms import Family, Form

_GIVEN = """
{0}ueServiceId | URI | {1} | UE Service ID
{0}serverAddr | URI | {1} | the server
{0}segSize | whole number | | the largest segment that it takes, bytes
"""

CONFIGURATION = Family(
    "Configuration of UEs",
    "A GET for `/su-uc/v1/val-services/SERVICE/ue-configurations?ue-uri=UE_ID` (TS 24.546), with "
    "`ue-vendor`, `ue-type` (8 digits) and `ue-snr` (1 to 6 digits) if wanted; the answer is a "
    "2.05. Without a payload it asks as well; with Accept 60 the answer is TS 24.546's document "
    "in CBOR. The standard prints no keys for answers, nor for bulk configuration.",
    (
        Form(
            "Configuration request",
            "7.3.2.1",
            "UE → server or gateway",
            ("configuration/request-payload",),
            """
ueId | text | yes | MSGin5G UE ID
addInfos | list | | other information
addInfos[].name | text | yes | such as vendor or type
addInfos[].value | text | yes | its value
""",
        ),
        Form(
            "Configuration",
            "6.2.3.4.1",
            "server or gateway → UE",
            ("configuration/answer",),
            _GIVEN.format("", "yes"),
        ),
        Form(
            "Interim answer to a configuration request",
            "6.2.3.3.1",
            "gateway → UE",
            ("configuration/interim",),
            "maxConfTime | whole number | | the configuration comes within so long, s\n",
            "The configuration follows in a second 2.05 with the same Token.",
        ),
        Form(
            "Bulk configuration request",
            "6.2.3.3.2",
            "gateway → server",
            ("configuration/bulk",),
            """
bulkConfFlag | boolean | | true: for several UEs
ueIdList | list | yes | their MSGin5G UE IDs
""",
        ),
        Form(
            "Bulk configuration",
            "6.2.3.4.1",
            "server → gateway",
            ("configuration/bulk-answer-own",),
            _GIVEN.format("", "with the next")
            + "confInfoList | list | | those that are known\n"
            + "confInfoList[].ueId | text | | MSGin5G UE ID\n"
            + _GIVEN.format("confInfoList[].", "yes"),
            "What stands outside of the list is the gateway's own, if it asked for that.",
        ),
    ),
)
