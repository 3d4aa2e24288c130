"""One file a platform, each with its `PLATFORM`."""
