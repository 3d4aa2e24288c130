"""Runs of a search: driven, kept, taken up again, forked and merged."""
