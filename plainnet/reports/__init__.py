"""The pages about a folder, whatever was kept in it: a search, an optimum, a sweep, trainings, a stored network."""

from __future__ import annotations

from plainnet.reports.folders import facts_of, write_reports
from plainnet.reports.side_by_side import side_by_side

__all__ = ["facts_of", "side_by_side", "write_reports"]
