"""A score that learns: closed-form features of a network, and a small model over them, fitted to networks that were trained."""
