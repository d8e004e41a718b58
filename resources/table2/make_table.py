"""README's table of peers from `cells.csv`: a line a method, the mean AUC over its seeds.

Usage: python resources/table2/make_table.py [README.md]; with a file, its table is written anew.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean

SETS = {"zhanglab": "Zhang lab", "rsna": "RSNA"}
BEGIN, END = "<!-- table2 -->", "<!-- /table2 -->"


def table(cells: list[dict[str, str]]) -> str:
    """The table in Markdown: AUC with DeLong's interval for one seed, else mean and the seeds."""
    found: dict[tuple[str, str], dict[str, list[dict[str, str]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for cell in cells:
        found[(cell["method"], cell["protocol"])][cell["set"]].append(cell)
    heads = [f"{title}: AUC" for title in SETS.values()]
    lines = [
        f"| method | protocol | {' | '.join(heads)} | RSNA: pixel AUC of its map |",
        "|" + "---|" * (len(heads) + 3),
    ]
    for (method, protocol), of_sets in found.items():
        texts = [_text(of_sets.get(name, [])) for name in SETS]
        pixels = [float(c["pixel_auc"]) for c in of_sets.get("rsna", []) if c["pixel_auc"]]
        map_text = f"{fmean(pixels):.2f}" if pixels else "–"
        lines.append(f"| {method} | {protocol} | {' | '.join(texts)} | {map_text} |")
    return "\n".join(lines)


def _text(cells: list[dict[str, str]]) -> str:
    cells = sorted(cells, key=lambda cell: int(cell["seed"]))
    if not cells:
        return "…"
    if len(cells) == 1:
        (cell,) = cells
        low, high = float(cell["low"]), float(cell["high"])
        return f"{float(cell['auc']):.3f} ({low:.3f}–{high:.3f})"
    values = [float(cell["auc"]) for cell in cells]
    each = ", ".join(f"{value:.3f}" for value in values)
    return f"{fmean(values):.3f} ({each})"


def main() -> None:
    """Print the table, or write it into a file between its marks."""
    with (Path(__file__).parent / "cells.csv").open(newline="", encoding="utf-8") as file:
        made = table(list(csv.DictReader(file)))
    if len(sys.argv) < 2:
        sys.stdout.write(f"{made}\n")
        return
    readme = Path(sys.argv[1])
    before, rest = readme.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
