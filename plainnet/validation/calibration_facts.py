"""What a page tells about a calibration, from its file."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from plainnet.errors import UsageError
from plainnet.pages.page import Facts
from plainnet.proxies.calibrated.calibration import Calibration
from plainnet.validation.calibrating import NOT_PROMISED, part_covered, singles_of
from plainnet.validation.ranking import point_agreement
from plainnet.validation.validation_facts import Figures

__all__ = ["calibration_facts"]

SAME = 1e-6
"""Figures that are further apart than this are not of the same networks."""


class _Kept(BaseModel):
    """The figures in a calibration's file, as far as a page shows them."""

    model_config = ConfigDict(extra="ignore")
    left_out: Figures
    singles: dict[str, Figures]


def calibration_facts(calibration: Calibration) -> Facts:
    """The figures of a calibration, and what is expected of each of its networks by a model that has not seen it. `UsageError`
    where its file holds no figures, or others than those of its networks.
    """
    kept = _figures(calibration)
    left_out = calibration.model.left_out
    points = [
        {
            "name": name,
            "measured": measured,
            "expected": float(at),
            "low": None if is_open else float(low),
            "high": float(high),
        }
        for name, measured, at, low, high, is_open in zip(
            calibration.names, calibration.accuracies, *left_out, strict=True
        )
    ]
    height, width = calibration.resolution
    size = f"{height}" if height == width else f"{height}x{width}"
    score = f"calibrated:{calibration.file}"
    facts: dict[str, Any] = {
        "title": Path(calibration.file).name or calibration.source,
        "source": calibration.source,
        "resolution": list(calibration.resolution),
        "left_out": kept.left_out,
        "singles": kept.singles,
        "covered_by_90_percent": part_covered(left_out, calibration.accuracies),
        "networks": points,
        "not_promised": NOT_PROMISED,
        "commands": [
            shlex.join(["plainnet", "score", "NETWORK", "--proxy", score, "--resolution", size]),
            shlex.join(["plainnet", "search", "SPACE", "--objective", score]),
        ],
    }
    return Facts("calibration", facts)


def _figures(calibration: Calibration) -> _Kept:
    """The figures in the file, which must be those of its networks."""
    where = calibration.file or calibration.source
    try:
        kept = _Kept.model_validate(calibration.figures)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, ("figures", *first["loc"])))
        raise UsageError(f"{where} is damaged: {place}: {first['msg']}") from None
    known = {"left_out": calibration.model.left_out.expected.tolist(), **singles_of(calibration.features)}
    for name, scores in known.items():
        found = kept.left_out if name == "left_out" else kept.singles.get(name, {})
        said = float(found["spearman"][0]) if "spearman" in found else math.nan
        own = point_agreement(np.asarray(scores), np.asarray(calibration.accuracies))[0]
        if math.isfinite(own) and not abs(said - own) <= SAME:
            raise UsageError(
                f"{where} says that {name} ranks its networks with Spearman {said:.4f}, and it does with {own:.4f}; "
                "to work its figures out anew: plainnet calibrate"
            )
    return kept
