"""Every peer's loss and score are its original's, on fixed tensors (`original_numbers.json`).

The numbers are what the originals' code computes, read from their repositories: caiyu6666/DDAD (AE,
AE-U, DDAD-AE), tSchlegl/f-AnoGAN, VitjanZ/DRAEM, tianyu0207/IGD with pytorch_msssim,
Runinho/pytorch-cutpaste, jemtan/FPI, jemtan/PII, hmsch/natural-synthetic-anomalies. f-AnoGAN's is
TensorFlow 1: its formulas were computed in float64. AMAE's own variants are tested with Eq. 4.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fixed_tensors import IMAGES, SIDE, Fixed, critic_weights, stored_images, wave
from torch import Tensor, nn

from amae_engine.config import ScoreKind
from amae_engine.config.peers import PeerConfig, PeerMethod, Protocol
from amae_engine.method.stored_images import StoredImages
from amae_engine.method.training_loop import Update
from amae_engine.peers.contract import Peer, TrainingImages
from amae_engine.peers.fitting import Phase
from amae_engine.peers.peer_factory import make_peer
from amae_engine.synthesis import interpolation, nsa
from amae_engine.synthesis.synthesis import Synthetic

NUMBERS = json.loads((Path(__file__).parent / "original_numbers.json").read_text())
SEEDS = torch.arange(IMAGES)


def _peer(method: PeerMethod, **changes: object) -> Peer:
    settings = {"method": method, "image_size": SIDE, "width": 8, "batch_size": 2}
    return make_peer(PeerConfig(**{**settings, **changes})).eval()


def _reconstruction(start: float = 1.0, pace: float = 0.19) -> Tensor:
    return wave(IMAGES, 1, SIDE, SIDE, pace=pace, start=start, low=-1)


def _grey_reconstruction() -> Tensor:
    return wave(IMAGES, 1, SIDE, SIDE, pace=0.19, start=1)


def _phases(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> list[Phase]:
    """What the peer would train, without training it."""
    found: list[Phase] = []
    module = type(peer).__module__
    monkeypatch.setattr(
        f"{module}.fit_phases", lambda _peer, phases, *_: found.extend(phases) or ()
    )
    images = StoredImages.of(stored_images())
    list(peer.fit(TrainingImages(images, images, images), 1, Path("none")))
    return found


def _updates(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> tuple[Update, ...]:
    return _phases(peer, monkeypatch)[0].updates


def _score(peer: Peer, kind: ScoreKind = ScoreKind.PEER) -> Tensor:
    return peer.score(stored_images()).images[kind]


def _is(found: object, method: str, name: str, rel: float = 2e-5) -> None:
    values = np.asarray(found.detach() if isinstance(found, Tensor) else found).ravel()
    assert values == pytest.approx(np.array(NUMBERS[method][name]), rel=rel, abs=1e-6)


def test_ae(monkeypatch: pytest.MonkeyPatch):
    peer = _peer(PeerMethod.AE)
    peer.network = Fixed(_reconstruction())
    _is(_score(peer), "ae", "score")
    (update,) = _updates(peer, monkeypatch)
    _is(update.objective(stored_images(), SEEDS), "ae", "loss")


def test_ae_u(monkeypatch: pytest.MonkeyPatch):
    peer = _peer(PeerMethod.AE_U)
    log_variance = wave(IMAGES, 1, SIDE, SIDE, pace=0.053, start=2, low=-2, high=1)
    peer.network = Fixed(torch.cat((_reconstruction(), log_variance), dim=1))
    _is(_score(peer), "ae_u", "score")
    (update,) = _updates(peer, monkeypatch)
    _is(update.objective(stored_images(), SEEDS), "ae_u", "loss")


def test_ddad_ae(monkeypatch: pytest.MonkeyPatch):
    peer = _peer(PeerMethod.DDAD_AE, protocol=Protocol.Y)
    normal, mixed = (
        nn.ModuleList(Fixed(_reconstruction(i, pace + 0.01 * i)) for i in range(3))
        for pace in (0.19, 0.23)
    )
    peer.normal_module, peer.mixed_module = normal, mixed
    _is(_score(peer), "ddad_ae", "inter")
    _is(_score(peer, ScoreKind.PEER_INTRA), "ddad_ae", "intra")
    _is(_score(peer, ScoreKind.PEER_RECONSTRUCTION), "ddad_ae", "reconstruction")
    (update,) = _updates(peer, monkeypatch)
    _is(update.objective(stored_images(), SEEDS), "ddad_ae", "loss")


class _Critic(nn.Module):
    """The sum of weight · image², and features that are given for real images and for made ones."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))
        self.asked = 0

    def forward(self, images: Tensor) -> Tensor:
        return (critic_weights() * images[:, 0].square()).sum(dim=(1, 2))

    def features(self, images: Tensor) -> Tensor:
        self.asked += 1  # first of the images, then of what was made of them
        return wave(len(images), 96, pace=0.17 if self.asked % 2 else 0.31, low=-1)


