"""Files on disk: texts, tensors, and the lock of a folder."""
