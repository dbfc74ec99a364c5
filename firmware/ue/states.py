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
    "stray",  # REGRESP and DEREGRESP that answered nothing
)
