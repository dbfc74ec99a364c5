"""Start the UE after every reset; Ctrl-C leaves the REPL."""

from ue.startup import start

start()
