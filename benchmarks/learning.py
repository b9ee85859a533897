"""Short form of comparisons: one table of all, and the picture of one, from the results that `edgegym compare` wrote.

for config in web07_205 web07_2048 edge_video; do edgegym train $config; edgegym compare $config; done
python benchmarks/learning.py runs/web07_205 runs/web07_2048 runs/edge_video > benchmarks/results/learning.md
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from edgegym.evaluation.drawing import rendered
from edgegym.evaluation.lines import lines_figure
from edgegym.evaluation.pictures import Line, Picture

IMAGE = Path("docs/images/hit_ratio_against_capacity.png")


def interval(estimate: dict[str, Any] | None) -> str:
    """An estimate with its interval, where it has one."""
    if estimate is None:
        return ""
    spread = "" if estimate["low"] is None else f" [{estimate['low']:.4f}, {estimate['high']:.4f}]"
    return f"{estimate['value']:.4f}{spread}"


def table(results: dict[str, Any]) -> str:
    """Markdown of one comparison."""
    primary = results["primary"]
    lines = [f"| policy | kind | mean {primary} | interquartile mean | verdict |", "|---|---|---|---|---|"]
    for policy in results["policies"]:
        mean = "" if policy["mean"] is None else f"{policy['mean']:.4f}"
        cells = (policy["policy"], policy["kind"], mean, interval(policy["metrics"][primary]), policy["outcome"] or "")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def picture(results: dict[str, Any]) -> None:
    """Draw the last picture of a comparison, the sweep."""
    kept = results["pictures"][-1]
    drawn = [Line(line["policy"], line["kind"], line["x"], line["values"]) for line in kept["lines"]]
    figure = lines_figure(Picture(kept["title"], "", drawn, kept["x_label"], kept["y_label"], "log"))
    IMAGE.parent.mkdir(parents=True, exist_ok=True)
    IMAGE.write_bytes(rendered(figure, "png"))


def main() -> None:
    """Print the tables of the runs named on the command line and draw the first one's sweep."""
    for number, folder in enumerate(sys.argv[1:]):
        results = json.loads((Path(folder) / "comparison" / "results.json").read_text(encoding="utf-8"))
        facts = results["provenance"]
        print(f"## {Path(folder).name}\n\n{table(results)}\n")
        print(f"{results['episodes']} held-out episodes; {facts['machine']}; {facts['versions']}; {facts['date']}.\n")
        for policy in results["policies"]:
            if policy["verdict"]:
                print(f"{policy['policy']}: {policy['verdict']}\n")
        if number == 0:
            picture(results)


if __name__ == "__main__":
    main()