def test_f_anogan(monkeypatch: pytest.MonkeyPatch):
    peer = _peer(PeerMethod.F_ANOGAN)
    peer.generator, peer.encoder, peer.critic = Fixed(_reconstruction()), nn.Identity(), _Critic()
    _is(_score(peer), "f_anogan", "score")
    peer.encoder = Fixed(torch.zeros(IMAGES, 128))
    gan, inversion = _phases(peer, monkeypatch)
    share, latent = wave(IMAGES, 1, 1, 1, pace=1.1), torch.zeros(IMAGES, 128)
    judged, made = (update.objective for update in gan.updates)
    _is(judged(stored_images(), latent, share, latent), "f_anogan", "critic_loss")
    _is(made(stored_images(), latent, share, latent), "f_anogan", "generator_loss")
    assert gan.updates[1].every == 5  # critic steps for each of the generator's
    found = inversion.updates[0].objective(stored_images(), SEEDS)
    _is(found, "f_anogan", "encoder_loss")


def test_draem(monkeypatch: pytest.MonkeyPatch):
    peer = _peer(PeerMethod.DRAEM)
    logits = wave(IMAGES, 2, SIDE, SIDE, pace=0.029, start=3, low=-3, high=3)
    peer.reconstructing, peer.marking = Fixed(_grey_reconstruction()), Fixed(logits)
    _is(_score(peer), "draem", "score_5")  # 21 pixels of 256 are 5 of 64
    mask = (wave(IMAGES, SIDE, SIDE, pace=0.0031) > 0.6).float()
    made = lambda _kind, images, *_: Synthetic(images, mask)  # noqa: E731
    monkeypatch.setattr("amae_engine.peers.draem.synthesise", made)
    always = lambda count, **_: torch.zeros(count)  # noqa: E731
    monkeypatch.setattr("amae_engine.peers.draem.torch.rand", always)
    (update,) = _updates(peer, monkeypatch)
    # the original adds 1e-5 to each probability; ours is its logarithm without one
    _is(update.objective(stored_images(), SEEDS), "draem", "loss", rel=1e-4)


def test_igd(monkeypatch: pytest.MonkeyPatch):
    peer = _peer(PeerMethod.IGD)
    codes = wave(IMAGES, 128, pace=0.41, low=-0.5, high=0.7)
    peer.encoder = Fixed(codes)
    peer.generator = Fixed(_grey_reconstruction() * 2 - 1)
    peer.critic = Fixed(wave(IMAGES, 1, pace=0.9, low=-2, high=2))
    peer.centre.copy_(wave(128, pace=0.23, low=-0.4, high=0.6))
    peer.spread.fill_(9.0)
    _is(_score(peer), "igd", "score")
    own, judged = (update.objective for update in _updates(peer, monkeypatch))
    share = wave(IMAGES, 1, pace=1.7, high=0.5)
    _is(own(stored_images(), share), "igd", "loss")
    _is(judged(stored_images(), share), "igd", "critic_loss")


