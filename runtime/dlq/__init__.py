"""Dead letters: looking at them, and writing what was in them again."""
