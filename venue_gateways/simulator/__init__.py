"""A venue in a process of its own: a real matching engine behind a real HTTP and WebSocket API."""
