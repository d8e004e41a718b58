"""Every peer learns from a handful of real images, scores them, repeats and survives its file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from demo_images import TINY, stored_images
from torch import nn

from amae_engine.config import ScoreKind, Synthesis
from amae_engine.config.peers import Backbone, PeerConfig, PeerMethod, Protocol
from amae_engine.errors import BadSetting, BadWeights, TrainingFailed
from amae_engine.events import EpochEnd
from amae_engine.method.stored_images import StoredImages
from amae_engine.models.masked_autoencoder import MaskedAutoencoder
from amae_engine.peers import synthetic_classifier
from amae_engine.peers.contract import Peer, TrainingImages, grey_images
from amae_engine.peers.conv_autoencoder import ConvAutoencoder
from amae_engine.peers.peer_factory import load_peer, make_peer, save_peer
from amae_engine.peers.structural_similarity import multi_scale_ssim, ssim
from amae_engine.synthesis.lung_mask import standard_lungs
from amae_engine.synthesis.synthesis import Synthetic, synthesise

SIZE = 64
_OWN_MAPS = {"cutpaste", "cutpaste_scar", "cutpaste_union", "anatpaste", "igd"}
_CLASSIFIERS = {"cutpaste", "cutpaste_scar", "cutpaste_union", "anatpaste"}
_SMALL = 32  # pixels, of the methods whose networks take any size
_EPOCHS_AND_SIZE = {
    **dict.fromkeys(_CLASSIFIERS, (6, _SMALL)),
    **dict.fromkeys(("fpi", "pii", "nsa"), (6, _SMALL)),
    **dict.fromkeys(("draem", "f_anogan"), (12, _SMALL)),
    PeerMethod.IGD: (6, SIZE),
    **dict.fromkeys(("mask_reconstruction", "no_pseudo_labels"), (16, SIZE)),
    **dict.fromkeys(("ae", "ae_u", "ddad_ae"), (5, SIZE)),
}
_MARGIN = (
    0.93  # of the first epoch's loss: measured 0.05 to 0.85, five seeds, 1 and 2 threads, bf16 too
)
_RATE = {PeerMethod.MASK_RECONSTRUCTION: 2e-3, PeerMethod.NO_PSEUDO_LABELS: 2e-3}


@pytest.fixture(scope="module")
def stored() -> TrainingImages:
    return _training_images(16, SIZE)


def _training_images(normals: int, lung_size: int) -> TrainingImages:
    """So many normal images and eight unlabeled ones."""
    count = normals + 8
    stored = torch.from_numpy(stored_images(count)[:, ::2, ::2].copy())
    lungs = torch.from_numpy(standard_lungs(lung_size)).byte().expand(count, -1, -1)
    return TrainingImages(
        StoredImages.of(stored[:normals]),
        StoredImages.of(stored[normals:]),
        StoredImages.of(stored),
        StoredImages.of(lungs),
    )


def _config(method: PeerMethod, **changes: object) -> PeerConfig:
    settings = {
        "method": method,
        "protocol": Protocol.Y if method is PeerMethod.NO_PSEUDO_LABELS else Protocol.N,
        "epochs": 3,
        "batch_size": 8,
        "image_size": SIZE,
        "width": 8,
        "learning_rate": _RATE.get(method, 0.0),
    }
    return PeerConfig(**{**settings, **changes})


def _peer(config: PeerConfig) -> Peer:
    torch.manual_seed(1)
    start = MaskedAutoencoder(TINY) if config.method.starts_from_mae else None
    return make_peer(config, start)


def _fit(config: PeerConfig, stored: TrainingImages, folder: Path) -> tuple[Peer, list[EpochEnd]]:
    folder.mkdir(exist_ok=True)
    if config.protocol is Protocol.N:
        stored = replace(stored, trained=stored.normal)
    peer = _peer(config)
    events = list(peer.fit(stored, 1, folder / "checkpoint.pt"))
    return peer.eval(), [event for event in events if isinstance(event, EpochEnd)]


def _unseen(stored: TrainingImages) -> torch.Tensor:
    return stored.unlabeled.take(torch.arange(5))


def _assert_equal(one: Peer, two: Peer) -> None:
    for mine, yours in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(mine, yours)


@pytest.fixture
def easy_anomalies(monkeypatch: pytest.MonkeyPatch) -> list[Synthesis]:
    """Each method's own anomalies with a bright corner: what a classifier learns in six steps.

    Theirs are too faint to be learnt from eight images in a second; a loss that falls by chance would
    pass for learning.

    Returns:
        The syntheses that were asked for.
    """
    asked: list[Synthesis] = []

    def marked(kind: Synthesis, *arguments: object) -> Synthetic:
        asked.append(kind)
        made = synthesise(kind, *arguments)
        images = made.images.clone()
        images[:, :16, :16] = 1.0
        return replace(made, images=images)

    monkeypatch.setattr(synthetic_classifier, "synthesise", marked)
    return asked


@pytest.mark.parametrize("method", list(PeerMethod))
def test_a_peer_learns_scores_repeats_and_survives_its_file(
    method: PeerMethod, easy_anomalies: list[Synthesis], tmp_path: Path
):
    epochs, size = _EPOCHS_AND_SIZE[method]
    stored, config = _training_images(8, size), _config(method, epochs=epochs, image_size=size)
    peer, ends = _fit(config, stored, tmp_path / "one")
    phases = method.facts.phases[config.protocol is Protocol.Y]
    assert len(ends) == config.epochs * phases
    first, last = ends[-config.epochs].train_loss, ends[-1].train_loss
    assert last < (0.3 if method.value in _CLASSIFIERS else _MARGIN) * first
    assert set(easy_anomalies) <= {method.value}
    found = peer.score(_unseen(stored))
    assert ScoreKind.PEER in found.images
    for values in found.images.values():
        assert values.shape == (5,)
        assert values.dtype == torch.float32
        assert values.isfinite().all()
    scores = found.images[ScoreKind.PEER]
    assert scores.max() > scores.min()  # images differ, and so do their scores
    if method.value in _OWN_MAPS:
        assert found.maps is None
    else:
        assert found.maps is not None
        assert found.maps.shape == (5, size, size)
        assert found.maps.half().isfinite().all()
    again, _ = _fit(config, stored, tmp_path / "two")
    repeated = again.score(_unseen(stored))
    save_peer(peer, tmp_path / "peer.safetensors")
    loaded = load_peer(tmp_path / "peer.safetensors").score(_unseen(stored))
    for kind, values in found.images.items():
        assert torch.equal(repeated.images[kind], values)
        assert torch.equal(loaded.images[kind], values)


@pytest.mark.parametrize(
    "method", [PeerMethod.F_ANOGAN, PeerMethod.IGD, PeerMethod.DDAD_AE, PeerMethod.CUTPASTE]
)
def test_a_peer_that_was_stopped_goes_on_to_the_same_result(
    method: PeerMethod, stored: TrainingImages, tmp_path: Path
):
    size = _EPOCHS_AND_SIZE[method][1]
    config = _config(method, image_size=size)
    straight, _ = _fit(config, stored, tmp_path / "straight")
    data = replace(stored, trained=stored.normal)
    checkpoint = tmp_path / "checkpoint.pt"
    job = _peer(config).fit(data, 1, checkpoint)
    ends = 0
    while ends < 2:  # stopped after the second epoch
        ends += isinstance(next(job), EpochEnd)
    job.close()
    resumed = _peer(config)
    left = [e for e in resumed.fit(data, 1, checkpoint) if isinstance(e, EpochEnd)]
    assert left[0].epoch == 3
    _assert_equal(straight, resumed)


def test_a_checkpoint_that_lies_otherwise_in_memory_goes_on_to_the_same_result(
    stored: TrainingImages, tmp_path: Path
):
    """Earlier versions kept convolutions' moments row by row; a fused step reads them as they lie."""
    straight, _ = _fit(_config(PeerMethod.AE), stored, tmp_path / "straight")
    data = replace(stored, trained=stored.normal)
    checkpoint = tmp_path / "checkpoint_0.pt"
    job = _peer(_config(PeerMethod.AE)).fit(data, 1, tmp_path / "checkpoint.pt")
    while not isinstance(next(job), EpochEnd):
        pass
    job.close()
    content = torch.load(checkpoint, weights_only=True)
    moments = content["optimizers"][0]["state"]
    assert not all(state["exp_avg"].is_contiguous() for state in moments.values())
    for state in moments.values():
        state.update({name: value.contiguous() for name, value in state.items()})
    torch.save(content, checkpoint)
    resumed = _peer(_config(PeerMethod.AE))
    left = [e for e in resumed.fit(data, 1, tmp_path / "checkpoint.pt") if isinstance(e, EpochEnd)]
    assert left[0].epoch == 2
    _assert_equal(straight, resumed)


