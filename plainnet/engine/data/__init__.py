"""Where images come from, and how they become the same batches in any number of processes."""
