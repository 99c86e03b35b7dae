"""Faust agents: take a chunk, look up, decide, store, send."""
