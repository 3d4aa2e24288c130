"""The names of the proxies that come with plainnet; a proxy of one's own takes another."""

from __future__ import annotations

__all__ = ["SHIPPED"]

_HERE = "plainnet.proxies"

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
    "zen_mc": f"{_HERE}.zen_proxy",
    "naswot": f"{_HERE}.activation_codes",
    "linear_regions": f"{_HERE}.activation_codes",
    "swap": f"{_HERE}.activation_codes",
    "synflow": f"{_HERE}.synflow",
    "snip": f"{_HERE}.gradients",
    "grasp": f"{_HERE}.gradients",
    "grad_norm": f"{_HERE}.gradients",
    "fisher": f"{_HERE}.gradients",
    "zico": f"{_HERE}.gradients",
    "jacob_cov": f"{_HERE}.jacobians",
    "ntk_cond": f"{_HERE}.jacobians",
    "meco": f"{_HERE}.meco",
    "az_nas": f"{_HERE}.az_nas",
    "az_expressivity": f"{_HERE}.az_nas",
    "az_progressivity": f"{_HERE}.az_nas",
    "az_trainability": f"{_HERE}.az_nas",
    "az_complexity": f"{_HERE}.az_nas",
}
"""The proxies that come with plainnet -> the module that registers each; it is imported when the proxy is asked for."""
