"""A second response to one request: the interim answer of a gateway came, the real one is to come.

RFC 7252 knows one response a request, after which the Token is forgotten (6.2.3.3.3 b1 needs it).
"""


def keep_open(endpoint, exchange, wait_ms, now):
    """Wait for a further response to a request that was answered just now.

    It is one more RESPONSE event of the exchange, whether it comes as Confirmable, Non-confirmable
    or on an acknowledgement; after `wait_ms` it is a FAILED event, "timeout".
    """
    state = endpoint.state_of(exchange.peer)
    if endpoint._spare_exchange is exchange:
        endpoint._spare_exchange = None
    exchange.acked = True
    exchange.deadline = now + wait_ms
    state.active.append(exchange)
    endpoint._note_busy(exchange.peer, state)
    endpoint._wake_at(exchange.deadline)
