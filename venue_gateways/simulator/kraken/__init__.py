"""Kraken Spot's dialect of the simulated venue: REST API 0 and WebSocket API v2.

Written after docs.kraken.com: exchange/guides/rest/{authentication,ratelimits}, guides/general/{ratelimits,clordid,
errors,order-lifecycle,amends}, guides/websockets/{authentication,reconnection},
api-reference/spot-websocket-v2/executions, and the REST reference; an amendment's row on the stream, after messages
that others have recorded. Where a sentence of it was not there to be read, the comment says "assumed".
"""
