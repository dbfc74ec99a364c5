"""`msgin5g config`: write configuration files, check that they fit each other, show the result."""
