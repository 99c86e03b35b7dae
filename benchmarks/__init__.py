"""How fast, measured: whole processes on a real broker."""