def test_the_seed_decides_the_result(stored: TrainingImages, tmp_path: Path):
    one, _ = _fit(_config(PeerMethod.AE), stored, tmp_path / "one")
    two, _ = _fit(_config(PeerMethod.AE, seed=1), stored, tmp_path / "two")
    batch = _unseen(stored)
    assert not torch.equal(
        one.score(batch).images[ScoreKind.PEER], two.score(batch).images[ScoreKind.PEER]
    )


def test_ddad_s_network_is_the_published_one():
    network = ConvAutoencoder(64)
    shapes = [tuple(p.shape) for p in network.parameters() if p.ndim > 1]
    assert shapes[:4] == [(16, 1, 4, 4), (32, 16, 4, 4), (64, 32, 4, 4), (64, 64, 4, 4)]
    assert shapes[4:8] == [(2048, 1024), (16, 2048), (2048, 16), (1024, 2048)]
    assert network(torch.zeros(2, 1, 64, 64)).shape == (2, 1, 64, 64)


def test_ddad_has_each_score_by_its_definition(stored: TrainingImages, tmp_path: Path):
    config = _config(PeerMethod.DDAD_AE, protocol=Protocol.Y, epochs=1)
    peer, ends = _fit(config, stored, tmp_path)
    assert [e.module for e in ends] == [
        *(f"normal module {i}/3" for i in (1, 2, 3)),
        *(f"mixed module {i}/3" for i in (1, 2, 3)),
    ]
    batch = _unseen(stored)
    images = grey_images(batch, SIZE) * 2 - 1
    with torch.no_grad():
        normal = torch.stack([n(images) for n in peer.normal_module])
        mixed = torch.stack([n(images) for n in peer.mixed_module])
    expected = {
        ScoreKind.PEER: (normal.mean(0) - mixed.mean(0)).abs(),
        ScoreKind.PEER_INTRA: normal.std(0),
        ScoreKind.PEER_RECONSTRUCTION: (images - normal.mean(0)).square(),
    }
    found = peer.score(batch)
    assert set(found.images) == set(expected)
    for kind, maps in expected.items():
        assert torch.allclose(found.images[kind], maps.mean(dim=(1, 2, 3)), atol=1e-6)


