"""Encoders of timm: from a file of their weights, or from the hub, and what is refused."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from amae_engine.errors import BadWeights
from amae_engine.jobs.training.starting_weights import encoder_path
from amae_engine.models.checkpoint import GREY_MEAN, GREY_STD
from amae_engine.models.encoders import load_encoder
from amae_engine.project import Project

TINY = "vit_tiny_patch16_224"


@pytest.fixture
def timm_file(tmp_path: Path) -> Path:
    """timm's own file of a network at its own size, with its class head."""
    torch.manual_seed(0)
    path = tmp_path / "tiny.safetensors"
    save_file(timm.create_model(TINY).state_dict(), path)
    return path


def test_a_file_of_timm_s_becomes_an_encoder_of_a_grid_of_16(project: Project, timm_file: Path):
    name = f"timm:{TINY}={timm_file}"
    path = encoder_path(project, name)
    assert path.parent == project.folder / "encoders"
    assert encoder_path(project, name) == path  # made once
    encoder = load_encoder(path)
    assert (encoder.image_size, encoder.grid, encoder.blocks) == (256, 16, (6, 9, 12))
    plain = timm.create_model(
        TINY, pretrained=True, img_size=256, pretrained_cfg_overlay={"file": str(timm_file)}
    ).eval()
    grey = torch.rand(1, 1, 256, 256)
    with torch.no_grad():
        expected = plain.forward_intermediates(
            (grey.expand(-1, 3, -1, -1) - 0.5) / 0.5,  # its own mean and spread, not ImageNet's
            indices=[8], norm=False, output_fmt="NLC", intermediates_only=True,
        )[0]  # fmt: skip
        found = encoder.map_tokens((grey - GREY_MEAN) / GREY_STD)
    assert torch.allclose(found, expected, atol=2e-2)


def test_another_width_is_told_by_name(project: Project, timm_file: Path):
    with pytest.raises(BadWeights, match=r"cls_token is \(1, 1, 192\), not \(1, 1, 384\)"):
        encoder_path(project, f"timm:vit_small_patch16_224={timm_file}")


def test_missing_and_extra_names_are_listed(project: Project, tmp_path: Path):
    state = timm.create_model(TINY, num_classes=0).state_dict()
    del state["blocks.3.mlp.fc1.weight"]
    save_file({**state, "saliency": torch.zeros(2)}, tmp_path / "odd.safetensors")
    with pytest.raises(BadWeights, match=r"blocks\.3\.mlp\.fc1\.weight.*saliency"):
        encoder_path(project, f"timm:{TINY}={tmp_path / 'odd.safetensors'}")


def test_another_patch_size_is_not_resampled_in_silence(project: Project, timm_file: Path):
    with pytest.raises(BadWeights, match="has patches of 16 px, .* has patches of 32 px"):
        encoder_path(project, f"timm:vit_small_patch32_224={timm_file}")


def test_unknown_names_and_other_networks_are_refused(project: Project, timm_file: Path):
    with pytest.raises(BadWeights, match="no model 'vit_tiny_patch16_223'; close to it are vit_ti"):
        encoder_path(project, "timm:vit_tiny_patch16_223")
    with pytest.raises(BadWeights, match="'resnet18' is no plain vision transformer"):
        encoder_path(project, f"timm:resnet18={timm_file}")
    with pytest.raises(BadWeights, match="the file gone.safetensors is missing"):
        encoder_path(project, f"timm:{TINY}=/nowhere/gone.safetensors")
    (timm_file.parent / "broken.safetensors").write_bytes(b"nothing")
    with pytest.raises(BadWeights, match="cannot be read"):
        encoder_path(project, f"timm:{TINY}={timm_file.parent / 'broken.safetensors'}")
    assert not list((project.folder / "encoders").glob("*"))


def test_without_a_network_one_sentence_at_once(project: Project, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(BadWeights, match=r"127\.0\.0\.1, which cannot be reached.*=FILE"):
        encoder_path(project, f"timm:{TINY}")
