"""`bluetooth` for MicroPython's Unix port: a BLE peripheral on the virtual radio.

The documented subset of a peripheral without pairing: BLE.active, config, irq, gap_advertise,
gap_disconnect, gatts_register_services, gatts_read, gatts_write, gatts_notify, gatts_indicate,
gatts_set_buffer; UUID; FLAG_*. Handlers are called as on a board, by `micropython.schedule`.

MSGIN5G_AIR is the path of the radio's socket. Frames both ways: four octets of length, then JSON;
octets are hex digits.
"""

import _thread
import errno
import json
import os
import socket
import struct
import sys
import time
from binascii import hexlify, unhexlify

import micropython

FLAG_BROADCAST = 0x0001
FLAG_READ = 0x0002
FLAG_WRITE_NO_RESPONSE = 0x0004
FLAG_WRITE = 0x0008
FLAG_NOTIFY = 0x0010
FLAG_INDICATE = 0x0020

_IRQ_CENTRAL_CONNECT = 1
_IRQ_CENTRAL_DISCONNECT = 2
_IRQ_GATTS_WRITE = 3
_IRQ_SENT = -1

# As on the boards: a longer write is cut unless gatts_set_buffer made room.
_VALUE_BYTES = 20
# Notifications that the stack takes before it has no memory, as a NimBLE pool does.
_POOL = 12
_CALL_MS = 10000
_AF_UNIX = b"\x01\x00"


class UUID:
    """A 16-bit (int) or 128-bit (text) UUID."""

    def __init__(self, value):
        if isinstance(value, int):
            self._octets = struct.pack("<H", value)
        elif isinstance(value, str):
            octets = unhexlify(value.replace("-", ""))
            if len(octets) not in (2, 4, 16):
                raise ValueError("invalid UUID")
            self._octets = bytes(reversed(octets))
        else:
            self._octets = bytes(value)

    def __iter__(self):
        # bytes(uuid): the Unix port does not look for __bytes__.
        return iter(self._octets)

    def __len__(self):
        return len(self._octets)

    def __eq__(self, other):
        return isinstance(other, UUID) and bytes(self) == bytes(other)

    def __hash__(self):
        return hash(self._octets)

    def hex(self):
        return hexlify(bytes(reversed(self._octets))).decode()

    def __repr__(self):
        return "UUID('%s')" % self.hex()


