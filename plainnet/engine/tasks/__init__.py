"""What is learned: a model, its losses and what its outputs mean, in one place."""
