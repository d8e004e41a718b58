"""The benchmarks run and count rightly; nothing here asserts a time."""

import csv
import json

import pytest
import torch
from demo_images import DEMO, TINY, finish
from torch.utils.flop_counter import FlopCounterMode

from amae_engine.catalog import studies
from amae_engine.config import PRESETS
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.models.masked_autoencoder import MaskedAutoencoder
from tests.benchmarks import gpu, plain
from tests.benchmarks.__main__ import main
from tests.benchmarks.cost import forward_operations, training_operations
from tests.benchmarks.pipeline import _files, bench_pipeline, lines
from tests.benchmarks.steps import Settings


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
    with pytest.raises(SystemExit):
        main(["warp"])
    assert "invalid choice: 'warp'" in capsys.readouterr().err


@pytest.mark.slow
def test_bench_reports_every_number(capsys):
    assert main(["score", "--seconds", "0.1", "--against", "plain", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    for name in ("images_per_second", "share_of_peak", "floor_images_per_second", "ratio_to_plain"):
        assert found[name] > 0


@pytest.mark.slow
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


@pytest.mark.slow
def test_variants_are_imported_as_images_of_their_own(project, tmp_path):
    files, _ = _files(tmp_path / "images", 480)
    finish(import_images(project, files, "bench"))
    with project.session() as session:
        imported = sum(count.images for count in studies.split_counts(session).values())
    assert imported > 0.95 * 480


def test_the_pipeline_is_measured_on_a_table_of_ones_own(tmp_path):
    with (DEMO / "manifest.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))[::8]
    table = tmp_path / "own.csv"
    with table.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, ["file", "split", "truth"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**row, "file": DEMO / row["file"]} for row in rows)
    files, variants = _files(tmp_path / "images", None, table)
    assert (len(files), variants) == (len(rows), 0)
    more, variants = _files(tmp_path / "images", len(rows) + 3, table)
    assert (len(more), variants) == (len(rows) + 3, 3)


@pytest.mark.slow
def test_import_is_measured_beside_its_decoder(capsys):
    assert main(["import", "--images", "2", "--json"]) == 0
    text = capsys.readouterr().out
    for found in (json.loads(part + "}") for part in text.strip().rstrip("}").split("}\n")):
        assert found["decoded_images_per_second"] > 0
        assert found["ratio_to_plain"] > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_the_bars_of_a_gpu_need_one_or_another_device_by_name(capsys):
    assert main(["gpu"]) == 1
    assert "There is no GPU on this machine; --device cpu tries" in capsys.readouterr().err


@pytest.mark.slow
def test_every_bar_of_a_gpu_is_measured(monkeypatch):
    monkeypatch.setattr(gpu, "_PAPER", "compact")
    found = list(gpu.bench_gpu(Settings(seconds=0.01, device="cpu")))
    assert [bar.unit for bar in found] == ["s", "times", "times", "times", "images/s", "images/s"]
    assert all(bar.value > 0 for bar in found)
    assert [bar.bar for bar in found] == [120, 8, None, None, 5000, 2000]
    assert not torch.are_deterministic_algorithms_enabled()
    assert "at most 120" in gpu.line(found[0])
    slow, fast = (gpu.Bar("scoring", "images/s", value, 2000) for value in (1.0, 2000.0))
    assert (slow.is_met, fast.is_met) == (False, True)
    assert "NOT met" in gpu.line(slow)
