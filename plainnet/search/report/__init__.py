"""What pages tell about searches, optima and sweeps, as plain data."""

from __future__ import annotations

from plainnet.search.report.run_facts import run_facts
from plainnet.search.report.sweep_facts import exact_sweep_facts, sweep_facts

__all__ = ["exact_sweep_facts", "run_facts", "sweep_facts"]
