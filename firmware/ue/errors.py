"""What the methods of a `ConstrainedUE` raise, and a configuration that cannot be used."""


class ConfigError(Exception):
    """The configuration cannot be used; the text says which key, why and what to do."""


class RegistrationRefused(Exception):
    """The server or the gateway said no; the text is the cause."""


class MessageRefused(Exception):
    """The next hop did not take a message; the text is the cause."""
