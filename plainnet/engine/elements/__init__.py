"""Data elements: what is known, and said, about one image."""
