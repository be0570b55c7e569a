"""The shipped codecs: a mel codec (`mel_codec`) and the shared vocoder behind the one interface."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from ttsbench.errors import MissingFile, UserError
from ttsbench.systems.codecs.mel_codec import RVQ_SIZE, FlowVAE, QuantizedCodec, adopt, bits, build
from ttsbench.systems.nn.mel import HOP, RATE, log_mel
from ttsbench.systems.nn.quantizers import FSQ
from ttsbench.systems.nn.vocoder import Vocoder, VocoderState
from ttsbench.systems.packing import unpack


class SmallCodec:
    """See `systems.codecs`. `hop` is 320 samples at 50 Hz and 1280 at 12.5 Hz."""

    sample_rate = RATE

    def __init__(self, name: str, model: QuantizedCodec | FlowVAE, vocoder: Vocoder) -> None:
        self.name, self.model, self.vocoder = name, model.eval(), vocoder.eval()
        self.hop = HOP * model.patch
        self.frame_rate = RATE / self.hop
        self.codebooks, self.codebook_size = model.inward.out_features, 0
        self.levels: tuple[int, ...] = ()
        if isinstance(model, QuantizedCodec):
            if isinstance(model.quantizer, FSQ):
                self.levels = tuple(int(n) for n in model.quantizer.levels)
            else:
                self.levels = (RVQ_SIZE,) * model.quantizer.levels
            self.codebooks, self.codebook_size = len(self.levels), max(self.levels)
        each = bits(model)
        self.bits_per_second = None if each is None else each * self.frame_rate

    @property
    def device(self) -> torch.device:
        return self.model.outward.weight.device

    @property
    def parameters(self) -> int:
        """Weights and codebooks of codec and vocoder."""
        return sum(v.numel() for m in (self.model, self.vocoder) for v in m.state_dict().values())

    @torch.no_grad()
    def encode(self, audio: Tensor) -> Tensor:
        """Audio (batch, samples) to codes (batch, ceil(samples / hop), codebooks); the end is padded with silence."""
        missing = -audio.shape[-1] % self.hop
        return self.encode_mel(log_mel(torch.nn.functional.pad(audio.to(self.device), (0, missing))))

    @torch.no_grad()
    def encode_mel(self, mel: Tensor) -> Tensor:
        """Log-mels (batch, frames, 100) of `systems.nn.mel` to codes (batch, frames * 160 // hop, codebooks)."""
        return self.model.encode(mel)

    @torch.no_grad()
    def encode_distribution(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the posterior, each (batch, time, 96); only for 'flowvae'."""
        if not isinstance(self.model, FlowVAE):
            raise TypeError(f"codec {self.name!r} has codes, not distributions")
        missing = -audio.shape[-1] % self.hop
        mean, log_std = self.model.posterior(log_mel(torch.nn.functional.pad(audio.to(self.device), (0, missing))))
        return mean, log_std.exp()

    @torch.no_grad()
    def decode_mel(self, codes: Tensor) -> Tensor:
        """Codes to log-mels (batch, time * hop // 160, 100)."""
        return self.model.mel_from(self.model.latents(codes.to(self.device)))

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Codes (batch, time, codebooks) to audio (batch, time * hop) in [-1, 1]; RVQ takes fewer codebooks too."""
        if codes.shape[1] == 0:
            return torch.zeros(codes.shape[0], 0, device=self.device)
        return self.vocoder(self.decode_mel(codes)).clamp(-1, 1)

    @torch.no_grad()
    def decode_stream(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        """As `decode`, for chunks (batch, t, codebooks). The vocoder holds back 40 ms and 15 ms of overlap."""
        frames: list[Tensor | None] | None = None
        state = VocoderState()
        for chunk in chunks:
            if chunk.shape[1] == 0:
                continue
            mel, frames = self.model.mel_step(self.model.latents(chunk.to(self.device)), frames)
            audio = self.vocoder.step(mel, state, last=False)
            if audio.shape[1]:
                yield audio.clamp(-1, 1)
        if frames is not None:
            rest = self.vocoder.step(mel[:, :0], state, last=True)
            if rest.shape[1]:
                yield rest.clamp(-1, 1)


def load(name: str, folder: Path, device: str = "cpu") -> SmallCodec:
    """Read `codec-NAME.safetensors` and `vocoder.safetensors` from `folder`.

    The file of 'rvq' may hold codebooks and gains alone: the rest is then that of `codec-fsq.safetensors`.
    """
    model, vocoder = build(name), Vocoder()
    path = folder / f"codec-{name}.safetensors"
    if isinstance(model, QuantizedCodec) and name == "rvq":
        found = _read(path)
        if "skip_out.weight" not in found:
            fsq = build("fsq")
            read_weights(fsq, folder / "codec-fsq.safetensors")
            assert isinstance(fsq, QuantizedCodec)
            adopt(model, fsq, found["gain"])
            found = {**model.state_dict(), **found}
        _fill(model, found, path)
    else:
        read_weights(model, path)
    read_weights(vocoder, folder / "vocoder.safetensors")
    return SmallCodec(name, model.to(device), vocoder.to(device))


def read_weights(module: torch.nn.Module, path: Path) -> None:
    """Load safetensors strictly, as float32. FileNotFoundError and ValueError name the file."""
    _fill(module, _read(path), path)


def _read(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    if not path.is_file():
        raise MissingFile(f"{path}: no such checkpoint; set TTSBENCH_CHECKPOINTS to the folder that holds it")
    return unpack(load_file(path))


def _fill(module: torch.nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    try:
        module.load_state_dict(weights)
    except RuntimeError as fault:
        raise UserError(f"{path}: does not fit this version's model: {str(fault)[:400]}") from fault
