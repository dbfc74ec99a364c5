"""What the methods of a `ConstrainedUE` raise."""


class RegistrationRefused(Exception):
    """The server or the gateway said no; the text is the cause."""


class MessageRefused(Exception):
    """The next hop did not take a message; the text is the cause."""
