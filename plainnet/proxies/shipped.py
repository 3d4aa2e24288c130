"""The names of the proxies that come with plainnet; a proxy of one's own takes another."""

from __future__ import annotations

__all__ = ["DEFAULT", "SHIPPED"]

_HERE = "plainnet.proxies"
_SAMPLED = "plainnet.proxies.sampled"

SHIPPED = {
    "zen": f"{_HERE}.closed_forms",
    "composite": f"{_HERE}.closed_forms",
    "composite_fitted": f"{_HERE}.closed_forms",
    "residual_sensitivity": f"{_HERE}.closed_forms",
    "madnas": f"{_HERE}.closed_forms",
    "deepmad": f"{_HERE}.closed_forms",
    "rho": f"{_HERE}.closed_forms",
    "params": f"{_HERE}.closed_forms",
    "macs": f"{_HERE}.closed_forms",
    "depth": f"{_HERE}.closed_forms",
    "zen_mc": f"{_SAMPLED}.zen_mc",
    "naswot": f"{_SAMPLED}.activation_codes",
    "linear_regions": f"{_SAMPLED}.activation_codes",
    "swap": f"{_SAMPLED}.activation_codes",
    "synflow": f"{_SAMPLED}.synflow",
    "snip": f"{_SAMPLED}.gradients",
    "grasp": f"{_SAMPLED}.gradients",
    "grad_norm": f"{_SAMPLED}.gradients",
    "fisher": f"{_SAMPLED}.gradients",
    "zico": f"{_SAMPLED}.gradients",
    "jacob_cov": f"{_SAMPLED}.jacobians",
    "ntk_cond": f"{_SAMPLED}.jacobians",
    "meco": f"{_SAMPLED}.meco",
    "az_nas": f"{_SAMPLED}.az_nas",
    "az_expressivity": f"{_SAMPLED}.az_nas",
    "az_progressivity": f"{_SAMPLED}.az_nas",
    "az_trainability": f"{_SAMPLED}.az_nas",
    "az_complexity": f"{_SAMPLED}.az_nas",
}
"""The proxies that come with plainnet -> the module that registers each; it is imported when the proxy is asked for."""

DEFAULT = "composite"
"""What a score is where nobody says which: of all that ship it ranks trained networks best (`plainnet validate --set all`)."""
