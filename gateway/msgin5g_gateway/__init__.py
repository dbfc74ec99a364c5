"""The MSGin5G Gateway UE: southbound links towards constrained UEs, northbound CoAP."""
