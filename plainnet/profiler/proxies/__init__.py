"""Zero-cost proxies: what a network is worth before it is trained, one family per file."""
