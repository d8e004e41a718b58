"""Build a peer by its name; write and read its weights."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from amae_engine.config import ModelConfig
from amae_engine.config.peers import PeerConfig, PeerMethod
from amae_engine.errors import AmaeError, BadWeights
from amae_engine.models.masked_autoencoder import MaskedAutoencoder
from amae_engine.models.safetensors_file import read_safetensors, write_safetensors
from amae_engine.peers.amae_variants import MaskReconstruction, NoPseudoLabels
from amae_engine.peers.autoencoder import Autoencoder
from amae_engine.peers.contract import Peer
from amae_engine.peers.ddad import Ddad
from amae_engine.peers.draem import Draem
from amae_engine.peers.f_anogan import FAnoGan
from amae_engine.peers.igd import Igd
from amae_engine.peers.synthetic_classifier import SyntheticClassifier
from amae_engine.peers.synthetic_segmenter import SyntheticSegmenter

_FORMAT = "amae-peer-1"
_OWN_NETWORK: dict[PeerMethod, type[Peer]] = {
    PeerMethod.AE: Autoencoder,
    PeerMethod.AE_U: Autoencoder,
    PeerMethod.F_ANOGAN: FAnoGan,
    PeerMethod.IGD: Igd,
    PeerMethod.DRAEM: Draem,
    PeerMethod.DDAD_AE: Ddad,
    PeerMethod.CUTPASTE: SyntheticClassifier,
    PeerMethod.CUTPASTE_SCAR: SyntheticClassifier,
    PeerMethod.CUTPASTE_UNION: SyntheticClassifier,
    PeerMethod.ANATPASTE: SyntheticClassifier,
    PeerMethod.FPI: SyntheticSegmenter,
    PeerMethod.PII: SyntheticSegmenter,
    PeerMethod.NSA: SyntheticSegmenter,
}
_FROM_MAE: dict[PeerMethod, type[MaskReconstruction | NoPseudoLabels]] = {
    PeerMethod.MASK_RECONSTRUCTION: MaskReconstruction,
    PeerMethod.NO_PSEUDO_LABELS: NoPseudoLabels,
}


def make_peer(config: PeerConfig, start: MaskedAutoencoder | None = None) -> Peer:
    """An untrained peer, initialised by `config.seed`, on the CPU.

    Args:
        config: Its settings; every 0 becomes the method's own value.
        start: (f0, g0), which AMAE's variants train on in place.
    """
    torch.manual_seed(config.seed)
    config = config.completed
    if config.method in _OWN_NETWORK:
        # on a CPU convolutions are faster with channels last: IGD's step by a fifth
        return _OWN_NETWORK[config.method](config).to(memory_format=torch.channels_last)
    if start is None:
        raise ValueError(f"{config.method} starts from a masked autoencoder; give one.")
    return _FROM_MAE[config.method](config, start)


def save_peer(peer: Peer, path: Path) -> None:
    """Write weights and settings; never a half-written file."""
    facts = {"format": _FORMAT, "config": peer.config.to_json(), **peer.facts()}
    write_safetensors(path, peer.state_dict(), facts)


def load_peer(path: Path) -> Peer:
    """A trained peer on the CPU, in evaluation mode.

    Raises:
        BadWeights: The file is missing, damaged or no peer's.
    """
    state, facts = read_safetensors(path)
    if facts.get("format") != _FORMAT:
        raise BadWeights(f"{path.name} is no peer's weights; choose a file of an `amae peer` run.")
    try:
        config = PeerConfig.from_dict(json.loads(facts["config"]))
        start = None
        if "model" in facts:
            start = MaskedAutoencoder(ModelConfig.from_dict(json.loads(facts["model"])))
        peer = make_peer(config.replace(backbone_weights=""), start)
        for name, buffer in peer.named_buffers():
            if name in state:
                buffer.resize_(state[name].shape)  # what was remembered of the training images
        peer.load_state_dict(state)
    except (AmaeError, KeyError, ValueError, RuntimeError) as error:
        raise BadWeights(f"{path.name} is damaged or of another version: {error}") from error
    return peer.eval()
