"""README's table of peers is the one that the committed cells make."""

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


def test_readme_s_table_is_made_of_the_committed_cells():
    maker, readme = _maker(), (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.split(maker.BEGIN)[1].split(maker.END)[0].strip()
    assert shown == maker.table(_cells())


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
