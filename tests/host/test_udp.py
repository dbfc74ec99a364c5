"""The UDP socket of daemons: what it says about its own addresses."""

import socket

import pytest

from msgin5g_host.udp import address_towards, open_socket


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        (("127.0.0.1", 9), "127.0.0.1"),
        (("127.8.8.8", 9), "127.0.0.1"),
        # A socket of version 6 shows peers of version 4 like this.
        (("::ffff:127.0.0.1", 9, 0, 0), "127.0.0.1"),
    ],
)
def test_the_address_by_which_a_peer_is_reached(peer, host):
    assert address_towards(peer) == host


def test_without_a_way_there_is_no_address():
    with pytest.raises(OSError):
        # Broadcasting needs leave, which this socket does not have.
        address_towards(("255.255.255.255", 9))


def test_a_socket_for_all_addresses_is_bound_to_none():
    sock = open_socket("0.0.0.0", 0)
    assert sock.getsockname()[0] == "0.0.0.0" and not sock.getblocking()
    assert sock.family == socket.AF_INET
    sock.close()
