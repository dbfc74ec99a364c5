"""The only module that prints: one line per event, for people or as JSON."""

import json
import time


class Log:
    """Print the events of one UE. t: ISO 8601 where the clock is set, else ms since the start."""

    def __init__(self, ue_service_id, as_json, clock):
        self._ue = ue_service_id
        self._json = as_json
        self._clock = clock

    def event(self, name, info=None):
        """Print one event; fields that are None are left out."""
        fields = {}
        for key in info or ():
            if info[key] is not None:
                fields[key] = info[key]
        if self._json:
            line = {"t": self._time(), "role": "ue", "event": name, "ue": self._ue}
            line.update(fields)
            print(json.dumps(line))
            return
        words = " ".join(["%s=%s" % (key, fields[key]) for key in sorted(fields)])
        print("%10.3f ue %s %s %s" % (self._clock.now() / 1000, self._ue, name, words))

    def _time(self):
        moment = time.gmtime()
        if moment[0] < 2024:
            return "%d" % self._clock.now()
        # The clock's own fraction: good enough to put lines in order.
        fraction = time.time_ns() // 1000000 % 1000 if hasattr(time, "time_ns") else 0
        return "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" % (moment[:6] + (fraction,))
