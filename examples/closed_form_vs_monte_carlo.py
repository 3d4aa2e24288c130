"""Plot the closed form of the Zen-score against Monte-Carlo: one point for each random network of both search spaces.

    python examples/closed_form_vs_monte_carlo.py --networks 12 --repeats 4 --out zen.html

The page stands alone.
"""

from __future__ import annotations

import argparse
import random
import time

from scipy.stats import kendalltau, pearsonr

from plainnet.pages.charts import Axis, Series, chart
from plainnet.pages.parts import section
from plainnet.pages.shell import page
from plainnet.proxies.closed.zen import ZenScorer
from plainnet.proxies.sampled.zen_mc import zen_mc

RESOLUTION, BATCH = 32, 16
KINDS = ["SuperResK1K3K1", "SuperResK3K3", "SuperResK5K5", "SuperResIDWE2K3", "SuperResIDWE4K5"]


def random_network(rng: random.Random) -> str:
    """A stem, three or four super blocks of random kind, width and depth, and a last 1x1 convolution."""
    width = rng.choice([8, 16, 32, 64])
    text = f"SuperConvK3BNRELU(3,{width},1,1)"
    for number in range(rng.randint(3, 4)):
        out, bottleneck = rng.choice([16, 32, 64, 96]), rng.choice([8, 16, 32, 48])
        text += f"{rng.choice(KINDS)}({width},{out},{1 if number == 0 else 2},{bottleneck},{rng.randint(1, 3)})"
        width = out
    return text + f"SuperConvK1BNRELU({width},128,1,1)"


def picture(points: list[tuple[str, float, float, float]], title: str) -> str:
    """A page with the networks as points, and the line where both are equal."""
    points = sorted(points, key=lambda point: point[1])
    low, high = (end(point[1] for point in points) for end in (min, max))
    said = [
        f"{text}\nclosed {closed:.2f}, Monte-Carlo {drawn:.2f} ± {error:.2f}" for text, closed, drawn, error in points
    ]
    networks = Series("networks", [point[1:3] for point in points], kind="dots", said=said)
    equal = Series("equal", [(low, low), (high, high)], tone="soft")
    figure = chart([equal, networks], Axis("closed form"), Axis("Monte-Carlo"), says=title)
    return page(title, f"<h1>{title}</h1>", [section("Closed form against Monte-Carlo", figure)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="", help="write the plot to this HTML file")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    scorer = ZenScorer(RESOLUTION, batch_size=BATCH)
    points: list[tuple[str, float, float, float]] = []
    for number in range(options.networks):
        text = random_network(rng)
        start = time.perf_counter()
        closed = scorer(text)
        closed_ms = 1e3 * (time.perf_counter() - start)
        score = zen_mc(text, resolution=RESOLUTION, batch=BATCH, repeats=options.repeats, seed=number)
        points.append((text, closed, score.mean, score.stderr or 0.0))
        print(f"closed {closed:7.2f} ({closed_ms:5.1f} ms)  Monte-Carlo {score.mean:7.2f} ({score.seconds:4.1f} s)")
    closed_scores, drawn_scores = [point[1] for point in points], [point[2] for point in points]
    tau, r = kendalltau(closed_scores, drawn_scores).statistic, pearsonr(closed_scores, drawn_scores).statistic
    title = f"{len(points)} networks: Kendall {tau:.3f}, Pearson {r:.5f}"
    print(title)
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            file.write(picture(points, title))


if __name__ == "__main__":
    main()
