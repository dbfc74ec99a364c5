"""BLE without hardware: a virtual radio for tests and demos. See README.md beside this file."""
