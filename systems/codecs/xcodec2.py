"""X-codec2, the tokenizer of Llasa: 16 kHz audio to 50 codes a second of one 65 536-entry codebook (arXiv 2502.04128).

Layer for layer the public X-Codec-2.0 code; parameter names are those of the published checkpoint.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttsbench.systems import weights
from ttsbench.systems.codecs.xcodec2_layers import AcousticEncoder, Generator, SemanticEncoder, XCodec2Shape
from ttsbench.systems.codecs.xcodec2_names import ours

TRAINING_ONLY = ("SemanticDecoder_module.", "fc_post_s.", "discriminator.", "spec_discriminator.", "mel_loss.")
FIXED = (".filter", "istft.window")  # buffers that no training changes


class XCodec2(nn.Module):
    """The codec (`systems.codecs.Codec`). Codes are (batch, frames, 1), one of 65 536; 50 frames, 800 bits a second."""

    name, codebooks = "xcodec2", 1

    def __init__(self, shape: XCodec2Shape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or XCodec2Shape()
        self.sample_rate, self.frame_rate = shape.sample_rate, shape.sample_rate / shape.hop
        self.semantic_model = _w2v_bert(shape)
        self.SemanticEncoder_module = SemanticEncoder(shape.semantic_dim)
        self.CodecEnc = AcousticEncoder(shape)
        self.fc_prior = nn.Linear(shape.joint, shape.joint)
        self.generator = Generator(shape)
        self.fc_post_a = nn.Linear(shape.joint, shape.dim)
        self.hop, self.codebook_size = shape.hop, self.generator.quantizer.size
        self.levels = (self.codebook_size,)
        self.bits_per_second = self.frame_rate * math.log2(self.codebook_size)

    def features(self, audio: Tensor) -> Tensor:
        """Filter banks for w2v-BERT, (batch, frames, 160), of audio (batch, samples) that is whole frames long."""
        from transformers import SeamlessM4TFeatureExtractor

        extract = SeamlessM4TFeatureExtractor(feature_size=80, num_mel_bins=80, padding_value=1.0, stride=2)
        rows = [F.pad(row, (self.shape.hop // 2, self.shape.hop // 2)).cpu().numpy() for row in audio]
        found = [extract(row, sampling_rate=self.sample_rate, return_tensors="pt")["input_features"] for row in rows]
        return torch.cat(found).to(audio.device)

    def hidden(self, audio: Tensor) -> Tensor:
        """Audio (batch, samples) to what is quantised, (batch, frames, joint); one zero or more is added."""
        audio = F.pad(audio, (0, self.shape.hop - audio.shape[-1] % self.shape.hop))
        return self.joined(audio, self.semantic(audio))

    @torch.no_grad()
    def semantic(self, audio: Tensor) -> Tensor:
        """w2v-BERT's features (batch, semantic_dim, frames) of audio (batch, samples) that is whole frames long."""
        return self.semantic_model(self.features(audio)).last_hidden_state.transpose(1, 2)

    def joined(self, audio: Tensor, semantic: Tensor) -> Tensor:
        """Semantic and acoustic features as one, (batch, frames, joint)."""
        both = torch.cat([self.SemanticEncoder_module(semantic), self.CodecEnc(audio[:, None])], dim=1)
        return self.fc_prior(both.transpose(1, 2))

    @torch.no_grad()
    def encode(self, audio: Tensor) -> Tensor:
        """(batch, samples) in [-1, 1] to codes (batch, frames, 1)."""
        return self.generator.quantizer.quantize(self.hidden(audio))[..., None]

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Codes (batch, frames, 1) to (batch, frames * hop)."""
        return self.synthesize(self.generator.quantizer.lookup(codes[..., 0]))

    def synthesize(self, quantized: Tensor) -> Tensor:
        """Quantised features (batch, frames, joint) to audio (batch, frames * hop)."""
        return self.generator.head(self.generator.backbone(self.fc_post_a(quantized)))

    def decode_stream(self, pieces: Iterable[Tensor]) -> Iterator[Tensor]:
        """The decoder attends to the whole utterance, so all audio comes at once, when the codes have ended."""
        codes = list(pieces)
        if codes:
            yield self.decode(torch.cat(codes, dim=1))

    def load(self, tensors: dict[str, Tensor], where: Path | str = "X-codec2") -> None:
        """Load published weights, in any of the three forms of `xcodec2_names`; parts that only training used are left
        out, fixed filters may be missing, everything else must match. UserError names `where` and what differs.
        """
        tensors = ours(dict(tensors.get("state_dict", tensors)))
        own = self.state_dict()
        fixed = {name: own[name] for name, _ in self.named_buffers() if name in own and name.endswith(FIXED)}
        deeper = tuple(f"semantic_model.encoder.layers.{i}." for i in range(self.shape.semantic_layers, 24))
        extra = (*TRAINING_ONLY, *deeper, "semantic_model.masked_spec_embed")
        kept = {name: tensor for name, tensor in tensors.items() if name in own or not name.startswith(extra)}
        weights.fit(self, fixed | kept, where, "Get it again: ttsbench fetch xcodec2")

    def start_from(self, w2v_bert: dict[str, Tensor]) -> None:
        """Take the published w2v-BERT 2.0, up to the layer that is read. UserError names what does not fit."""
        own = self.semantic_model.state_dict()
        kept = {name: value for name, value in w2v_bert.items() if name in own}
        weights.fit(self.semantic_model, own | kept if kept else {}, "w2v-BERT 2.0", "Get facebook/w2v-bert-2.0")

    def save(self, path: Path) -> None:
        """Write the weights under the published names, with the shape beside them."""
        weights.save(self.state_dict(), path, {"shape": json.dumps(asdict(self.shape))})

    @classmethod
    def published(cls, download: bool = False) -> XCodec2:
        """The model with its published weights, or with those that `save` wrote, of another shape perhaps; raises
        `weights.MissingWeights` where there are none on this machine.
        """
        path = weights.find(weights.XCODEC2, download)
        given = json.loads(weights.header(path).get("shape", "{}"))
        lists = {name: tuple(given[name]) for name in ("down", "levels") if name in given}
        model = cls(XCodec2Shape(**{**given, **lists}))
        model.load(weights.read(path), path)
        return model.eval()


def _w2v_bert(shape: XCodec2Shape) -> Any:
    """w2v-BERT 2.0 up to the layer whose output X-codec2 reads (16 of 24)."""
    try:
        from transformers import Wav2Vec2BertConfig, Wav2Vec2BertModel
    except ImportError as fault:
        raise ImportError("X-codec2 needs transformers: pip install 'ttsbench[paper]'") from fault
    config = Wav2Vec2BertConfig(
        hidden_size=shape.semantic_dim,
        num_hidden_layers=shape.semantic_layers,
        intermediate_size=shape.semantic_hidden,
    )
    return Wav2Vec2BertModel(config).eval()
