"""One small drawing of each kind, as SVG, kept in `charts/`; `python -m tests.pages.chart_examples` draws them anew."""

from __future__ import annotations

from pathlib import Path

from plainnet.pages.bars import stacked
from plainnet.pages.charts import Axis, Series, chart
from plainnet.pages.drawing import draw_blocks
from plainnet.pages.explorer import explorer
from plainnet.pages.matrix import matrix
from plainnet.pages.threads import threads

FOLDER = Path(__file__).with_name("charts")
MARKS = [
    {"name": "a", "structure": "A(1)", "said": "a", "winner": True, "front": True},
    {"name": "b", "structure": "B(2)", "said": "b", "winner": False, "front": True},
]
COLUMNS = {
    "score": {"all": [1.0, 3.0], "marked": [4.0, 2.0], "ratio": False, "bound": 5.0},
    "MACs": {"all": [1e6, 2e6], "marked": [3e6, 1e5], "ratio": True},
    "params": {"all": [1e3, None], "marked": [5e4, 2e3], "ratio": True},
}
BLOCK = {"text": "A(1)", "label": "", "layers": 2, "params": 9, "inner": None}
BLOCKS = [
    {**BLOCK, "name": "SuperConvK3BNRELU", "in": [3, 8, 8], "out": [8, 8, 8], "macs": 100},
    {**BLOCK, "name": "SuperResK3K3", "in": [8, 8, 8], "out": [16, 4, 4], "macs": 900},
]


def drawings() -> dict[str, str]:
    """name -> what is drawn."""
    line = [(0.0, 1.0), (1.0, 2.0), (2.0, None), (3.0, 3.0), (4.0, 2.5)]
    x, y = Axis("updates"), Axis("loss")
    kinds = {
        "lines": [Series("training", line), Series("validation", line[::-1], tone="best")],
        "steps": [Series("found", line, "steps", "best"), Series("bound", line, "steps-before", "out")],
        "marks": [
            Series("all", line, "cloud", "cloud"),
            Series("some", line, "dots", "best", said=list("abcde"), picks=list("ABCDE"), names=list("vwxyz")),
            Series("the winner", [(3.0, 3.0)], "winner", "done"),
        ],
    }
    drawn = {name: chart(series, x, y, says=name, height=200) for name, series in kinds.items()}
    costs = [Series("networks", [(1e4, 1.0), (3e5, 2.0), (2e6, 3.0)], "dots")]
    drawn["ratios"] = chart(costs, Axis("params", log=True), y, says="ratios", height=200)
    drawn["budgets"] = chart(costs, Axis("params", log=True, at=[2e4, 2.1e4, 5e5, 4e6]), y, says="budgets", height=200)
    drawn["bars"] = stacked(
        [(100, (0.5, 0.25)), (300, (0.9, 0.1))], [("a", "accent"), ("b", "repeat")], label="candidates", says="bars"
    )
    drawn["matrix"] = matrix([[9, 1], [0, 10]], says="confusion", names=["cat", "dog"])
    found = {"columns": COLUMNS, "marks": MARKS, "x": "MACs", "y": "score"}
    drawn["explorer"] = "\n".join(explorer(found, name="explorer"))
    drawn["threads"] = threads([("score", True), ("MACs", False), ("params", False)], COLUMNS, MARKS)
    drawn["blocks"] = draw_blocks(BLOCKS)
    return drawn


def split(text: str) -> str:
    """An element a line, so that a difference is found."""
    return text.replace("><", ">\n<") + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in drawings().items():
        (FOLDER / f"{name}.html").write_text(split(text))
