"""``fillstream doctor``: where records stop, and what to do about it."""
