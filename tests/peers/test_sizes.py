"""Compact peers are small and say so; epochs fit into the minutes that are given."""

from __future__ import annotations

import pytest
import torch
from demo_images import finish

from amae_engine.catalog import runs
from amae_engine.config.peers import LATENT, PeerConfig, PeerMethod, PeerSize, Protocol
from amae_engine.jobs.training.train_peer import train_peer
from amae_engine.peers import time_trial
from amae_engine.peers.peer_factory import make_peer

_HEAVY = (PeerMethod.F_ANOGAN, PeerMethod.IGD, PeerMethod.DRAEM)


def _parameters(config: PeerConfig) -> int:
    return sum(p.numel() for p in make_peer(config).parameters())


@pytest.mark.parametrize("method", _HEAVY)
def test_the_compact_size_is_a_tenth_at_most_and_named(method: PeerMethod):
    published, compact = (PeerConfig(method=method, size=size) for size in PeerSize)
    assert _parameters(compact) < _parameters(published) / 10
    assert compact.title != published.title
    assert f"{compact.completed.image_size} px" in compact.title


@pytest.mark.parametrize("method", [PeerMethod.CUTPASTE, PeerMethod.NSA])
def test_other_peers_see_smaller_images(method: PeerMethod):
    sizes = [PeerConfig(method=method, size=size).completed.image_size for size in PeerSize]
    assert sizes == [256, 64]


def test_small_autoencoders_have_both_latents():
    for method in (PeerMethod.AE, PeerMethod.AE_U, PeerMethod.DDAD_AE):
        own, four = PeerConfig(method=method), PeerConfig(method=method, latent=4)
        assert own.completed.latent == LATENT
        assert "latent" not in own.title
        assert "latent 4" in four.title
        assert _parameters(four) < _parameters(own)
    assert PeerConfig(method=PeerMethod.NSA).completed.latent == 0


def test_as_many_epochs_as_fit_and_never_more_than_the_method_s_own():
    config = PeerConfig(minutes=2.0).completed
    for seconds, epochs in ((1.0, 120), (0.1, config.epochs), (1000.0, 1)):
        assert config.within_minutes(seconds).epochs == epochs


def test_the_trial_s_own_start_does_not_count(monkeypatch):
    config = PeerConfig(method=PeerMethod.DDAD_AE, protocol=Protocol.Y).completed
    fitted = []

    def fit(_peer, steps: int, _device) -> float:
        fitted.append(steps)
        return 7.0 + 0.5 * steps  # seconds: what every fit begins with, and its steps

    monkeypatch.setattr(time_trial, "_fit", fit)
    seconds = time_trial.seconds_of_epochs(config, 640, 320, torch.device("cpu"))
    assert seconds == pytest.approx(0.5 * (640 + 160) / 64)  # half its networks learn N and U
    assert fitted == [1, 2, 6]


def test_a_slow_peer_s_trial_is_one_pair_of_images(monkeypatch):
    config = PeerConfig(method=PeerMethod.DRAEM).completed
    monkeypatch.setattr(
        time_trial, "_fit", lambda peer, steps, _: 20.0 * peer.config.batch_size * steps
    )
    seconds = time_trial.seconds_of_epochs(config, 100, 0, torch.device("cpu"))
    assert seconds == pytest.approx(20 * 100)


def test_a_peer_with_minutes_keeps_the_epochs_that_it_found(small_project, monkeypatch):
    monkeypatch.setattr(time_trial, "seconds_of_epochs", lambda *_: 20.0)
    run, _ = finish(train_peer(small_project, PeerConfig(minutes=1.0)))
    with small_project.session() as session:
        kept = runs.get(session, run).config
    assert (kept["epochs"], kept["minutes"]) == (3, 1.0)
