"""The UE's configuration: a JSON file with the key names that gateway and server use."""

import json

from msgin5g import gaps
from msgin5g.limits import MAX_PAYLOAD_BYTES
from ue.errors import ConfigError
from ue.links import open_link
from ue.modes import CLIENT, check

_MIN_ACK_TIMEOUT_MS = 10
_MAX_RETRANSMIT = 10
_MIN_BUDGET_BYTES = 512

# key: default. The type of the default is the type that is wanted. The comment above a key is what
# docs/reference/config.md says of it.
_DEFAULTS = (
    # `client` (MSGin5G-6), `l3` or `coap` (a device without an MSGin5G Client, MSGin5G-5)
    ("mode", CLIENT),
    # the UE's identity, a URI; a client without it asks for it by its `ue_id`
    ("ue_service_id", ""),
    # its MSGin5G UE ID, shown at sign-up if set
    ("ue_id", ""),
    # `vendor` and `type` (8 digits), told when it asks for its configuration
    ("ue_info", {}),
    # a device's Application ID, 0 to 65535
    ("application_id", 0),
    # what the gateway knows a device by
    ("credential", ""),
    # MSGin5G service identifier; UEs, gateways and server must agree on it
    ("service_id", gaps.SERVICE_ID),
    # the gateway: `udp://HOST:PORT`, `serial:///dev/NAME`, `serial://uart0?tx=0&rx=1`, `ble://`
    ("link", "udp://127.0.0.1:65402"),
    # Uri-Host of REG and DEREG; empty for none
    ("server_host", ""),
    # Uri-Path of all requests
    ("path", gaps.PATH),
    # the link leads to the server itself: no sign-up, no bulk handling
    ("direct", False),
    # `microcoapy`: the CoAP stack is an installed microCoAPy, for registration only
    ("coap", ""),
    # register at once instead of in bulk
    ("urgent", False),
    # longest processing time to ask for (`reqExpTime`), 0 for none
    ("wait_s", 5),
    # how long to sign up for (`expiredTime`), 0 for as long as possible
    ("gateway_time_s", 3600),
    # register again after so long, 0 for never
    ("refresh_s", 1800),
    # de-register after so long, 0: stay
    ("stay_s", 0),
    # come back so long after that, 0: stay away
    ("away_s", 0),
    # MSGin5G Client Profile, in the keys of clause 7.3.3.1
    ("profile", {}),
    # counters and wish across a reboot; empty keeps nothing
    ("state_file", ""),
    # CoAP: wait so long for an acknowledgement, then twice as long, and so on; at least 10
    ("ack_timeout_ms", 2000),
    # CoAP: repeat an unacknowledged request so often; at most 10
    ("max_retransmit", 4),
    # how much longer than announced to wait for the result
    ("answer_margin_s", 10),
    # pause after an outage, doubled each time, with jitter
    ("backoff_min_s", 2),
    # longest of these pauses
    ("backoff_max_s", 120),
    # pause after a refusal
    ("refused_retry_s", 300),
    # load what messages need at the start, not with the first one; so does `say_to`
    ("messages", False),
    # largest payload sent in one piece, 64 to 2048
    ("segment_bytes", 640),
    # how long after a segment the missing ones are asked for; five times, ever more rarely
    ("segment_wait_s", 10),
    # payload that may wait for its missing segments, of all messages together
    ("reassembly_bytes", 4096),
    # messages that may wait to be sent; the oldest gives way
    ("outbox_messages", 16),
    # and the bytes of all of them
    ("outbox_bytes", 4096),
    # send a message there once registered; empty for none
    ("say_to", ""),
    # what `say_to` is: `UE`, `AS`, `GROUP`, with a client also `BC`, `TOPIC`
    ("say_kind", "UE"),
    # its payload, `{n}` counts
    ("say_text", "reading {n}"),
    # again after so long, 0 for once
    ("say_every_s", 0),
    # ask for delivery reports
    ("say_report", False),
    # log JSON lines
    ("json", False),
    # the Wi-Fi that a board joins; no name: none
    ("wifi_ssid", ""),
    # its password
    ("wifi_password", ""),
    # status LED of a board: `LED`, a pin as `2`, lit when low `!8`, a WS2812 `rgb:48`
    ("led", ""),
    # restart a board whose loop has not turned for so long; RP2040 at most 8, 0: never
    ("watchdog_s", 0),
    # deep sleep for so long when there is nothing more to say, then start anew; 0: stay awake
    ("sleep_s", 0),
    # with `sleep_s`: stay awake so long after the last message
    ("awake_s", 5),
)


