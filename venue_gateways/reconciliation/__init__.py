"""The ``fillstream reconcile`` command: our orders against a venue's, and what to do where they differ."""