class BLE:
    """The one adapter of this process."""

    _only = None

    def __new__(cls):
        if BLE._only is None:
            BLE._only = object.__new__(cls)
            BLE._only._begin()
        return BLE._only

    def __init__(self):
        pass

    def _begin(self):
        self._socket = None
        self._handler = None
        self._is_active = False
        self._config = {"gap_name": b"MPY UNIX", "mtu": 256, "rxbuf": 256}
        self._calls = 0
        self._answers = {}
        self._events = []
        self._is_scheduled = False
        self._is_lost = True
        self._values = {}
        self._buffers = {}
        self._sending = 0
        self._lock = _thread.allocate_lock()

    def active(self, on=None):
        """Tell whether the adapter is on, or switch it."""
        if on is None:
            return self._is_active and not self._is_lost
        if on and (not self._is_active or self._is_lost):
            self._connect()
            self._sending = 0
            answer = self._call(
                "active", mtu=self._config["mtu"], name=_hex(self._config["gap_name"])
            )
            self._config["mac"] = (answer[0], unhexlify(answer[1]))
            self._is_active = True
        elif not on and self._is_active:
            self._is_active = False
            self._values = {}
            self._buffers = {}
            if not self._is_lost:
                self._send("goodbye")
            self._disconnect()
        return self._is_active

    def config(self, *names, **values):
        """Read one setting by name, or set some."""
        if names:
            return self._config[names[0]]
        for name, value in values.items():
            if name not in self._config:
                raise ValueError("unknown config param")
            if name == "gap_name" and isinstance(value, str):
                value = value.encode()
            self._config[name] = value
        if self._is_active and "mtu" in values:
            self._call("mtu", mtu=values["mtu"])

    def irq(self, handler):
        """Set the function that hears of events, handler(event, data)."""
        self._handler = handler

    def gap_advertise(self, interval_us, adv_data=None, *, resp_data=None, connectable=True):
        """Advertise every so many microseconds, or stop with None."""
        self._need_active()
        if interval_us is None:
            self._call("quiet")
            return
        # None means: as before.
        data = None if adv_data is None else _hex(adv_data)
        self._call("advertise", us=interval_us, data=data, connectable=bool(connectable))

    def gap_disconnect(self, conn_handle):
        """End a connection; tells whether there was one."""
        self._need_active()
        return self._call("disconnect", conn=conn_handle)

    def gatts_register_services(self, services):
        """Register services [(uuid, ((uuid, flags), ...)), ...]; returns tuples of handles."""
        self._need_active()
        handles = []
        wanted = []
        number = 0
        for uuid, characteristics in services:
            own = []
            described = []
            for characteristic in characteristics:
                number += 1
                own.append(number)
                self._values[number] = b""
                described.append([characteristic[0].hex(), characteristic[1], number])
            handles.append(tuple(own))
            wanted.append([uuid.hex(), described])
        self._call("services", services=wanted)
        return tuple(handles)

    def gatts_read(self, value_handle):
        """Return a local value."""
        return self._values[value_handle]

    def gatts_write(self, value_handle, data, send_update=False):
        """Set a local value, and notify those who subscribed."""
        self._values[value_handle] = bytes(data)
        self._send("value", handle=value_handle, data=_hex(data), update=bool(send_update))

    def gatts_set_buffer(self, value_handle, size, append=False):
        """Make room for values of `size` octets; append: keep what was not read yet."""
        self._buffers[value_handle] = (size, append)

    def gatts_notify(self, conn_handle, value_handle, data=None):
        """Notify a central. Raises OSError ENOMEM while the pool is out."""
        if self._sending >= _POOL:
            raise OSError(errno.ENOMEM)
        if data is None:
            data = self._values[value_handle]
        self._sending += 1
        self._send("notify", conn=conn_handle, handle=value_handle, data=_hex(data))

    def gatts_indicate(self, conn_handle, value_handle, data=None):
        """Indicate to a central; _IRQ_GATTS_INDICATE_DONE follows."""
        if data is None:
            data = self._values[value_handle]
        self._send("indicate", conn=conn_handle, handle=value_handle, data=_hex(data))

    def _need_active(self):
        if not self._is_active or self._is_lost:
            raise OSError(errno.ENODEV)

    def _connect(self):
        path = os.getenv("MSGIN5G_AIR")
        if not path:
            raise OSError(errno.ENODEV, "MSGIN5G_AIR names no virtual radio")
        one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        one.connect(_AF_UNIX + path.encode() + b"\x00")
        self._socket = one
        self._is_lost = False
        _thread.start_new_thread(self._read, (one,))

    def _disconnect(self):
        self._is_lost = True
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _call(self, op, **fields):
        """Ask the radio and wait for its answer."""
        self._calls += 1
        number = fields["id"] = self._calls
        self._send(op, **fields)
        began = time.ticks_ms()
        while number not in self._answers:
            if self._is_lost:
                raise OSError(errno.ENODEV)
            if time.ticks_diff(time.ticks_ms(), began) > _CALL_MS:
                raise OSError(errno.ETIMEDOUT)
            time.sleep_us(200)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise OSError(errno.EIO, answer["error"])
        return answer.get("result")

    def _send(self, op, **fields):
        if self._is_lost:
            raise OSError(errno.ENODEV)
        fields["op"] = op
        data = json.dumps(fields).encode()
        self._socket.write(struct.pack(">I", len(data)) + data)

    # On a thread of its own

    def _read(self, one):
        try:
            while True:
                size = struct.unpack(">I", _exactly(one, 4))[0]
                message = json.loads(_exactly(one, size))
                if "id" in message:
                    self._answers[message["id"]] = message
                else:
                    self._queue(message)
        except (OSError, ValueError):
            if one is self._socket:
                self._is_lost = True
                # The adapter is gone, and every connection with it.
                self._queue({"event": None})

    def _queue(self, message):
        with self._lock:
            self._events.append(message)
            if self._is_scheduled:
                return
            self._is_scheduled = True
        while True:
            try:
                micropython.schedule(self._drain, 0)
                return
            except RuntimeError:
                time.sleep_us(200)  # the queue of the scheduler is full

    # Between two bytecodes of the program, like a soft interrupt

    def _drain(self, _):
        with self._lock:
            events = self._events
            self._events = []
            self._is_scheduled = False
        for message in events:
            try:
                self._on_event(message["event"], message.get("data"))
            except Exception as problem:
                sys.print_exception(problem)

    def _on_event(self, event, data):
        if event == _IRQ_SENT:
            self._sending = max(0, self._sending - 1)
            return
        if event is None:
            event, data = _IRQ_CENTRAL_DISCONNECT, (65535, 255, b"\x00" * 6)
        elif event == _IRQ_GATTS_WRITE:
            conn, handle, value = data
            size, append = self._buffers.get(handle, (_VALUE_BYTES, False))
            before = self._values.get(handle, b"") if append else b""
            self._values[handle] = (before + unhexlify(value))[:size]
            data = (conn, handle)
        elif event in (_IRQ_CENTRAL_CONNECT, _IRQ_CENTRAL_DISCONNECT):
            data = (data[0], data[1], unhexlify(data[2]))
        if self._handler is not None:
            self._handler(event, tuple(data))


def _hex(data):
    return hexlify(data.encode() if isinstance(data, str) else bytes(data)).decode()


def _exactly(one, size):
    data = b""
    while len(data) < size:
        more = one.read(size - len(data))
        if not more:
            raise OSError(errno.ECONNRESET)
        data += more
    return data
