"""The blocks that come with plainnet, one family a file."""
