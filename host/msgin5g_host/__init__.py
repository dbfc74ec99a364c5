"""What gateway, server and tools share on CPython: clock, log, configuration, daemon, sockets."""
