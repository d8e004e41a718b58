"""How long a peer trains here: a trial of a few steps, before a run is started."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch

from amae_engine.config.peers import PeerConfig, PeerMethod, Protocol
from amae_engine.method.stored_images import StoredImages
from amae_engine.models.masked_autoencoder import MaskedAutoencoder
from amae_engine.peers.contract import Peer, TrainingImages
from amae_engine.peers.peer_factory import make_peer

_STEPS = (2, 6)  # of the two trials; their difference is free of what every fit begins with
_PAIR = 2  # images, the fewest that a step can have
_SLOW = 10.0  # seconds of a first pair, beyond which it is the whole trial


def seconds_of_epochs(
    config: PeerConfig,
    normals: int,
    unlabeled: int,
    device: torch.device,
    start: MaskedAutoencoder | None = None,
) -> float:
    """Seconds that an epoch of each phase takes together, by a trial on noise.

    Args:
        config: Completed settings.
        normals: Training images of N.
        unlabeled: Of U; 0 under protocol N.
        device: Where it would train.
        start: (f0, g0) of AMAE's own variants; it is trained on, so give a copy.
    """
    images = _images_of_a_phase(config, normals, unlabeled)
    pair = make_peer(config.replace(epochs=1, batch_size=_PAIR), start).to(device)
    first = _fit(pair, 1, device)  # with what is loaded and chosen at the first step
    if first > _SLOW:
        return first * images / _PAIR
    peer = make_peer(config.replace(epochs=1), start).to(device)
    few, more = (_fit(peer, steps, device) for steps in _STEPS)
    per_step = max((more - few) / (_STEPS[1] - _STEPS[0]), 1e-6)
    return per_step * images / config.batch_size


def _images_of_a_phase(config: PeerConfig, normals: int, unlabeled: int) -> float:
    """The mean over a method's phases of the images that they learn from."""
    if config.protocol is Protocol.N:
        return normals
    if config.method is PeerMethod.DDAD_AE:  # one half learns N, the other N and U
        return normals + unlabeled / 2
    if config.method is PeerMethod.NO_PSEUDO_LABELS:  # one learns N, the other U
        return (normals + unlabeled) / 2
    return normals + unlabeled


def _fit(peer: Peer, steps: int, device: torch.device) -> float:
    count = steps * peer.config.batch_size
    random = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (count, 256, 256), generator=random, dtype=torch.uint8)
    images = StoredImages.of(noise.to(device))
    size = peer.config.image_size
    lungs = None
    if peer.needs_lungs:
        mask = torch.zeros(count, size, size, dtype=torch.uint8, device=device)
        mask[:, size // 4 : -size // 4, size // 4 : -size // 4] = 1
        lungs = StoredImages.of(mask)
    training = TrainingImages(images, images, images, lungs)
    with tempfile.TemporaryDirectory(prefix="amae-trial-") as folder:
        began = time.perf_counter()
        for _ in peer.fit(training, 0, Path(folder) / "trial.pt"):
            pass
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - began