def test_under_protocol_n_ddad_s_own_score_is_a_intra(stored: TrainingImages, tmp_path: Path):
    peer, _ = _fit(_config(PeerMethod.DDAD_AE, epochs=1), stored, tmp_path)
    assert peer.mixed_module is None
    assert set(peer.score(_unseen(stored)).images) == {
        ScoreKind.PEER,
        ScoreKind.PEER_RECONSTRUCTION,
    }


def test_ddad_s_normal_module_is_the_same_under_both_protocols(
    stored: TrainingImages, tmp_path: Path
):
    """Table 2's cells of both protocols share it where their seeds agree."""
    alone, _ = _fit(_config(PeerMethod.DDAD_AE, epochs=2), stored, tmp_path / "n")
    both = _config(PeerMethod.DDAD_AE, epochs=2, protocol=Protocol.Y)
    beside, _ = _fit(both, stored, tmp_path / "y")
    one, two = (peer.score(_unseen(stored)).images for peer in (alone, beside))
    assert torch.equal(one[ScoreKind.PEER], two[ScoreKind.PEER_INTRA])


def test_densenet_serves_as_a_backbone(tmp_path: Path):
    stored = _training_images(16, _SMALL)
    for method in (PeerMethod.NSA, PeerMethod.ANATPASTE):
        config = _config(method, epochs=1, image_size=_SMALL, backbone=Backbone.DENSENET121)
        peer, ends = _fit(config, stored, tmp_path / method)
        assert np.isfinite(ends[0].train_loss)
        assert peer.score(_unseen(stored)).images[ScoreKind.PEER].isfinite().all()


