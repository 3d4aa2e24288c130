"""Functions that write network strings: from codes, and from a few numbers."""
