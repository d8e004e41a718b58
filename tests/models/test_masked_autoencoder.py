"""The network against the numbers of the original code."""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from demo_images import ROOT, TINY

from amae_engine.config import PRESETS, ModelConfig
from amae_engine.errors import BadWeights
from amae_engine.jobs.training.starting_weights import SHIPPED
from amae_engine.method.masking import masks_from_noise
from amae_engine.method.reconstruction import masked_loss
from amae_engine.models.checkpoint import load_weights, save_weights
from amae_engine.models.masked_autoencoder import MaskedAutoencoder
from amae_engine.models.transformer_block import NORM, TransformerBlock
from amae_engine.resources import resource


@pytest.fixture(scope="module")
def reference(shared: Path) -> dict[str, torch.Tensor]:
    with np.load(shared / "reference" / "medical_mae_tiny.npz") as stored:
        return {name: torch.as_tensor(stored[name]) for name in stored.files}


@pytest.fixture(scope="module")
def official(shared: Path) -> Path:
    return shared / "reference" / "medical_mae_tiny.pth"


REFERENCE_HEADS = (3, 4)  # as ../shared/reference/README.md says; its `args` name another network


def test_official_checkpoint_reproduces_the_original_predictions(reference, official):
    network = load_weights(official, channels=3, heads=REFERENCE_HEADS).network
    images = reference["images"].repeat(1, 3, 1, 1)
    masks = masks_from_noise(reference["noise"], 0.75)
    with torch.no_grad():
        patches = network.patchify(images)
        predicted = network.decode(network.encode(patches, masks.kept), masks.kept)
        loss = masked_loss(network, images, masks)
    assert torch.allclose(predicted, reference["prediction"], atol=1e-5)
    assert torch.allclose(network.unpatchify(predicted), reference["reconstruction"], atol=1e-5)
    assert loss.item() == pytest.approx(float(reference["loss"]), abs=1e-5)


def test_official_checkpoint_reproduces_the_original_tokens(reference, official):
    network = load_weights(official, channels=3, heads=REFERENCE_HEADS).network
    with torch.no_grad():
        tokens = network.encode(network.patchify(reference["images"].repeat(1, 3, 1, 1)))
    assert torch.allclose(tokens[:, 1:], reference["tokens"], atol=1e-5)
    assert torch.allclose(tokens[:, 0], reference["class_token"], atol=1e-5)


def test_grey_conversion_is_the_same_function(reference, official):
    loaded = load_weights(official, heads=REFERENCE_HEADS)
    masks = masks_from_noise(reference["noise"], 0.75)
    with torch.no_grad():
        patches = loaded.network.patchify(reference["images"])
        tokens = loaded.network.encode(patches)
        grey = loaded.network.decode(loaded.network.encode(patches, masks.kept), masks.kept)
    colour = reference["prediction"].unflatten(2, (256, 3)).mean(dim=-1)
    assert torch.allclose(tokens[:, 1:], reference["tokens"], atol=1e-5)
    assert torch.allclose(grey, colour, atol=1e-5)
    assert "grey" in loaded.notes[0]


def test_patchify_and_unpatchify_are_inverse():
    network = MaskedAutoencoder(TINY)
    images = torch.rand(2, 1, 64, 64)
    assert torch.equal(network.unpatchify(network.patchify(images)), images)


def test_visible_patches_alone_determine_the_reconstruction():
    network = MaskedAutoencoder(TINY).eval()
    images = torch.rand(1, 1, 64, 64)
    masks = masks_from_noise(torch.rand(1, 16), 0.75)
    patches = network.patchify(images)
    changed = patches.clone()
    changed[0, masks.removed[0]] = 9.0
    with torch.no_grad():
        first = network.decode(network.encode(patches, masks.kept), masks.kept)
        second = network.decode(network.encode(changed, masks.kept), masks.kept)
    assert torch.equal(first, second)


def test_plain_and_fused_attention_agree():
    network = MaskedAutoencoder(TINY).eval()
    patches = network.patchify(torch.rand(2, 1, 64, 64))
    with torch.no_grad():
        network.choose_attention("cuda")
        fused = network.encode(patches)
        network.choose_attention("cpu")
        plain = network.encode(patches)
    assert torch.allclose(fused, plain, atol=1e-5)


def test_bf16_agrees_with_float32_within_two_percent():
    network = MaskedAutoencoder(PRESETS["compact"]).eval()
    images = torch.rand(2, 1, 128, 128)
    with torch.no_grad():
        exact = network.patch_tokens(images).mean(dim=1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            short = network.patch_tokens(images).mean(dim=1).float()
    assert (short - exact).norm() / exact.norm() < 0.02


def test_paper_preset_is_vit_small():
    paper = PRESETS["paper"]
    shape = (paper.encoder_width, paper.encoder_depth, paper.encoder_heads, paper.patches)
    assert shape == (384, 12, 6, 196)
    assert (paper.decoder_width, paper.decoder_depth, paper.decoder_heads) == (512, 2, 16)


def test_our_weights_come_back_as_they_were(tmp_path: Path):
    network = MaskedAutoencoder(TINY)
    save_weights(network, tmp_path / "w.safetensors", {"note": "x"})
    again = load_weights(tmp_path / "w.safetensors").network
    assert again.config == TINY
    for one, two in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)


