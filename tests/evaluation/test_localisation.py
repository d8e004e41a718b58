"""Maps against marked regions: by hand, against scikit-learn, and through the job."""

from pathlib import Path

import numpy as np
import pytest
from demo_images import finish
from sklearn import metrics

from amae_engine.catalog import image_tables
from amae_engine.catalog.tables import Split
from amae_engine.cli import main
from amae_engine.config import (
    PseudoLabelConfig,
    ScoreConfig,
    ScoreKind,
    Stage1Config,
    Stage2Config,
    TrainingConfig,
)
from amae_engine.config.peers import PeerConfig, PeerMethod
from amae_engine.errors import NotReady
from amae_engine.evaluation.localisation import judge_maps
from amae_engine.evaluation.regions import box_outline, outlines_mask
from amae_engine.jobs.evaluation.evaluate_maps import compare_maps, evaluate_maps
from amae_engine.jobs.scoring.score_images import score_images
from amae_engine.jobs.training.train_peer import train_peer
from amae_engine.jobs.training.train_stage1 import train_stage1
from amae_engine.jobs.training.train_stage2 import train_stage2
from amae_engine.project import Project


def test_a_box_covers_its_part_of_a_map():
    mask = outlines_mask([box_outline(100 / 400, 25 / 100, 100 / 400, 25 / 100)], 8, 8)
    expected = np.zeros((8, 8), dtype=bool)
    expected[2:4, 2:4] = True
    assert (mask == expected).all()


def test_a_perfect_map_and_a_blind_one():
    masks = np.zeros((6, 16, 16), dtype=bool)
    for number, mask in enumerate(masks):
        mask[number : number + 5, 3:9] = True
    perfect = judge_maps(masks.astype(np.float32), masks)
    figures = (perfect.pixel_auc, perfect.pixel_ap, perfect.pointed, perfect.dice)
    assert [each.value for each in figures] == [1, 1, 1, 1]
    assert perfect.pointed.low < 0.7  # six images are not certain
    blind = judge_maps(np.random.default_rng(0).random(masks.shape, dtype=np.float32), masks)
    assert blind.pixel_auc.value == pytest.approx(0.5, abs=0.06)
    assert blind.pixel_ap.value == pytest.approx(blind.marked_share, abs=0.05)
    assert blind.dice.value < 0.4


def test_intervals_are_over_patients_and_few_have_none():
    random = np.random.default_rng(0)
    masks = np.zeros((40, 12, 12), dtype=bool)
    masks[:, 2:7, 3:9] = True
    skill = np.repeat(random.normal(0.7, 0.7, size=20), 2)[:, None, None]  # of the map, by patient
    maps = (random.normal(size=masks.shape) + skill * masks).astype(np.float32)
    alone, owned = judge_maps(maps, masks), judge_maps(maps, masks, np.repeat(np.arange(20), 2))
    assert owned.patients == 20
    for name in ("pixel_auc", "pixel_ap", "dice"):
        wide, narrow = getattr(owned, name), getattr(alone, name)
        assert wide.low < wide.value < wide.high
        assert wide.high - wide.low > 1.1 * (narrow.high - narrow.low)
    # the bootstrap by bins agrees with one by pixels
    found = []
    for _ in range(300):
        drawn = random.integers(0, 20, 20)
        places = np.concatenate([2 * drawn, 2 * drawn + 1])
        found.append(metrics.roc_auc_score(masks[places].ravel(), maps[places].ravel()))
    bounds = owned.pixel_auc.low, owned.pixel_auc.high
    assert bounds == pytest.approx(np.percentile(found, (2.5, 97.5)), abs=0.02)
    few = judge_maps(maps[:4], masks[:4])
    assert few.texts["pixel AUC"].endswith("(too few for an interval)")
    assert judge_maps(maps[:1], masks[:1]).texts["Dice"] == "–"


