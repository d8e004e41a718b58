"""The documents' tables of Table 2 and Fig. 3 from `cells.csv` and `fig3.csv`: the mean over seeds.

`memory.csv` holds what a process took at most that trained a method for an epoch and scored with it.
`ours.csv` holds AMAE's own figures, of the same images, as `results.md` gives them.

Usage: python resources/table2/make_table.py [FILE …]; the tables in these files are written anew.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean

SETS = {"zhanglab": "Zhang lab", "rsna": "RSNA"}
_MEASURES = {"auc": "AUC, reached by", "pixel_auc": "pixel AUC of its map, reached by"}
_MEASURED = {"zhanglab": ("auc",), "rsna": ("auc", "pixel_auc")}
_FOLDER = Path(__file__).parent
Lines = list[dict[str, str]]


def tables() -> dict[str, str]:
    """Each table in Markdown, by its name."""
    drawn = _read("fig3.csv")
    figures = dict.fromkeys(line["figure"] for line in drawn)
    return {
        "table2": table2(_read("cells.csv"), _read("memory.csv")),
        "beaten": beaten(_read("ours.csv"), _read("cells.csv")),
        **{
            name: figure_table([line for line in drawn if line["figure"] == name])
            for name in figures
        },
    }


def marks(name: str) -> tuple[str, str]:
    """What stands in a document before and after a table."""
    return f"<!-- {name} -->", f"<!-- /{name} -->"


def table2(cells: Lines, memory: Lines) -> str:
    """A line a method: AUC by set, pixel AUC of its map, and the memory that it took."""
    found: dict[tuple[str, str], dict[str, Lines]] = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        found[(cell["method"], cell["protocol"])][cell["set"]].append(cell)
    heads = [f"{title}: AUC" for title in SETS.values()]
    peak = {(line["method"], line["protocol"]): line["gb"] for line in memory}
    lines = _head(["method", "protocol", *heads, "RSNA: pixel AUC of its map", "memory, GB"])
    for (method, protocol), of_sets in found.items():
        texts = [_text(of_sets.get(name, [])) for name in SETS]
        pixels = [float(c["pixel_auc"]) for c in of_sets.get("rsna", []) if c["pixel_auc"]]
        map_text = f"{fmean(pixels):.2f}" if pixels else "–"
        last = f"{map_text} | {peak[method, protocol]}"
        lines.append(f"| {method} | {protocol} | {' | '.join(texts)} | {last} |")
    return "\n".join(lines)


def beaten(ours: Lines, cells: Lines) -> str:
    """A line a score of AMAE: the peers whose mean over seeds reaches its, best first."""
    heads = [f"{title}: {_MEASURES[m]}" for name, title in SETS.items() for m in _MEASURED[name]]
    lines = _head(["mean over seeds", *heads])
    for score in dict.fromkeys(line["score"] for line in ours):
        texts = [
            _reached([line for line in ours if line["score"] == score], cells, name, measure)
            for name in SETS
            for measure in _MEASURED[name]
        ]
        lines.append(f"| {score} | {' | '.join(texts)} |")
    return "\n".join(lines)


def _reached(ours: Lines, cells: Lines, name: str, measure: str) -> str:
    """Our mean of a measure on a set, and who reaches it."""
    own = [float(x["value"]) for x in ours if (x["set"], x["measure"]) == (name, measure)]
    if not own:
        return "–"
    values: dict[str, list[float]] = defaultdict(list)
    for cell in cells:
        if cell["set"] == name and cell[measure]:
            peer = cell["method"].split(", compact")[0]
            values[f"{peer} (Y)" if cell["protocol"] == "Y" else peer].append(float(cell[measure]))
    means = {peer: fmean(each) for peer, each in values.items()}
    better = sorted((p for p in means if means[p] >= fmean(own)), key=lambda p: -means[p])
    return f"{fmean(own):.3f}: {', '.join(f'{p} {means[p]:.3f}' for p in better) or 'no peer'}"


def figure_table(cells: Lines) -> str:
    """A line a row of the figure, its columns in the order in which they come."""
    columns = list(dict.fromkeys(cell["column"] for cell in cells))
    lines = _head(["", *columns])
    for row in dict.fromkeys(cell["row"] for cell in cells):
        texts = [
            _point([cell for cell in cells if (cell["row"], cell["column"]) == (row, column)])
            for column in columns
        ]
        lines.append(f"| {row} | {' | '.join(texts)} |")
    return "\n".join(lines)


def _point(cells: Lines) -> str:
    """A point of a figure: its AUC, for (b) after its χ² and what chance gives."""
    if not any(cell["chi_square"] for cell in cells):
        return _text(cells)
    found, chance = (
        fmean(float(cell[name]) for cell in cells) for name in ("chi_square", "by_chance")
    )
    return f"χ² {found:.1f} ({chance:.1f} by chance), AUC {_text(cells)}"


def _head(names: list[str]) -> list[str]:
    return [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]


def _text(cells: Lines) -> str:
    """AUC with DeLong's 95 % interval, their means over the seeds, and each seed's AUC."""
    cells = sorted(cells, key=lambda cell: int(cell["seed"]))
    if not cells:
        return "…"
    without = [cell["why"] for cell in cells if not cell["auc"]]
    if without:
        return f"none: {without[0]}"
    auc, low, high = (fmean(float(c[name]) for c in cells) for name in ("auc", "low", "high"))
    each = ", ".join(f"{float(cell['auc']):.3f}" for cell in cells)
    return f"{auc:.3f} ({low:.3f}–{high:.3f})" + (f": {each}" if len(cells) > 1 else "")


def _read(name: str) -> Lines:
    with (_FOLDER / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main() -> None:
    """Print the tables, or write each into the file that has its marks."""
    made = tables()
    if len(sys.argv) < 2:
        sys.stdout.write("\n\n".join(made.values()) + "\n")
        return
    for path in map(Path, sys.argv[1:]):
        text = path.read_text(encoding="utf-8")
        for name, table in made.items():
            begin, end = marks(name)
            if begin in text:
                before, rest = text.split(begin)
                text = f"{before}{begin}\n{table}\n{end}{rest.split(end)[1]}"
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
