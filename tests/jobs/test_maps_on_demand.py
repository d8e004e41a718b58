"""A score run that keeps no maps: the same scores, and any image's maps when they are asked for."""

import json
from pathlib import Path

import numpy as np
import pytest
from demo_images import finish

from amae_engine.catalog import image_tables, regions, runs, scores
from amae_engine.catalog.regions import NewRegion, RegionState
from amae_engine.catalog.tables import Split
from amae_engine.cli import main
from amae_engine.config import ScoreConfig, ScoreKind, Stage1Config, Stage2Config
from amae_engine.errors import BadWeights, NotReady
from amae_engine.evaluation.regions import box_outline
from amae_engine.events import Progress
from amae_engine.jobs.child_process import run_in_child
from amae_engine.jobs.evaluation.evaluate_maps import evaluate_maps, regions_by_image
from amae_engine.jobs.planning.resource_estimate import estimate_scoring_resources
from amae_engine.jobs.scoring import score_images as score_images_module
from amae_engine.jobs.scoring.make_maps import make_maps_of
from amae_engine.jobs.scoring.score_images import score_images
from amae_engine.jobs.sharing.rerun import rerun
from amae_engine.jobs.verify import verify_project
from amae_engine.project import Project
from amae_engine.runs.map_files import (
    load_image_maps,
    makes_maps_on_demand,
    mapped_images,
    maps_folder,
)

ON_DEMAND = ScoreConfig(keep_maps=False)
BOX = box_outline(0.2, 0.2, 0.4, 0.4)


@pytest.fixture
def run(whole_path: Project) -> int:
    """A run without maps beside the one that has them, run 3."""
    found, _ = finish(score_images(whole_path, ON_DEMAND))
    return found


@pytest.fixture
def test_ids(whole_path: Project) -> list[int]:
    with whole_path.session() as session:
        return image_tables.images_in(session, Split.TEST).ids.tolist()


def test_the_scores_and_the_maps_scale_are_the_same(whole_path: Project, run: int):
    with whole_path.session() as session:
        for kind in scores.kinds(session, 3):
            for one, other in zip(
                scores.load(session, 3, kind), scores.load(session, run, kind), strict=True
            ):
                np.testing.assert_array_equal(one, other)
    facts = [
        json.loads((maps_folder(whole_path, each) / "facts.json").read_text()) for each in (3, run)
    ]
    assert facts[0]["scale"] == facts[1]["scale"]
    files = {path.name for path in maps_folder(whole_path, run).iterdir()}
    assert files == {"facts.json", "image_ids.npy"}


def test_what_is_asked_for_is_made_once_and_kept(
    whole_path: Project, run: int, test_ids: list[int]
):
    assert makes_maps_on_demand(whole_path, run)
    assert not makes_maps_on_demand(whole_path, 3)
    assert load_image_maps(whole_path, run, test_ids[0]) is None
    assert mapped_images(whole_path, run).tolist() == []
    wanted = [test_ids[4], test_ids[1]]
    assert finish(make_maps_of(whole_path, run, wanted))[0] == 2
    assert mapped_images(whole_path, run).tolist() == sorted(wanted)
    for image in wanted:
        made, kept = (load_image_maps(whole_path, each, image) for each in (run, 3))
        assert made.scale == kept.scale
        assert set(made.maps) == set(kept.maps)
        for name, values in kept.maps.items():
            np.testing.assert_array_equal(made.maps[name], values)
    assert finish(make_maps_of(whole_path, run, wanted + test_ids[:1]))[0] == 1
    assert load_image_maps(whole_path, run, test_ids[2]) is None


def test_made_maps_are_no_change_of_the_run(whole_path: Project, run: int, test_ids: list[int]):
    finish(make_maps_of(whole_path, run, test_ids[:3]))
    assert finish(verify_project(whole_path))[0].problems == ()
    again, _ = finish(rerun(whole_path, run))
    assert again.is_identical, again


def test_maps_of_marked_images_are_made_to_be_judged(
    whole_path: Project, run: int, test_ids: list[int], capsys
):
    folder = str(whole_path.folder)
    with whole_path.session() as session:
        regions.add(session, [NewRegion(test_ids[0], BOX, RegionState.DRAWN)], "BB")
    with pytest.raises(NotReady, match="amae maps --run"):
        evaluate_maps(whole_path, regions_by_image(whole_path), run)
    assert main(["maps", "--project", folder, "--run", str(run), "--marked", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"run": run, "made": 1}
    assert ScoreKind.DISCREPANCY in evaluate_maps(whole_path, regions_by_image(whole_path), run)
    name = f"CXR-{test_ids[1]:05d}"
    assert main(["maps", name, "--project", folder, "--run", str(run)]) == 0
    assert "Maps of 1 images" in capsys.readouterr().out
    assert main(["maps", "--project", folder]) == 1
    assert "--marked" in capsys.readouterr().err


def test_a_run_says_why_it_makes_none(whole_path: Project, run: int):
    with pytest.raises(NotReady, match="keeps all that it has"):
        finish(make_maps_of(whole_path, 3, [1]))
    with pytest.raises(NotReady, match="scored none"):
        finish(make_maps_of(whole_path, run, [999]))
    weights: Path = whole_path.run_folder(2) / "module_a.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with whole_path.session() as session:
        image = int(image_tables.images_in(session, Split.TEST).ids[0])
    with pytest.raises(BadWeights, match="changed"):
        finish(make_maps_of(whole_path, run, [image]))


def test_a_child_process_makes_them_too(whole_path: Project, run: int, test_ids: list[int]):
    config = {"run_id": run, "image_ids": test_ids[:2]}
    assert finish(run_in_child(whole_path.folder, "maps", config))[0] == 2
    assert mapped_images(whole_path, run).tolist() == test_ids[:2]


def test_maps_that_are_not_kept_need_no_disk(whole_path: Project):
    with whole_path.session() as session:
        first = Stage1Config.from_dict(runs.get(session, 1).config)
        second = Stage2Config.from_dict(runs.get(session, 2).config)
    kept, made = (
        estimate_scoring_resources(whole_path, ScoreConfig(keep_maps=keep), first, second).disk
        for keep in (True, False)
    )
    assert made < kept


def test_a_stopped_run_without_maps_goes_on_to_the_same(
    whole_path: Project, run: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(score_images_module, "_SECONDS_A_PIECE", 0.0)
    job = score_images(whole_path, ON_DEMAND.replace(batch_size=2))
    next(event for event in job if isinstance(event, Progress) and event.done == 4)
    job.close()
    finish(score_images(whole_path, ScoreConfig(), resume=run + 1))
    whole, _ = finish(score_images(whole_path, ON_DEMAND.replace(batch_size=2)))
    first, second = (
        (maps_folder(whole_path, each) / "facts.json").read_text() for each in (run + 1, whole)
    )
    assert first == second
