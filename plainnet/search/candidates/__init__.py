"""A candidate: its genes, its costs and its scores."""
