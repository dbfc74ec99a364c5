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

# key: default. The type of the default is the type that is wanted.
_DEFAULTS = (
    ("mode", CLIENT),
    ("ue_service_id", ""),
    ("ue_id", ""),
    ("application_id", 0),
    ("credential", ""),
    ("service_id", gaps.SERVICE_ID),
    ("link", "udp://127.0.0.1:65402"),
    ("server_host", ""),
    ("path", gaps.PATH),
    ("direct", False),
    ("coap", ""),
    ("urgent", False),
    ("wait_s", 5),
    ("gateway_time_s", 3600),
    ("refresh_s", 1800),
    ("stay_s", 0),
    ("away_s", 0),
    ("profile", {}),
    ("state_file", ""),
    ("ack_timeout_ms", 2000),
    ("max_retransmit", 4),
    ("answer_margin_s", 10),
    ("backoff_min_s", 2),
    ("backoff_max_s", 120),
    ("refused_retry_s", 300),
    ("messages", False),
    ("segment_bytes", 640),
    ("segment_wait_s", 10),
    ("reassembly_bytes", 4096),
    ("outbox_messages", 16),
    ("outbox_bytes", 4096),
    ("say_to", ""),
    ("say_kind", "UE"),
    ("say_text", "reading {n}"),
    ("say_every_s", 0),
    ("say_report", False),
    ("json", False),
    ("wifi_ssid", ""),
    ("wifi_password", ""),
    ("led", ""),
    ("watchdog_s", 0),
    ("sleep_s", 0),
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
