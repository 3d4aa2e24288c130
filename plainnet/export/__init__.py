"""A network as source, configuration or graph: `export_network`, and what it takes."""

from plainnet.export.exporting import export_network
from plainnet.export.network import Network
from plainnet.export.provenance import Origin
from plainnet.export.registry import TARGETS, Target, find_target
from plainnet.export.source.model import model_source
from plainnet.export.weights import Weights, read_weights

__all__ = [
    "TARGETS",
    "Network",
    "Origin",
    "Target",
    "Weights",
    "export_network",
    "find_target",
    "model_source",
    "read_weights",
]
