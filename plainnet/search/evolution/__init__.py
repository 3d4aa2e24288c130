"""The evolution of candidates on islands."""
