"""Coinbase Advanced Trade's dialect of the simulated venue: REST API v3 and the user channel.

Written after github.com/coinbase/coinbase-advanced-py at 54fb8ed3 (2026-06-19: coinbase/jwt_generator.py, rest/,
websocket/) and the pages create-order, websocket-overview and websocket-channels of docs.cdp.coinbase.com. Where a
sentence of it was not there to be read, the comment says "assumed".
"""