def test_igd_s_centre_and_spread(monkeypatch: pytest.MonkeyPatch):
    peer = _peer(PeerMethod.IGD)
    rows = iter(wave(IMAGES, 128, pace=0.41, low=-0.5, high=0.7).split(2))  # batches of two
    monkeypatch.setattr(peer.encoder, "forward", lambda _images: next(rows))
    (phase,) = _phases(peer, monkeypatch)
    assert phase.prepare is not None
    phase.prepare(0)
    _is(peer.centre, "igd", "centre")
    _is(peer.spread, "igd", "sigma")


def test_cutpaste_and_anatpaste(monkeypatch: pytest.MonkeyPatch):
    peer = _peer(PeerMethod.CUTPASTE)
    peer.known = nn.functional.normalize(wave(6, 32, pace=0.77, low=-1))
    peer.backbone = Fixed(wave(IMAGES, 32, pace=0.37, low=-1))
    peer.head = Fixed(torch.zeros(2 * IMAGES, 2))
    _is(_score(peer), "cutpaste", "score_but_for_its_constant")
    peer.head = Fixed(wave(2 * IMAGES, 2, pace=0.8, low=-2, high=2))
    peer.backbone = Fixed(torch.zeros(2 * IMAGES, 32))
    monkeypatch.setattr(peer, "_unit_features", lambda _stored: peer.known)
    (update,) = _updates(peer, monkeypatch)
    _is(update.objective(stored_images(), SEEDS), "cutpaste", "loss")


@pytest.mark.parametrize("method", [PeerMethod.FPI, PeerMethod.PII, PeerMethod.NSA])
def test_the_segmenters(method: PeerMethod, monkeypatch: pytest.MonkeyPatch):
    peer = _peer(method)
    logits = wave(IMAGES, SIDE, SIDE, pace=0.029, start=3, low=-3, high=3)
    monkeypatch.setattr(peer, "_logits", lambda images: logits[: len(images)])
    _is(_score(peer), "segmenter", "score")
    labels = wave(IMAGES, SIDE, SIDE, pace=0.013)
    made = lambda _kind, images, *_: Synthetic(images, labels)  # noqa: E731
    monkeypatch.setattr("amae_engine.peers.synthetic_segmenter.synthesise", made)
    (update,) = _updates(peer, monkeypatch)
    _is(update.objective(stored_images(), SEEDS), "segmenter", "loss")


@pytest.mark.parametrize(
    ("method", "make"), [("fpi", interpolation.fpi), ("pii", interpolation.pii)]
)
def test_foreign_patches_and_their_labels(
    method: str, make: Callable[..., tuple[Tensor, Tensor]], monkeypatch: pytest.MonkeyPatch
):
    """One square in each of two images, the same as the original got."""
    grey = stored_images().float() / 255
    squares = (
        torch.tensor([[3.0, 10.0], [20.0, 50.0]]),
        torch.tensor([[22.0, 33.0], [41.0, 61.0]]),
        torch.tensor([0.3, 0.8]),
    )
    monkeypatch.setattr(interpolation, "_squares", lambda *_: squares)
    images, labels = make(grey[:2], grey[2:], torch.Generator())
    assert images.mean(dim=2).numpy().ravel() == pytest.approx(
        np.array(NUMBERS[method]["row_means"]), abs=5e-5
    )  # an 80th of a grey value of 255; in float32
    _is(labels.sum(dim=(1, 2)), method, "label_sums", rel=1e-3)


def test_nsa_s_label():
    """Its median is taken on 16 levels, so it is right to half a level."""
    old = (wave(256, 256, pace=0.0123) * 200).round()
    new = old.clone()
    new[40:120, 60:150] += wave(80, 90, pace=0.0071, high=24).round()
    new[200:206, 10:240] += 3
    new[230, 230] += 90
    label = nsa.logistic_label((new.clamp(0, 255) - old).abs()[None] / 255)[0]
    half = (1 - 1 / (1 + np.exp(2))) / 32
    for name, axis in (("label_row_means", 1), ("label_column_means", 0)):
        found, expected = label.mean(dim=axis).numpy(), np.array(NUMBERS["nsa"][name])
        assert np.abs(found - expected).max() < half
        assert found.mean() == pytest.approx(expected.mean(), rel=0.02)
