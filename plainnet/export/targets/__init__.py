"""The targets of `plainnet export`, one a file."""
