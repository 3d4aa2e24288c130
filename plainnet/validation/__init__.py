"""What scores are worth on networks that were trained."""