def test_missing_weights_name_the_file_and_what_to_do(tmp_path: Path):
    with pytest.raises(BadWeights, match=r"nothing\.pth: there is no such weights file; choose"):
        load_weights(tmp_path / "nothing.pth")


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path):
    class Harmful:
        def __reduce__(self):
            return (print, ("ran",))

    torch.save({"model": Harmful()}, tmp_path / "bad.pth")
    with pytest.raises(BadWeights, match="could run code"):
        load_weights(tmp_path / "bad.pth")


def test_encoder_only_files_say_what_is_missing(tmp_path: Path):
    state = MaskedAutoencoder(TINY).state_dict()
    encoder = {k: v for k, v in state.items() if not k.startswith(("decoder", "mask_token"))}
    encoder["pos_embed"] = torch.zeros(1, 17, 48)
    torch.save({"model": encoder, "args": argparse.Namespace(lr=1)}, tmp_path / "encoder.pth")
    loaded = load_weights(tmp_path / "encoder.pth", heads=(3,))
    assert "no decoder" in " ".join(loaded.notes)


def _official_file(path: Path, config: ModelConfig, **args: object) -> Path:
    """A checkpoint as the training scripts write it: weights, and what they say of themselves."""
    state = MaskedAutoencoder(config).state_dict()
    state["pos_embed"] = torch.zeros(1, config.patches + 1, config.encoder_width)
    content = {"model": state, "args": argparse.Namespace(**args)} if args else {"model": state}
    torch.save(content, path)
    return path


FACEBOOK_STYLE = ModelConfig(
    image_size=64, encoder_width=64, encoder_depth=2, encoder_heads=4,
    decoder_width=32, decoder_depth=1, decoder_heads=2,
)  # fmt: skip


@pytest.mark.parametrize("args", [{}, {"lr": 1.0}, {"model": "mae_vit_base_patch16"}])
def test_heads_that_nothing_tells_are_asked_for_and_never_guessed(tmp_path: Path, args):
    path = _official_file(tmp_path / "own.pth", FACEBOOK_STYLE, **args)
    with pytest.raises(BadWeights, match=r"own\.pth does not say how many attention heads its net"):
        load_weights(path)
    with pytest.raises(BadWeights, match=r"heads its decoder \(32 wide\) has"):
        load_weights(path, heads=(4,))
    assert load_weights(path, heads=(4, 2)).network.config == FACEBOOK_STYLE


def test_heads_that_the_training_script_wrote_count(tmp_path: Path):
    path = _official_file(tmp_path / "own.pth", FACEBOOK_STYLE, num_heads=4, decoder_num_heads=2)
    assert load_weights(path).network.config == FACEBOOK_STYLE


def test_heads_that_do_not_divide_the_width_are_refused(tmp_path: Path):
    path = _official_file(tmp_path / "own.pth", FACEBOOK_STYLE)
    with pytest.raises(BadWeights, match="the encoder is 64 wide, which 3 attention heads do not"):
        load_weights(path, heads=(3, 2))


@pytest.mark.parametrize("model", ["", "mae_vit_small_patch16_dec512d2b"])
def test_a_released_network_is_known_by_its_name_or_its_shape(tmp_path: Path, model: str):
    args = {"model": model} if model else {}
    path = _official_file(tmp_path / "small.pth", PRESETS["paper"], **args)
    assert load_weights(path).network.config == PRESETS["paper"]


def test_another_scripts_network_of_a_released_shape_is_asked_about(tmp_path: Path):
    path = _official_file(tmp_path / "other.pth", PRESETS["paper"], model="my_vit")
    with pytest.raises(BadWeights, match="attention heads"):
        load_weights(path)


def test_weights_of_another_width_list_the_mismatch(tmp_path: Path):
    network = MaskedAutoencoder(TINY)
    save_weights(network, tmp_path / "w.safetensors", {})
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(tmp_path / "w.safetensors", framework="pt") as file:
        facts = file.metadata()
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    state["norm.weight"] = torch.zeros(7)
    save_file(state, tmp_path / "bad.safetensors", metadata=facts)
    with pytest.raises(BadWeights, match=r"another network: norm\.weight is \(7,\)"):
        load_weights(tmp_path / "bad.safetensors")


@pytest.mark.parametrize("name", SHIPPED.values())
def test_the_weights_that_come_with_amae_are_the_compact_networks(name: str):
    loaded = load_weights(resource(f"weights/{name}"))
    assert loaded.network.config == PRESETS["compact"]
    assert loaded.notes == ()


@pytest.mark.parametrize("is_fused", [True, False])
def test_the_block_is_timm_s(is_fused: bool):
    from timm.models.vision_transformer import Block

    torch.manual_seed(3)
    ours = TransformerBlock(48, 3)
    torch.manual_seed(3)
    timm_s = Block(48, 3, qkv_bias=True, norm_layer=NORM)
    assert list(ours.state_dict()) == list(timm_s.state_dict())
    for name, value in timm_s.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value)  # the same draws in the same order
    ours.attn.is_fused = timm_s.attn.fused_attn = is_fused
    tokens = torch.randn(2, 17, 48)
    assert torch.allclose(ours(tokens), timm_s(tokens), atol=1e-6)


def test_a_network_needs_no_timm():
    code = "import sys, amae_engine.models.masked_autoencoder, amae_engine.models.checkpoint, amae_engine.peers.peer_factory; print('timm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