def test_pixels_agree_with_scikit_learn_and_the_pointing_game_with_a_count():
    random = np.random.default_rng(1)
    masks = random.random((4, 10, 10)) < 0.3
    maps = (random.normal(size=masks.shape) + masks).astype(np.float32)
    found = judge_maps(maps, masks)
    assert found.pixel_auc.value == pytest.approx(
        metrics.roc_auc_score(masks.ravel(), maps.ravel())
    )
    hits = [masks[n][np.unravel_index(maps[n].argmax(), (10, 10))] for n in range(4)]
    assert found.pointed.value == sum(hits) / 4


def test_dice_takes_no_threshold_from_the_image_it_judges():
    masks = np.zeros((2, 10, 10), dtype=bool)
    masks[:, :5] = True
    maps = np.stack([masks[0] * 1.0, masks[1] * 1.0 + 10]).astype(np.float32)
    assert (
        judge_maps(maps, masks).dice.value < 0.7
    )  # each threshold is right for the other image only


@pytest.fixture
def scored(small_project: Project, tiny_weights: Path) -> Project:
    short = TrainingConfig(epochs=1, warmup_epochs=0, batch_size=8)
    finish(train_stage1(small_project, Stage1Config(weights=str(tiny_weights), training=short)))
    labels = PseudoLabelConfig(source="unlabeled", keep_percent=100)
    finish(train_stage2(small_project, Stage2Config(training=short, pseudo_labels=labels)))
    finish(score_images(small_project, ScoreConfig()))
    return small_project


def test_maps_are_judged_from_the_command_line(
    scored: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with scored.session() as session:
        ids = image_tables.images_in(session, Split.TEST).ids.tolist()
    boxes = tmp_path / "boxes.csv"
    lines = [f"images/{scored.original_path(i).name},20,30,90,80" for i in ids[:4]]
    boxes.write_text("\n".join(["file,x,y,width,height", *lines]))
    command = ["evaluate", "--project", str(scored.folder), "--boxes", str(boxes)]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "4 test images with marked regions" in told
    assert told.count("(too few for an interval)") == 9
    boxes.write_text("file,x,y,width,height\nimages/other.jpeg,1,1,5,5\n")
    assert main(command) == 1
    assert "is marked by a reader alone; draw regions" in capsys.readouterr().err
    boxes.write_text("file,x,y,width,height\nimages/a.jpeg,1,1,five,5\n")
    assert main(command) == 1
    assert "boxes.csv, line 2: a box must have four numbers" in capsys.readouterr().err


def test_peers_maps_are_judged_beside_ours_on_the_same_images(
    scored: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    peer = PeerConfig(epochs=1, batch_size=8, image_size=32)
    run, _ = finish(train_peer(scored, peer))
    unmapped = PeerConfig(method=PeerMethod.CUTPASTE, epochs=1, batch_size=8, image_size=32)
    finish(train_peer(scored, unmapped))
    with scored.session() as session:
        ids = image_tables.images_in(session, Split.TEST).ids.tolist()
    marked = {i: [box_outline(0.2, 0.2, 0.3, 0.4)] for i in ids[:5]}
    found = compare_maps(scored, marked)
    assert {each.method for each in found} == {"AMAE", "AE (N)"}
    assert all(each.found.images == 5 for each in found)
    aucs = [each.found.pixel_auc.value for each in found]
    assert aucs == sorted(aucs, reverse=True)
    (own,) = (each for each in found if each.run_id == run)
    assert own.found == evaluate_maps(scored, marked, run)[ScoreKind.PEER]
    assert {each.run_id for each in compare_maps(scored, marked, [run])} == {run}
    with pytest.raises(
        NotReady, match="No run has a map of a test image that a reader marked alone"
    ):
        compare_maps(scored, {})
    boxes = tmp_path / "boxes.csv"
    lines = [f"images/{scored.original_path(i).name},20,30,90,80" for i in ids[:4]]
    boxes.write_text("\n".join(["file,x,y,width,height", *lines]))
    words = ["evaluate", "--project", str(scored.folder), "--boxes", str(boxes), "--every-run"]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "4 test images with marked regions" in told
    assert "AE (N)" in told
    assert "AMAE" in told
