"""``fillstream venue``: what would be sent to a venue, to compare with its documents. Nothing here sends anything."""
