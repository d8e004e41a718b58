"""Encoders of timm: from a file of their weights, or from the hub, and what is refused."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from amae_engine.config.peers import PeerConfig, PeerMethod
from amae_engine.errors import BadWeights
from amae_engine.jobs.training.starting_weights import encoder_path
from amae_engine.models.checkpoint import GREY_MEAN, GREY_STD
from amae_engine.models.encoders import ENCODER_FORMAT, load_encoder
from amae_engine.models.timm_weights import convert
from amae_engine.peers.backbones import make_backbone
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


def test_another_width_is_reported_by_name(project: Project, timm_file: Path):
    with pytest.raises(BadWeights, match=r"cls_token is \(1, 1, 192\), not \(1, 1, 384\)"):
        encoder_path(project, f"timm:vit_small_patch16_224={timm_file}")


def test_missing_and_extra_names_are_listed(project: Project, tmp_path: Path):
    state = timm.create_model(TINY, num_classes=0).state_dict()
    del state["blocks.3.mlp.fc1.weight"]
    save_file({**state, "saliency": torch.zeros(2)}, tmp_path / "odd.safetensors")
    with pytest.raises(BadWeights, match=r"blocks\.3\.mlp\.fc1\.weight.*saliency"):
        encoder_path(project, f"timm:{TINY}={tmp_path / 'odd.safetensors'}")


@pytest.mark.parametrize("model", ["densenet121", "tf_efficientnet_lite0"])
def test_a_convolutional_network_becomes_an_encoder_of_the_same_grid(
    project: Project, tmp_path: Path, model: str
):
    torch.manual_seed(0)
    plain = timm.create_model(model)  # with its class head, as it is published
    torch.save(plain.state_dict(), tmp_path / "weights.pth")
    path = encoder_path(project, f"timm:{model}={tmp_path / 'weights.pth'}")
    assert path is not None
    encoder = load_encoder(path)
    widths = [plain.feature_info[n]["num_chs"] for n in (2, 3, 4)]  # 8, 16 and 32 pixels
    assert (encoder.image_size, encoder.grid) == (256, 16)
    assert [group.width for group in encoder.groups] == widths
    grey = torch.rand(2, 1, 256, 256)
    with torch.no_grad():
        mean, std = (
            torch.tensor(plain.pretrained_cfg[n]).view(1, 3, 1, 1) for n in ("mean", "std")
        )
        fine, middle, coarse = plain.eval().forward_intermediates(
            (grey - mean) / std, indices=[2, 3, 4], intermediates_only=True
        )
        standardised = (grey - GREY_MEAN) / GREY_STD
        found, of_map = encoder.patch_tokens(standardised), encoder.map_tokens(standardised)
    expected = torch.cat(
        (
            torch.nn.functional.avg_pool2d(fine, 2),
            middle,
            coarse.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3),
        ),
        dim=1,
    )
    expected = expected.flatten(2).transpose(1, 2)
    assert found.shape == (2, 256, sum(widths))
    spread = expected.std()
    assert (found - expected).abs().max() < 0.05 * spread  # float16 weights
    assert torch.equal(of_map, found[..., widths[0] : widths[0] + widths[1]])


def test_a_random_encoder_is_the_same_for_everyone(project: Project, tmp_path: Path):
    path = encoder_path(project, f"timm:{TINY}=random")
    assert path is not None
    assert path.name == f"{TINY}-random.safetensors"
    first = load_file(path)
    path.unlink()
    torch.manual_seed(5)
    encoder_path(project, f"timm:{TINY}=random")
    again = load_file(path)
    assert all(torch.equal(again[name], values) for name, values in first.items())
    assert load_encoder(path).grid == 16


def test_another_patch_size_is_not_resampled_in_silence(project: Project, timm_file: Path):
    with pytest.raises(BadWeights, match="has patches of 16 px, .* has patches of 32 px"):
        encoder_path(project, f"timm:vit_small_patch32_224={timm_file}")


def test_unknown_names_and_other_networks_are_refused(project: Project, timm_file: Path):
    with pytest.raises(BadWeights, match="no model 'vit_tiny_patch16_223'; close to it are vit_ti"):
        encoder_path(project, "timm:vit_tiny_patch16_223")
    with pytest.raises(BadWeights, match="'swin_tiny_patch4_window7_224' is no plain vision"):
        encoder_path(project, f"timm:swin_tiny_patch4_window7_224={timm_file}")
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


class _Runs:
    """What a pickle can hold: a call."""

    def __init__(self, proof: Path) -> None:
        self._proof = proof

    def __reduce__(self):
        return Path.touch, (self._proof,)


def test_no_code_comes_with_weights(tmp_path: Path):
    proof, file = tmp_path / "ran", tmp_path / "weights.pth"
    torch.save({"model": {"cls_token": torch.zeros(1, 1, 8)}, "more": _Runs(proof)}, file)
    with pytest.raises(BadWeights, match=r"weights\.pth cannot be read as weights of timm"):
        convert("vit_tiny_patch16_224", file, tmp_path / "target.safetensors")
    config = PeerConfig(method=PeerMethod.CUTPASTE, image_size=32, backbone_weights=str(file))
    with pytest.raises(BadWeights, match="cannot be had"):
        make_backbone(config)
    assert not proof.exists()


@pytest.mark.parametrize("name", ["hf-hub:somebody/model", "local-dir:encoder", "../x"])
def test_an_encoder_file_names_no_hub(tmp_path: Path, name: str):
    path = tmp_path / "encoder.safetensors"
    facts = {"format": ENCODER_FORMAT, "timm": name, "image_size": "224"}
    save_file({"x": torch.zeros(1)}, path, metadata=facts)
    with pytest.raises(BadWeights, match="names no model of timm"):
        load_encoder(path)
