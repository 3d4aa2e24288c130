"""Networks as torch modules: built, initialised, filled with published weights, and taken by name."""
