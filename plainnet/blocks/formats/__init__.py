"""Structures for the eyes, in foreign formats, and what is hardly meant in them."""