def test_density_is_that_of_scikit_learn(stored: TrainingImages, tmp_path: Path):
    from sklearn.neighbors import KernelDensity

    peer, _ = _fit(_config(PeerMethod.CUTPASTE, epochs=1), stored, tmp_path)
    batch = _unseen(stored)
    with torch.no_grad():
        features = peer.backbone(grey_images(batch, SIZE) * 2 - 1)
    unit = nn.functional.normalize(features).double().numpy()
    tree = KernelDensity(kernel="gaussian", bandwidth=1.0).fit(peer.known.double().numpy())
    ours = -peer.score(batch).images[ScoreKind.PEER].double().numpy()
    width = unit.shape[1]
    constant = -0.5 * width * np.log(2 * np.pi)  # the same for every image
    assert np.allclose(tree.score_samples(unit), ours + constant, atol=1e-3)


def test_a_loss_that_is_no_number_stops_and_names_the_batch(stored: TrainingImages, tmp_path: Path):
    config = _config(PeerMethod.AE, learning_rate=1e30)
    with pytest.raises(TrainingFailed, match=r"AE: the loss is not a number in epoch 1, batch 2"):
        _fit(config, stored, tmp_path)


def test_impossible_settings_are_named():
    with pytest.raises(BadSetting, match="no_pseudo_labels trains module B on all unlabeled"):
        PeerConfig(method=PeerMethod.NO_PSEUDO_LABELS)
    with pytest.raises(BadSetting, match="image_size must be a multiple of 32; it is 50"):
        PeerConfig(image_size=50)
    with pytest.raises(BadSetting, match="batch_size must be 0 or at least 2; it is 1"):
        PeerConfig(batch_size=1)
    with pytest.raises(BadSetting, match="method must be one of ae, ae_u"):
        PeerConfig.from_dict({"method": "magic"})


def test_zeros_stand_for_the_method_s_own_values():
    config = PeerConfig(method=PeerMethod.DDAD_AE).completed
    assert (config.epochs, config.batch_size, config.learning_rate) == (250, 64, 5e-4)
    assert (config.image_size, config.all_epochs) == (64, 750)
    assert PeerConfig.from_dict(config.to_dict()) == config


def test_weights_of_something_else_are_refused(stored: TrainingImages, tmp_path: Path):
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(BadWeights, match="cannot be read as safetensors"):
        load_peer(tmp_path / "x.safetensors")
    config = _config(PeerMethod.CUTPASTE, backbone_weights=str(tmp_path / "none.pth"))
    with pytest.raises(BadWeights, match=r"there is no file none\.pth"):
        make_peer(config)


@pytest.mark.parametrize("method", [PeerMethod.CUTPASTE, PeerMethod.NSA])
def test_a_backbone_starts_from_a_given_file(method: PeerMethod, tmp_path: Path):
    import timm

    torch.manual_seed(3)
    source = timm.create_model("resnet18", pretrained=False)  # three channels, 1,000 classes
    torch.save(source.state_dict(), tmp_path / "resnet18.pth")
    weights = str(tmp_path / "resnet18.pth")
    own = make_peer(_config(method, backbone_weights=weights)).backbone.state_dict()
    # equal channels through three kernels are one channel through their sum
    assert torch.allclose(own["conv1.weight"], source.conv1.weight.sum(dim=1, keepdim=True))
    assert torch.equal(own["layer4.1.conv2.weight"], source.layer4[1].conv2.weight)


def test_similarity_is_one_for_equal_images_and_agrees_with_scikit_image(stored: TrainingImages):
    from skimage.metrics import structural_similarity

    images = grey_images(stored.normal.take(torch.arange(4)), 64)
    other = images.roll(1, 0)
    assert torch.allclose(ssim(images, images), torch.ones(4), atol=1e-5)
    assert torch.allclose(multi_scale_ssim(images, images, (0.5, 0.5)), torch.ones(4), atol=1e-5)
    for number in range(4):
        _, whole = structural_similarity(
            images[number, 0].double().numpy(), other[number, 0].double().numpy(),
            data_range=1.0, gaussian_weights=True, use_sample_covariance=False, full=True,
        )  # fmt: skip
        assert float(ssim(images, other)[number]) == pytest.approx(
            whole[5:-5, 5:-5].mean(), abs=1e-4
        )
