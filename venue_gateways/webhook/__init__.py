"""The webhook receiver: events that a venue or broker pushes over HTTP, as docs/webhook.md defines them."""
