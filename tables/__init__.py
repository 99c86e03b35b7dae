"""One file a table: its key, its rows, what is kept and for how long."""
