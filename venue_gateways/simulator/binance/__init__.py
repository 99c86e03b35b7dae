"""Binance Spot's dialect of the simulated venue: REST and WebSocket API v3.

Written after github.com/binance/binance-spot-api-docs at a5e0bc3d (2026-07-21): rest-api.md, web-socket-api.md,
user-data-stream.md, errors.md, filters.md, enums.md and faqs/. Where a sentence of it was not there to be read, the
comment says "assumed".
"""
