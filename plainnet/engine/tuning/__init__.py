"""The search over settings of a training: what is varied, what was tried, and what to try next."""
