"""Responses that are sent by themselves: Confirmable, with the Token of a request of long ago.

Notifications (RFC 7641) are such, and the answer that comes after an interim one.
"""

from msgin5g.coap import CON, CONTENT


def notify(endpoint, peer, token, payload, options, now, context, code=CONTENT, mid=None):
    """Send a response as an `Endpoint` sends a request, NSTART included; returns its Exchange.

    Its outcome is one event, (ACKED, exchange) or (FAILED, exchange, reason); "reset" means that
    the peer waits for it no longer. context: not None; mid: as for a request. Raises CallerError
    for what cannot be encoded.
    """
    state = endpoint.state_of(peer)
    exchange = endpoint._new_exchange(peer, context, True)
    exchange.token = token
    exchange.code = code
    exchange.mid = endpoint._own_mid(state, mid, now)
    endpoint._encode_exchange(exchange, CON, options, payload)
    exchange.is_confirmable = True
    return endpoint._submit(exchange, state, now)
