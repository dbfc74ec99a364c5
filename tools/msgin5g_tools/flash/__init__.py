"""`msgin5g flash`: the UE's firmware onto a board on USB."""
