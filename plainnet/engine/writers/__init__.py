"""Where scalars, pictures and the configuration of a run go beside its own files."""
