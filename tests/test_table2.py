"""The documents' tables of peers and of Fig. 3 are those that the committed cells make."""

from __future__ import annotations

import csv
import importlib.util

from demo_images import ROOT

from amae_engine.config.peers import PeerConfig, PeerMethod, PeerSize, Protocol

_FOLDER = ROOT / "resources" / "table2"


def _maker():
    spec = importlib.util.spec_from_file_location("make_table", _FOLDER / "make_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _cells() -> list[dict[str, str]]:
    with (_FOLDER / "cells.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_documents_tables_are_made_of_the_committed_cells():
    documents = (ROOT / "resources" / "docs" / name for name in ("results.md", "peers.md"))
    maker, text = _maker(), "".join(path.read_text(encoding="utf-8") for path in documents)
    made = maker.tables()
    assert set(made) >= {"table2", "fig3c"}
    for name, table in made.items():
        begin, end = maker.marks(name)
        assert text.split(begin)[1].split(end)[0].strip() == table, name


def test_a_line_holds_means_over_the_seeds_their_intervals_each_seed_and_the_memory():
    one = {"method": "AE", "protocol": "N", "pixel_auc": "0.5", "low": "0.6", "high": "0.8"}
    cells = [
        {**one, "set": "rsna", "seed": "1", "auc": "0.74", "low": "0.7", "high": "0.84"},
        {**one, "set": "rsna", "seed": "0", "auc": "0.70"},
        {**one, "set": "zhanglab", "seed": "0", "auc": "0.71", "pixel_auc": ""},
    ]
    table = _maker().table2(cells, [{"method": "AE", "protocol": "N", "gb": "1.2"}])
    both = "0.720 (0.650–0.820): 0.700, 0.740"
    assert table.splitlines()[-1] == f"| AE | N | 0.710 (0.600–0.800) | {both} | 0.50 | 1.2 |"


def test_a_peer_that_reaches_ours_is_named_best_first():
    ours = [
        {"set": "rsna", "score": "ours", "measure": "auc", "seed": str(n), "value": value}
        for n, value in enumerate(("0.6", "0.8"))
    ]
    one = {"set": "rsna", "protocol": "N", "pixel_auc": ""}
    cells = [
        {**one, "method": "AE", "auc": "0.70"},
        {**one, "method": "AE-U", "auc": "0.69"},
        {**one, "method": "NSA, compact: 64 px", "auc": "0.9", "protocol": "Y"},
        {**one, "method": "AE", "auc": "0.99", "set": "zhanglab"},
    ]
    table = _maker().beaten(ours, cells)
    assert table.splitlines()[-1] == "| ours | – | 0.700: NSA (Y) 0.900, AE 0.700 | – |"
    assert "0.700: no peer" in _maker().beaten(ours, cells[1:2])


def test_our_own_figures_are_those_of_the_results():
    results = (ROOT / "resources" / "docs" / "results.md").read_text(encoding="utf-8")
    with (_FOLDER / "ours.csv").open(newline="", encoding="utf-8") as file:
        ours = list(csv.DictReader(file))
    zhanglab, rsna = results.split("| Zhang lab: 1,000 normal")[1].split("**Where a method it is compared")[0].split(
        "| RSNA (adults)"
    )  # fmt: skip
    for text, name in ((zhanglab, "zhanglab"), (rsna, "rsna")):
        for line in ours:
            if (line["set"], line["measure"]) == (name, "auc"):
                start = line["score"].split(" (")[0]
                row = next(row for row in text.splitlines() if row.strip("|* ").startswith(start))
                assert f" {line['value']} (" in row.split("|")[3 + int(line["seed"])], line
    maps = results.split("## Maps")[1].split("## By the share")[0]
    for line in ours:
        assert line["measure"] == "auc" or line["value"] in maps


def test_every_point_of_a_figure_lies_in_its_interval():
    with (_FOLDER / "fig3.csv").open(newline="", encoding="utf-8") as file:
        points = list(csv.DictReader(file))
    keys = {(p["figure"], p["row"], p["column"], p["seed"]) for p in points}
    assert len(keys) == len(points)
    for point in points:
        assert bool(point["auc"]) != bool(point["why"])
        if point["low"]:
            assert 0 <= float(point["low"]) <= float(point["auc"]) <= float(point["high"]) <= 1
        assert (point["figure"] == "fig3b") == bool(point["chi_square"]) == bool(point["by_chance"])
        assert all(0 <= float(point[name] or 0) <= 100 for name in ("chi_square", "by_chance"))


def test_every_cell_is_of_a_method_at_a_size_that_can_be_trained_again():
    names = {
        PeerConfig(method=method, protocol=Protocol.Y, size=PeerSize.COMPACT, latent=latent).label
        for method in PeerMethod
        for latent in (0, 4)
    }
    keys = set()
    for cell in _cells():
        assert cell["method"] in names
        assert 0 <= float(cell["low"]) <= float(cell["auc"]) <= float(cell["high"]) <= 1
        keys.add((cell["set"], cell["method"], cell["protocol"], cell["seed"]))
    assert len(keys) == len(_cells())
