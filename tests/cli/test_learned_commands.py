"""`amae shortcuts`, `rounds` and `sources`, as a script calls them."""

import json
from pathlib import Path

from planted_images import border, planted

from amae_engine.cli import main
from amae_engine.project import Project


def test_shortcuts_are_listed_with_what_stage_1_would_do(project: Project, tmp_path: Path, capsys):
    planted(project, tmp_path, border)
    place = ("--project", str(project.folder))
    assert main(["shortcuts", *place]) == 0
    said = capsys.readouterr().out
    assert "N and U differ by border (AUC 0." in said
    assert main(["shortcuts", *place, "--matching", "off", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["cure"], found["matched_by"]) == ("off", [])
    by_name = {each["name"]: each for each in found["differences"]}
    assert by_name["border"]["auc"]["low"] > 0.55
    assert main(["shortcuts", *place, "--match-by", "nothing"]) == 1
    assert "there is no fact 'nothing'" in capsys.readouterr().err


def test_rounds_and_sources_on_a_trained_project(whole_path: Project, capsys):
    place = ("--project", str(whole_path.folder))
    assert main(["rounds", *place]) == 0
    shown = capsys.readouterr()
    assert "No further round" in shown.err
    assert "Stage 2 to use: run 2." in shown.out
    assert main(["sources", *place, "--json"]) == 0
    found = {each["source"]: each for each in json.loads(capsys.readouterr().out)}
    assert found["rounds"]["images"] == 5
    assert found["unlabeled"]["found"] == 1.0
    assert main(["rounds", *place, "--rounds", "0"]) == 1
    assert "rounds must be at least 1" in capsys.readouterr().err
