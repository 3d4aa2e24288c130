"""The report of a run, and of a sweep: self-contained HTML pages."""

from __future__ import annotations

from plainnet.search.report.exact_sweep_page import write_exact_sweep
from plainnet.search.report.reports import write_report
from plainnet.search.report.sweep_page import write_sweep

__all__ = ["write_exact_sweep", "write_report", "write_sweep"]
