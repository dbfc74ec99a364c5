"""The states of a constrained UE, and what it counts."""

IDLE = "idle"
SIGNING_UP = "signing-up"
SIGNED_UP = "signed-up"
REGISTERING = "registering"
WAITING = "waiting"
REGISTERED = "registered"
DEREGISTERING = "deregistering"
LEAVING = "leaving"
DEREGISTERED = "deregistered"
REFUSED = "refused"
BACKOFF = "backoff"

COUNTERS = (
    "attempts",  # REG sent while not registered
    "registrations",
    "refreshes",
    "sign_ups",
    "outages",
    "refusals",
    "unanswered",  # waits for a REGRESP or DEREGRESP that ended without
    "stray",  # REGRESP, DEREGRESP, SEGREC and L3 frames that answered nothing
    "messages_sent",
    "messages_refused",
    "messages_dropped",  # for newer ones, when the outbox was full
    "messages_received",
    "messages_repeated",  # came before, not handed on again
    "messages_malformed",
    "segment_recoveries",  # SEGREC sent
    "sets_given_up",  # segmented messages that never became whole, or had no room
    "no_memory",  # messages answered 5.03 for want of memory
)
