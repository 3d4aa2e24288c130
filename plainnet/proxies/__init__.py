"""Zero-cost proxies: what a network is worth before it is trained, one family per file."""

from plainnet.proxies.catalogue import find_proxy, known_proxies, load_proxies
from plainnet.proxies.contract import INPUTS, Proxy, proxy
from plainnet.proxies.score_record import Score

__all__ = ["INPUTS", "Proxy", "Score", "find_proxy", "known_proxies", "load_proxies", "proxy"]
