"""The three requests of a constrained UE and the options they travel with."""

from binascii import hexlify

from msgin5g import names as n
from msgin5g import registration as messages
from msgin5g.errors import CallerError
from msgin5g.paths import json_options
from ue.modes import room_bytes


class Requests:
    """Build GWREG, REG and DEREG from a configuration (see `ue.config`).

    to_gateway, to_server: the options of what is for either, as `prepare` returns them, such as
    that of an endpoint, which encodes them.
    """

    def __init__(self, config, prepare=list):
        self._config = config
        self._ue = config["ue_service_id"]
        self._service = config["service_id"]
        self.to_gateway = prepare(json_options(config["path"]))
        self.to_server = prepare(json_options(config["path"], config["server_host"]))

    def build(self, what):
        """Return (payload, options) of "GWREG", "REG" or "DEREG".

        REG and DEREG name the Server although they go to the gateway (6.3.4.2.1 b). Raises
        CallerError if the configuration cannot be sent.
        """
        config = self._config
        if what == n.GWREG:
            return messages.gwreg(
                self._ue, self._service, config["ue_id"] or None, config["gateway_time_s"] or None
            ), self.to_gateway
        urgent, wait_s = self._urgency()
        if what == n.REG:
            profile = config["profile"] or None
            payload = messages.reg(self._ue, self._service, urgent, wait_s, profile)
        else:
            payload = messages.dereg(self._ue, self._service, urgent, wait_s)
        return payload, self.to_server

    def _urgency(self):
        """Return (urgentTag, reqExpTime): both belong to the way through a gateway only."""
        config = self._config
        if config["direct"]:
            return None, None
        return config["urgent"], None if config["urgent"] else config["wait_s"] or None


def check_size(config, max_bytes):
    """Return why a configuration cannot be sent in frames of `max_bytes`, or None."""
    try:
        requests = Requests(config)
        size = max([len(requests.build(what)[0]) for what in (n.GWREG, n.REG, n.DEREG)])
    except CallerError as problem:
        return str(problem)
    size += room_bytes(config)
    if size > max_bytes:
        return "profile: the registration does not fit %d bytes" % max_bytes
    return None


def trace(request):
    """Return the name in logs of what has this Token."""
    return "r-" + hexlify(request.token).decode()
