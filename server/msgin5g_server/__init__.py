"""The MSGin5G Server: registration, accounts, registry and the list of who is connected."""
