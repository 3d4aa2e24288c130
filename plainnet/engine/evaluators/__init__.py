"""What is asked of the outputs of a whole validation."""
