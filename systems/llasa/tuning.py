"""Trains or fine-tunes full-size Llasa with the published settings.

model = core.load(folder, "cuda", torch.float32)
tune(model, rows, Path("run"), published(len(rows)))     # rows: `row(tokenizer, text, codes)` of every utterance

Published (configuration and job script of the training repository): 5e-5 along a cosine to a tenth, 3 % warm-up, AdamW
with beta2 0.95, weight decay 0.01, clipping at 1, bf16, 8 sequences of 2048 tokens on each of 40 GPUs, two epochs. The
paper says three epochs and two million tokens a step, three times the script's. Data: 250,000 h of Chinese and English.
Open, hence our choice: how the 65,544 new tokens start (normal, deviation 0.02), and no averaging of weights.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttsbench.errors import UserError
from ttsbench.systems.codecs import Codec
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.llasa import prompt
from ttsbench.systems.llasa.core import SIZES, SPEECH, Config, Llama
from ttsbench.systems.training.data import StoredCodes, encode_recordings
from ttsbench.systems.training.llama import SEQUENCES, published, start_from
from ttsbench.systems.training.trainer import Settings, export, train

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CONTEXT = 2048
UNLABELLED = -100


@dataclass(frozen=True)
class Row:
    """Token ids and labels, each (length,); labels are -100 where nothing is learned."""

    ids: Tensor
    labels: Tensor


def row(tokenizer: Tokenizer, text: str, codes: Sequence[int], length: int = CONTEXT, heard: bool = False) -> Row:
    """One utterance: prompt, speech, its end, and end-of-turn to fill up; cut at `length`. `heard`: speech first, then
    the text, for recognition.

    Learned are the tokens from the mark where speech (or the text) begins to the mark where it ends.
    """
    if heard:
        before = prompt.encode_heard(tokenizer, codes)
        after = [*tokenizer.encode(prompt.join("", text), add_special_tokens=False).ids, prompt.TEXT_END]
    else:
        before = prompt.encode(tokenizer, prompt.join("", text))
        after = [*(SPEECH + int(code) for code in codes), prompt.END]
    filler = tokenizer.token_to_id("<|eot_id|>")
    if filler is None:
        raise UserError("the tokenizer has no <|eot_id|>: it is not a Llama 3 tokenizer")
    ids = torch.full((length,), filler)
    said = torch.tensor([*before, *after])[:length]
    ids[: len(said)] = said
    labels = torch.full((length,), UNLABELLED)
    labels[len(before) - 1 : len(said)] = said[len(before) - 1 :]
    return Row(ids, labels)


def loss(model: Llama, ids: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Next-token cross-entropy in nats over the labelled tokens; ids and labels (batch, length)."""
    hidden = model.read(ids)[:, :-1]
    learned = labels[:, 1:] != UNLABELLED  # the output matrix is wide: only what is learned goes through it
    return {"nats": F.cross_entropy(model.head(hidden[learned]).float(), labels[:, 1:][learned])}


def tune(
    model: Llama,
    rows: Sequence[Row],
    folder: Path,
    settings: Settings,
    sequences: int = SEQUENCES,
    say: Callable[[str], None] | None = None,
    held_out: Sequence[Row] = (),
) -> Llama:
    """Train on `rows`, `sequences` a batch, in an order drawn from the seed; goes on where `folder` stopped.

    With `held_out` rows, their loss is what picks the best weights.
    """
    device = model.embedding.device

    @functools.lru_cache(maxsize=2)
    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng((settings.seed, epoch)).permutation(len(rows))

    def batch(number: int) -> tuple[Tensor, Tensor]:
        epoch, place = divmod(number * sequences, len(rows))
        both = np.concatenate([order(epoch), order(epoch + 1)])
        return _stack([rows[int(i)] for i in both[np.arange(place, place + sequences) % len(both)]])

    def evaluate(_: nn.Module) -> dict[str, float]:
        found = [loss(model, *(part.to(device) for part in _stack([row]))) for row in held_out]
        return {"nats": float(torch.stack([one["nats"] for one in found]).mean())}

    model.requires_grad_(True)
    judge = evaluate if held_out else None
    train(model, batch, lambda pair, _: loss(model, *pair), settings, folder, judge, say=say)
    return model


def _stack(rows: Sequence[Row]) -> tuple[Tensor, Tensor]:
    return torch.stack([r.ids for r in rows]), torch.stack([r.labels for r in rows])


# --- from a corpus folder and a text model ------------------------------------------------------------------------


class Rows(Sequence[Row]):
    """The corpus' utterances with a transcript as rows, made when they are asked for; ValueError where there is none.

    Their codes must be stored under `name` (`training.data.encode_recordings`).
    """

    def __init__(
        self, corpus: Corpus, name: str, split: str, tokenizer: Tokenizer, length: int, heard: bool = False
    ) -> None:
        self.stored, self.tokenizer, self.length, self.heard = StoredCodes(corpus, name), tokenizer, length, heard
        self.utterances = [u for u in corpus.select(split) if u.id in self.stored.index]
        if not self.utterances:
            raise UserError(f"{corpus.folder}: no utterance with a transcript in split {split!r}")

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, index: Any) -> Any:
        u = self.utterances[index]
        return row(self.tokenizer, u.text, self.stored.of(u)[:, 0].tolist(), self.length, self.heard)


def train_paper(
    corpus: Path,
    folder: Path,
    codec: Codec,
    tokenizer: Tokenizer,
    llama: dict[str, Tensor],
    config: Config = SIZES["1b"],
    settings: Settings | None = None,
    length: int = CONTEXT,
    device: str = "cpu",
    say: Callable[[str], None] | None = None,
    heard: bool = False,
) -> Llama:
    """Encode the corpus once, then train on it from a text model's weights; a run that is in `folder` goes on.

    `heard` trains the recogniser of the paper's Table 3 in place of the speaker (`full.Paper.transcribe`).

    FOLDER/llasa is what `core.load` and `full.Paper` read: config.json, model.safetensors, tokenizer.json.
    """
    data = Corpus(corpus)
    encode_recordings(data, codec, codec.name, device, say or (lambda _: None))
    rows, held = (Rows(data, codec.name, split, tokenizer, length, heard) for split in ("train", "dev"))
    settings = settings or published(len(rows))
    torch.manual_seed(settings.seed)
    model = Llama(config)
    start_from(model, llama)
    model = model.to(device)
    held_out = [held[i] for i in range(min(16, len(held)))]
    tune(model, rows, folder, settings, SEQUENCES, say, held_out)
    write_published(model, tokenizer, folder / "llasa")
    return model


def write_published(model: Llama, tokenizer: Tokenizer, folder: Path) -> None:
    """A folder in the published layout, float32."""
    folder.mkdir(parents=True, exist_ok=True)
    shape, rope = model.config.shape, model.config.shape.rope
    assert rope is not None
    scaling = {
        "rope_type": "llama3", "rope_theta": rope.theta, "factor": rope.factor, "low_freq_factor": rope.low,
        "high_freq_factor": rope.high, "original_max_position_embeddings": rope.trained,
    }  # fmt: skip
    table = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
        "hidden_size": shape.dim, "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads, "intermediate_size": shape.hidden, "rms_norm_eps": shape.eps,
        "vocab_size": model.config.vocabulary, "tie_word_embeddings": model.config.tied, "rope_parameters": scaling,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(table, indent=1), encoding="utf-8")
    tokenizer.save(str(folder / "tokenizer.json"))
    export(model.state_dict(), folder / "model.safetensors")
