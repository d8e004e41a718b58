"""The benchmark command; nothing here asserts a time."""

import json

import pytest
import torch
from demo_images import DEMO, TINY
from torch.utils.flop_counter import FlopCounterMode

from amae_engine.bench import plain
from amae_engine.bench.cost import forward_operations, training_operations
from amae_engine.bench.pipeline import _files, bench_pipeline, lines
from amae_engine.cli import main
from amae_engine.config import PRESETS
from amae_engine.models.masked_autoencoder import MaskedAutoencoder


def test_counted_operations_agree_with_torch():
    network = MaskedAutoencoder(TINY).eval()
    network.choose_attention("cpu")  # plain products, which the counter sees
    kept = torch.arange(4)[None]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.decode(network.encode(torch.rand(1, 16, 256), kept), kept)
    assert counter.get_total_flops() == pytest.approx(forward_operations(TINY, 4), rel=0.02)


def test_training_costs_three_forwards_a_mask():
    paper = PRESETS["paper"]
    assert training_operations(paper, 0.75, 2) == 6 * forward_operations(paper, 49)


def test_the_plain_loops_run_the_same_method():
    paths = sorted((DEMO / "images").glob("*.jpeg"))[:4]
    network = plain.PublishedAutoencoder(TINY)
    before = network.decoder_pred.weight.clone()
    assert plain.masked_steps(network, paths, (2, 2, 0.75)) == 4
    assert not torch.equal(before, network.decoder_pred.weight)
    assert plain.score_images((network.eval(), network), paths, 4) == 4


def test_an_unknown_benchmark_is_named(capsys):
    assert main(["bench", "warp"]) == 1
    assert "no benchmark 'warp'; choose all or stage0" in capsys.readouterr().err


def test_bench_reports_every_number(capsys):
    assert main(["bench", "score", "--seconds", "0.1", "--against", "plain", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    for name in ("images_per_second", "share_of_peak", "floor_images_per_second", "ratio_to_plain"):
        assert found[name] > 0


def test_the_pipeline_is_timed_step_by_step_beside_its_floors():
    found = bench_pipeline(40, epochs=1)
    assert sum(found.images.values()) == 40
    assert found.variants == 0
    floors = {step.name: step.floor for step in found.steps if step.floor}
    assert set(floors) == {
        "Import", *(f"Stage 1 · features of {role} images" for role in ("normal", "unlabeled", "test"))
    }  # fmt: skip
    for step in found.steps:
        assert step.floor is None or step.seconds > step.floor
    names = [step.name for step in found.steps]
    assert names.index("Import") < names.index("Stage 1 · features of normal images")
    assert "Scoring" in names
    text = "\n".join(lines(found))
    assert "times floor" in text
    assert found.seconds == pytest.approx(sum(step.seconds for step in found.steps))


def test_more_images_than_the_demo_has_are_its_variants(tmp_path):
    files, variants = _files(tmp_path / "images", 250)
    assert (len(files), variants) == (250, 10)
    assert sum(file.path.parent == tmp_path / "images" for file in files) == 10
    again, _ = _files(tmp_path / "again", 250)
    assert files[-1].path.read_bytes() == again[-1].path.read_bytes()
    assert {file.role for file in files} == {"normal", "unlabeled", "test"}