def defaults():
    """Return the configuration that holds when a file says nothing."""
    return {key: value.copy() if isinstance(value, dict) else value for key, value in _DEFAULTS}


def load(path):
    """Return the configuration in a JSON file. Raises ConfigError."""
    try:
        with open(path) as file:
            given = json.load(file)
    except OSError as problem:
        raise ConfigError("%s: cannot be read (%s)" % (path, problem))
    except ValueError:
        raise ConfigError("%s: is not valid JSON" % path)
    return merge(given, path)


def merge(given, where="config"):
    """Return the defaults with `given` over them. Raises ConfigError."""
    if not isinstance(given, dict):
        raise ConfigError("%s: an object {...} is wanted" % where)
    config = defaults()
    for key in given:
        if key not in config:
            raise ConfigError(
                "%s: unknown key '%s'; did you mean '%s'?" % (where, key, nearest(key, config))
            )
        value, wanted = given[key], config[key]
        if type(value) is not type(wanted):
            raise ConfigError("%s: %s: %s is wanted, not %r" % (where, key, _kind(wanted), value))
        if isinstance(value, int) and value < 0:
            raise ConfigError("%s: %s: a number from 0 is wanted, not %d" % (where, key, value))
        config[key] = value
    problem = _problem(config)
    if problem:
        raise ConfigError("%s: %s" % (where, problem))
    return config


def _problem(config):
    """Return what is wrong with the values, or None: nothing may fail later, in the field."""
    if not config["backoff_min_s"] or config["backoff_max_s"] < config["backoff_min_s"]:
        return "backoff_min_s is at least 1 and at most backoff_max_s"
    if config["ack_timeout_ms"] < _MIN_ACK_TIMEOUT_MS:
        return "ack_timeout_ms: at least %d is wanted" % _MIN_ACK_TIMEOUT_MS
    if config["max_retransmit"] > _MAX_RETRANSMIT:
        return "max_retransmit: at most %d is wanted" % _MAX_RETRANSMIT
    if not config["refused_retry_s"]:
        return "refused_retry_s: at least 1 is wanted"
    for key in ("server_host", "path"):
        if len(config[key].encode()) > 255:
            return "%s: at most 255 bytes are wanted" % key
    if not 64 <= config["segment_bytes"] <= MAX_PAYLOAD_BYTES:
        return "segment_bytes: 64 to %d are wanted" % MAX_PAYLOAD_BYTES
    for key in ("segment_wait_s", "outbox_messages"):
        if not config[key]:
            return "%s: at least 1 is wanted" % key
    for key in ("reassembly_bytes", "outbox_bytes"):
        if config[key] < _MIN_BUDGET_BYTES:
            return "%s: at least %d are wanted" % (key, _MIN_BUDGET_BYTES)
    if config["wifi_ssid"] or config["led"] or config["watchdog_s"] or config["sleep_s"]:
        from ue.board_keys import check_board

        problem = check_board(config)
        if problem:
            return problem
    try:
        link = open_link(config["link"])
    except ValueError as problem:
        return "link: %s" % problem
    except ImportError as problem:
        return "link: %s is not on this machine: %s" % (config["link"], problem)
    return check(config, link.max_frame_bytes)


def nearest(word, known):
    """Return the known word with the smallest edit distance."""
    best, least = "", 1000
    for candidate in known:
        row = list(range(len(candidate) + 1))
        for i, letter in enumerate(word):
            before, row[0] = row[0], i + 1
            for j, other in enumerate(candidate):
                change = before + (letter != other)
                before = row[j + 1]
                row[j + 1] = min(change, row[j] + 1, before + 1)
        if row[-1] < least or (row[-1] == least and candidate < best):
            best, least = candidate, row[-1]
    return best


def _kind(value):
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int):
        return "a whole number"
    return "an object" if isinstance(value, dict) else "a string"
