"""The benchmark command; nothing here asserts a time."""

import json

import pytest
import torch
from demo_images import DEMO, TINY
from torch.utils.flop_counter import FlopCounterMode

from amae_engine.bench import plain
from amae_engine.bench.cost import forward_operations, training_operations
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
