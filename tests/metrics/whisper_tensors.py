"""Whisper's tensors out of a CTranslate2 file, written as openai-whisper and transformers keep them.

For tests: the packages of extra `judges` carry CTranslate2's conversion alone, and the other two recognisers shall run
with real weights too. The file's layout and names are those of ctranslate2/specs/model_spec.py and whisper_spec.py.
"""

import json
import struct
from pathlib import Path

import numpy as np
import torch

TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def read(path: Path) -> dict[str, np.ndarray]:
    """Name to array of every variable of a CTranslate2 model file of version 6 without quantised weights."""
    data, at = path.read_bytes(), 0

    def take(form: str) -> tuple:
        nonlocal at
        found = struct.unpack_from(form, data, at)
        at += struct.calcsize(form)
        return found

    def text() -> str:
        (size,) = take("<H")
        return take(f"<{size}s")[0].rstrip(b"\0").decode()

    take("<I")
    assert text() == "WhisperSpec"
    _, count = take("<II")
    found = {}
    for _ in range(count):
        name, (rank,) = text(), take("<B")
        shape = take(f"<{rank}I")
        kind, size = take("<BI")
        found[name] = np.frombuffer(data, TYPES[kind], size // np.dtype(TYPES[kind]).itemsize, at).reshape(shape)
        at += size
    return found


def widen(path: Path, to: Path, bands: int) -> None:
    """A copy of a CTranslate2 model that hears `bands` mel bands, the added ones with weights of zero."""
    data, name = path.read_bytes(), b"encoder/conv1/weight\0"
    at = data.index(name) + len(name)
    _, *shape, kind, size = struct.unpack_from("<B3IBI", data, at)
    start = at + struct.calcsize("<B3IBI")
    old = np.frombuffer(data, TYPES[kind], size // np.dtype(TYPES[kind]).itemsize, start).reshape(shape)
    new = np.zeros((shape[0], bands, shape[2]), TYPES[kind])
    new[:, : shape[1]] = old
    header = struct.pack("<B3IBI", 3, *new.shape, kind, new.nbytes)
    to.write_bytes(data[:at] + header + new.tobytes() + data[start + size :])


def state(tensors: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The state dictionary of openai-whisper."""
    found: dict[str, np.ndarray] = {
        "decoder.token_embedding.weight": tensors["decoder/embeddings/weight"],
        "decoder.positional_embedding": tensors["decoder/position_encodings/encodings"],
        "encoder.positional_embedding": tensors["encoder/position_encodings/encodings"],
    }
    for name in ("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"):
        found[f"encoder.{name}"] = tensors[f"encoder/{name.replace('.', '/')}"]

    def norm(to: str, source: str) -> None:
        found[f"{to}.weight"], found[f"{to}.bias"] = tensors[f"{source}/gamma"], tensors[f"{source}/beta"]

    def linear(to: str, source: str) -> None:
        found[f"{to}.weight"], found[f"{to}.bias"] = tensors[f"{source}/weight"], tensors[f"{source}/bias"]

    def attention(to: str, source: str) -> None:
        norm(f"{to}_ln", f"{source}/layer_norm")
        own = f"{source}/linear_2/weight" not in tensors
        names = ("query", "key", "value") if own else ("key", "value")
        fused = f"{source}/linear_{0 if own else 1}"
        weights = np.split(tensors[f"{fused}/weight"], len(names))
        biases = np.split(tensors[f"{fused}/bias"], len(names))
        for name, weight, bias in zip(names, weights, biases, strict=True):
            found[f"{to}.{name}.weight"] = weight
            if name != "key":  # the only one without a bias
                found[f"{to}.{name}.bias"] = bias
        if not own:
            linear(f"{to}.query", f"{source}/linear_0")
        linear(f"{to}.out", f"{source}/linear_{1 if own else 2}")

    for part, last in (("encoder", "ln_post"), ("decoder", "ln")):
        norm(f"{part}.{last}", f"{part}/layer_norm")
        ends = "/self_attention/linear_0/weight"
        layers = {name.split("/")[1] for name in tensors if name.startswith(f"{part}/") and name.endswith(ends)}
        for layer in layers:
            to, source = f"{part}.blocks.{layer.removeprefix('layer_')}", f"{part}/{layer}"
            attention(f"{to}.attn", f"{source}/self_attention")
            if part == "decoder":
                attention(f"{to}.cross_attn", f"{source}/attention")
            norm(f"{to}.mlp_ln", f"{source}/ffn/layer_norm")
            linear(f"{to}.mlp.0", f"{source}/ffn/linear_0")
            linear(f"{to}.mlp.2", f"{source}/ffn/linear_1")
    return {name: torch.from_numpy(np.array(value)) for name, value in found.items()}


def write_openai(tensors: dict[str, np.ndarray], path: Path, heads: int) -> None:
    """A checkpoint as openai-whisper loads it."""
    layers = len({name.split("/")[1] for name in tensors if name.endswith("self_attention/linear_0/weight")})
    vocabulary, width = tensors["decoder/embeddings/weight"].shape
    dims = {
        "n_mels": tensors["encoder/conv1/weight"].shape[1],
        "n_vocab": vocabulary,
        "n_audio_ctx": len(tensors["encoder/position_encodings/encodings"]),
        "n_text_ctx": len(tensors["decoder/position_encodings/encodings"]),
        **{f"n_{part}_state": width for part in ("audio", "text")},
        **{f"n_{part}_head": heads for part in ("audio", "text")},
        **{f"n_{part}_layer": layers for part in ("audio", "text")},
    }
    torch.save({"dims": dims, "model_state_dict": state(tensors)}, path)


# openai-whisper's name, transformers' name
NAMES = (
    ("blocks.", "layers."),
    (".mlp.0.", ".fc1."),
    (".mlp.2.", ".fc2."),
    (".mlp_ln.", ".final_layer_norm."),
    (".cross_attn_ln.", ".encoder_attn_layer_norm."),
    (".cross_attn.", ".encoder_attn."),
    (".attn_ln.", ".self_attn_layer_norm."),
    (".attn.", ".self_attn."),
    (".query.", ".q_proj."),
    (".key.", ".k_proj."),
    (".value.", ".v_proj."),
    (".out.", ".out_proj."),
    ("encoder.ln_post.", "encoder.layer_norm."),
    ("decoder.ln.", "decoder.layer_norm."),
    ("encoder.positional_embedding", "encoder.embed_positions.weight"),
    ("decoder.positional_embedding", "decoder.embed_positions.weight"),
    ("decoder.token_embedding.", "decoder.embed_tokens."),
)


def sizes(width: int, layers: int, heads: int, vocabulary: int, bands: int = 80) -> dict[str, int]:
    """Arguments of transformers' WhisperConfig: encoder and decoder alike, inner layers four times as wide."""
    both = {"layers": layers, "attention_heads": heads, "ffn_dim": 4 * width}
    sides = {f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in both.items()}
    return {"vocab_size": vocabulary, "num_mel_bins": bands, "d_model": width, **sides}


def write_transformers(tensors: dict[str, np.ndarray], place: Path, heads: int) -> None:
    """A folder as transformers loads it, without a tokenizer."""
    import transformers

    weights = {}
    for name, value in state(tensors).items():
        for theirs, ours in NAMES:
            name = name.replace(theirs, ours)
        weights[f"model.{name}"] = value.float()
    layers = len({name.split(".")[3] for name in weights if name.startswith("model.encoder.layers.")})
    vocabulary, width = weights["model.decoder.embed_tokens.weight"].shape
    bands = weights["model.encoder.conv1.weight"].shape[1]
    config = transformers.WhisperConfig(**sizes(width, layers, heads, vocabulary, bands))
    model = transformers.WhisperForConditionalGeneration(config)
    lost, extra = model.load_state_dict(weights, strict=False)
    assert set(lost) <= {"proj_out.weight"} and not extra, (lost, extra)
    model.tie_weights()
    model.save_pretrained(place)
    (place / "preprocessor_config.json").write_text(json.dumps({"feature_size": config.num_mel_bins}))
    (place / "generation_config.json").write_text("{}")
