"""Notifications that are sent (RFC 7641): Confirmable 2.05 responses with the observer's Token."""

from msgin5g.coap import CON, CONTENT


def notify(endpoint, peer, token, payload, options, now, context):
    """Send a notification as an `Endpoint` sends a request, NSTART included; returns its Exchange.

    Its outcome is one event, (ACKED, exchange) or (FAILED, exchange, reason); "reset" means that
    the peer observes no longer. context: not None. Raises CallerError for what cannot be encoded.
    """
    state = endpoint._peers.get(peer)
    exchange = endpoint._exchange(peer, context, True)
    exchange.token = token
    exchange.code = CONTENT
    exchange.mid = endpoint._own_mid(state, None, now)
    endpoint._encode(exchange, CON, options, payload)
    exchange.confirmable = True
    return endpoint._submit(exchange, state, now)
