"""The fast paths of training: each gives what the plain float32 path in one piece gives."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from demo_images import TINY, stored_images
from torch import Tensor, nn

from amae_engine.config import Compile, MaskPlan, Precision, Stage2Config, TrainingConfig
from amae_engine.events import EpochEnd, Notice
from amae_engine.method.discrepancy import compare_modules
from amae_engine.method.features import whole_images
from amae_engine.method.masking import scoring_masks
from amae_engine.method.memory import in_parts, largest_batch, saved_bytes, state_bytes
from amae_engine.method.reconstruction import MaskedObjective
from amae_engine.method.side_by_side import side_by_side
from amae_engine.method.stage2 import Module, adapt_module
from amae_engine.method.stored_images import StoredImages
from amae_engine.models.masked_autoencoder import MaskedAutoencoder

CPU = torch.device("cpu")
SHORT = TrainingConfig(epochs=2, warmup_epochs=1, batch_size=8, precision=Precision.FLOAT32)


@pytest.fixture(scope="module")
def stored() -> np.ndarray:
    return stored_images(20)


def _network() -> MaskedAutoencoder:
    torch.manual_seed(0)
    return MaskedAutoencoder(TINY)


def _adapted(
    stored: StoredImages, folder: Path, training: TrainingConfig = SHORT
) -> tuple[Tensor, list]:
    network = _network()
    job = adapt_module(
        network, stored, Module("A", Stage2Config(training=training), 1, folder / "c.pt")
    )
    events = list(job)
    return nn.utils.parameters_to_vector(network.parameters()).detach(), events


def test_images_streamed_from_the_store_train_the_same_network(stored: np.ndarray, tmp_path: Path):
    (tmp_path / "one").mkdir()
    resident = StoredImages(lambda rows: stored[rows], len(stored), CPU, resident=True)
    streamed = StoredImages(lambda rows: stored[rows], len(stored), CPU, resident=False)
    assert (resident.resident, streamed.resident) == (True, False)
    one, _ = _adapted(resident, tmp_path / "one")
    two, _ = _adapted(streamed, tmp_path)
    assert torch.equal(one, two)


def test_images_stay_on_the_device_only_where_they_fit(stored: np.ndarray, monkeypatch):
    monkeypatch.setattr(
        "amae_engine.method.stored_images.free_bytes", lambda _device: stored.nbytes
    )
    assert not StoredImages(lambda rows: stored[rows], len(stored), CPU).resident
    monkeypatch.setattr(
        "amae_engine.method.stored_images.free_bytes", lambda _device: 2 * stored.nbytes
    )
    assert StoredImages(lambda rows: stored[rows], len(stored), CPU).resident


def test_running_out_of_memory_halves_what_goes_through_at_once(
    stored: np.ndarray, tmp_path: Path, monkeypatch
):
    (tmp_path / "one").mkdir()
    whole, _ = _adapted(StoredImages.of(torch.from_numpy(stored)), tmp_path / "one")
    forward = MaskedObjective.forward

    def small_device(self: MaskedObjective, stored: Tensor, *draws: Tensor) -> Tensor:
        if len(stored) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(self, stored, *draws)

    monkeypatch.setattr(MaskedObjective, "forward", small_device)
    parts, events = _adapted(StoredImages.of(torch.from_numpy(stored)), tmp_path)
    told = [event.message for event in events if isinstance(event, Notice)]
    assert len(told) == 1
    assert "going on with 3 images at a time" in told[0]
    assert torch.allclose(whole, parts, atol=2e-5)


def test_one_image_too_many_is_torchs_own_error():
    def work(size: int) -> int:
        raise torch.OutOfMemoryError(f"CUDA out of memory with {size}.")

    with pytest.raises(torch.OutOfMemoryError, match="with 1"):
        in_parts(work, 8)


def test_other_errors_are_not_tried_again():
    tried = []

    def work(size: int) -> int:
        tried.append(size)
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        in_parts(work, 8)
    assert tried == [8]


def test_bf16_losses_stay_within_one_percent_of_float32(stored: np.ndarray):
    objective = MaskedObjective(_network(), 0.5, 0.75)
    draws = objective.draw(len(stored), 2, stored.shape[-1], torch.Generator().manual_seed(0))
    with torch.no_grad():
        exact = objective(torch.from_numpy(stored), *draws)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            fast = objective(torch.from_numpy(stored), *draws)
    assert fast.item() == pytest.approx(exact.item(), rel=0.01)


def test_bf16_scores_rank_images_as_float32_does(stored: np.ndarray):
    torch.manual_seed(1)
    one, other = _network().eval(), MaskedAutoencoder(TINY).eval()
    images = whole_images(torch.from_numpy(stored), TINY.image_size)
    random = torch.Generator().manual_seed(0)
    masks = scoring_masks(4, TINY.patches, 0.75, MaskPlan.INDEPENDENT, random)
    exact, fast = (
        compare_modules(one, other, images, masks, precision).discrepancy.mean(dim=(1, 2))
        for precision in (Precision.FLOAT32, Precision.BF16)
    )
    assert torch.allclose(exact, fast, rtol=0.02)
    assert torch.corrcoef(torch.stack((exact, fast)))[0, 1] > 0.995


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler for torch.compile")
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_step_gives_the_same_loss_and_gradients(stored: np.ndarray, tmp_path: Path):
    (tmp_path / "one").mkdir()
    few = StoredImages.of(torch.from_numpy(stored[:8]))
    plain, _ = _adapted(few, tmp_path / "one")
    fast, _ = _adapted(few, tmp_path, SHORT.replace(compile=Compile.ON))
    assert torch.allclose(plain, fast, atol=2e-5)


def test_saved_bytes_count_each_activation_once():
    layers = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5))
    batch = torch.rand(7, 10)
    # the input of each linear layer; ReLU keeps its result, which is the second one's input
    assert saved_bytes(layers, lambda: layers(batch).sum()) == 4 * 7 * (10 + 20)


def test_a_suggested_batch_fits_into_the_free_memory():
    network = _network()
    state, free = state_bytes(network), 1 << 30
    assert state == 16 * sum(p.numel() for p in network.parameters())
    batch = largest_batch(free, state, 1 << 20)
    assert state + batch * (1 << 20) < free
    assert largest_batch(state, state, 1 << 20) == 0


def test_two_jobs_side_by_side_tell_every_event():
    def job(name: str, count: int):
        for number in range(count):
            yield Notice(f"{name}{number}")

    told = [event.message for event in side_by_side([job("a", 3), job("b", 5)])]
    assert sorted(told) == ["a0", "a1", "a2", "b0", "b1", "b2", "b3", "b4"]
    assert [name for name in told if name[0] == "a"] == ["a0", "a1", "a2"]


def test_an_error_in_one_job_ends_the_other():
    ended = []

    def endless():
        try:
            while True:
                yield Notice("still here")
        finally:
            ended.append(True)

    def failing():
        yield Notice("before")
        raise ValueError("broken image")

    with pytest.raises(ValueError, match="broken image"):
        list(side_by_side([endless(), failing()]))
    assert ended == [True]


def test_closing_closes_every_job():
    ended = []

    def endless(name: str):
        try:
            while True:
                yield Notice(name)
        finally:
            ended.append(name)

    both = side_by_side([endless("a"), endless("b")])
    next(both)
    both.close()
    assert sorted(ended) == ["a", "b"]


def test_modules_side_by_side_become_what_they_become_in_turn(stored: np.ndarray, tmp_path: Path):
    config = Stage2Config(training=SHORT)
    held = StoredImages.of(torch.from_numpy(stored))
    results = []
    for name in ("in turn", "side by side"):
        networks = {module: _network() for module in "AB"}
        folder = tmp_path / name
        folder.mkdir()
        jobs = [
            adapt_module(networks[m], held, Module(m, config, 1, folder / f"{m}.pt"))
            for m in networks
        ]
        events = [e for job in jobs for e in job] if name == "in turn" else list(side_by_side(jobs))
        assert sorted(e.module for e in events if isinstance(e, EpochEnd)) == ["A", "A", "B", "B"]
        results.append([nn.utils.parameters_to_vector(n.parameters()) for n in networks.values()])
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*results, strict=True))
