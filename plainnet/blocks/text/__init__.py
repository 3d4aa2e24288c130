"""From text to blocks."""
