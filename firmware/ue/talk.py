"""Messages in the asyncio shell: who waits for which outcome, and who hears of what arrives."""

import asyncio

from msgin5g.octets import to_text
from ue.errors import MessageRefused

_SHOWN_BYTES = 80


class Talk:
    """The message side of a `ConstrainedUE`. core: its state machine; wake: its loop's Event."""

    def __init__(self, ue, core, wake):
        self._ue = ue
        self._core = core
        self._wake = wake
        # Message ID -> the Event that is waited for, then the cause of a refusal or None.
        self._awaited = {}

    async def send(self, to, payload, options, several, timeout_s):
        """Send and wait; returns Message IDs. Raises MessageRefused, asyncio.TimeoutError."""
        messages = self._core.messages()
        now = self._ue.clock.now()
        if several:
            ids = messages.send_several(to, payload, options, now)
        else:
            ids = [messages.send(to, payload, options, now)]
        self._wake.set()
        done = asyncio.Event()
        for one in ids:
            self._awaited[one] = done
        try:
            await asyncio.wait_for(self._outcomes(ids, done), timeout_s)
        finally:
            for one in ids:
                del self._awaited[one]
        return ids

    async def topic(self, name, leave, lasts_s, timeout_s):
        """Subscribe or unsubscribe, and wait. Raises MessageRefused, asyncio.TimeoutError."""
        topics = self._core.messages().topics()
        clock = self._ue.clock
        if leave:
            topics.unsubscribe(name, clock.now())
        else:
            end_ms = None if lasts_s is None else clock.unix_ms(lasts_s * 1000)
            topics.subscribe(name, clock.now(), lasts_s, end_ms)
        self._wake.set()
        key = (name,)
        self._awaited[key] = done = asyncio.Event()
        try:
            while self._awaited[key] is done:
                await asyncio.wait_for(done.wait(), timeout_s)
            what, cause = self._awaited[key]
            if what == "refused":
                raise MessageRefused(cause)
        finally:
            del self._awaited[key]

    def take(self, event):
        """Take an event of the core's `Postman`."""
        name, ue = event[0], self._ue
        if name == "received":
            message = event[1]
            info = {"message_id": message.message_id, "group": message.group}
            info["origin"] = message.origin[1] if message.origin else None
            info["bytes"] = len(message.payload)
            info["payload"] = to_text(message.payload[:_SHOWN_BYTES])
            ue.tell(name, info)
            if ue.on_message is not None:
                ue.on_message(message)
        elif name == "report":
            ue.tell(name, {"message_id": event[1], "success": event[2], "cause": event[3]})
            if ue.on_report is not None:
                ue.on_report(event[1], event[2], event[3])
        elif name == "response":
            ue.tell(name, {"message_id": event[1], "status": event[2], "cause": event[3]})
            if ue.on_response is not None:
                ue.on_response(event[1], event[2], event[3])
        elif name == "topic":
            ue.tell(name, {"topic": event[1], "what": event[2], "cause": event[3]})
            done = self._awaited.get((event[1],))
            if done:
                self._awaited[(event[1],)] = event[2:]
                done.set()
        elif name == "outcome":
            ue.tell("refused" if event[2] else "sent", {"message_id": event[1], "cause": event[2]})
            done = self._awaited.get(event[1])
            if done:
                self._awaited[event[1]] = event[2]
                done.set()
        else:
            ue.tell(name, event[1])

    async def _outcomes(self, ids, done):
        for one in ids:
            while self._awaited[one] is done:
                await done.wait()
                done.clear()
            if self._awaited[one]:
                raise MessageRefused(self._awaited[one])
