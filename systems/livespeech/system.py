"""The small LiveSpeech that ships: audio leaves while later frames are generated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ttsbench import audio
from ttsbench.errors import UserError
from ttsbench.records import Sample
from ttsbench.systems import cards
from ttsbench.systems.codecs import checkpoints, load_codec
from ttsbench.systems.livespeech.aids import Guide
from ttsbench.systems.livespeech.generate import Sampling, frames
from ttsbench.systems.livespeech.layout import SIZES, Layout
from ttsbench.systems.livespeech.loss import delay
from ttsbench.systems.livespeech.model import LiveSpeech, Memory, load
from ttsbench.systems.livespeech.text import clauses, symbols_of
from ttsbench.systems.nn.threads import at_most_two, threads
from ttsbench.systems.text.passages import passages

SAMPLING = Sampling(temperature=0.6, guidance=2.0)
FIRST, LATER = 4, 5  # frames of a chunk given to the codec: its vocoder needs 55 ms beyond what it gives out
PROMPT_SECONDS = 3.0
LONGEST = 110  # symbols of prompt and passage together: about the nine seconds that training shows
HEARD = 10.0  # seconds of a prompt that are heard
HISTORY_SECONDS = 1.5  # of the prompt's end that go before: what is long in all loses its place in the text
CONTEXT = 25  # frames before a continuation that the codec decoder hears again
HEADROOM = 0.005  # seconds kept before the first audible sample
AHEAD = 0.05  # seconds to play while the next chunk is made: with less, playback would stall at once


class System:
    """See README.md beside this file. `sampling` and the checkpoint folder may be replaced for experiments."""

    def __init__(self, folder: Path | None = None, sampling: Sampling | None = None, device: str = "cpu") -> None:
        folder = folder or checkpoints()
        self.device = device
        if self.device == "cpu":
            torch.set_num_threads(1)  # a step is one frame: threads would only wait for each other
        self.readers = at_most_two()  # threads for prompts and histories
        self.model = load(folder / "livespeech.safetensors", self.device).requires_grad_(False)
        self.codec = load_codec("fsq" if self.model.design.codebooks == SIZES else "rvq", folder, self.device)
        self.layout = Layout(self.codec)
        if self.model.design.codebooks != self.layout.sizes:
            raise UserError(
                f"{folder / 'livespeech.safetensors'}: codebooks of {self.model.design.codebooks} entries; the codec "
                f"{self.codec.name} beside it has {self.layout.sizes}"
            )
        self.sampling, self.chunk_frames = sampling or SAMPLING, LATER
        parameters = sum(p.numel() for p in self.model.parameters()) + self.codec.parameters
        self.card = replace(cards.read(Path(__file__).with_name("card.toml"))[0], parameters=parameters)
        self._voices: dict[tuple[str, int, int], tuple[Tensor, Tensor]] = {}

    @torch.inference_mode()
    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        """Speak `sample` in the voice of its prompt, chunk by chunk, without opening silence. A long text is spoken
        passage by passage. Where the prompt's transcript is known, the codes of its last words go before as history,
        which the paper does not do. ValueError where there is no prompt or nothing to say.
        """
        if sample.prompt is None:
            raise UserError("LiveSpeech speaks in the voice of a prompt, and this sample has none")
        continued = sample.task == "continuation"
        enrollment, codes = self._voice(sample.prompt, whole=continued)
        generator = torch.Generator().manual_seed(seed)
        for text in [sample.text] if continued else passages(sample.text, self.model.design.symbols):
            self._symbols(text)  # a text with nothing to say is an error whatever the prompt says
            before: str
            history: Tensor | None
            if continued:
                before, history = sample.prompt_text, codes
            else:
                before, history = self._primed(sample.prompt_text, text, enrollment, codes)
            stream = self._speak(text, enrollment, history, generator, before)
            yield from stream if continued else without_silence(stream, self.codec.sample_rate)

    @torch.inference_mode()
    def synthesize_words(self, words: Iterable[str], prompt: Path, seed: int) -> Iterator[np.ndarray]:
        """Speak words while they are still coming, clause by clause: audio of a clause leaves before later words are
        asked for. What LiveSpeech 2 aims at, by simpler means: no clause knows of the next.
        """
        enrollment, _ = self._voice(prompt, whole=False)
        generator = torch.Generator().manual_seed(seed)
        for clause in clauses(words):
            stream = self._speak(clause, enrollment, None, generator)
            yield from without_silence(stream, self.codec.sample_rate)

    def resynthesize(self, samples: np.ndarray, sample_rate: int) -> np.ndarray:
        """The codec round trip of `samples` (n,) at `sample_rate`, at 16 kHz."""
        given = audio.resample(samples, sample_rate, self.codec.sample_rate)
        made = self.codec.decode(self.codec.encode(torch.from_numpy(given)[None]))[0].cpu().numpy()
        return np.pad(made, (0, max(0, len(given) - len(made))))[: len(given)]

    def forget(self) -> None:
        """Drop the voices that are kept: every prompt is read anew."""
        self._voices.clear()

    def _voice(self, prompt: Path, whole: bool) -> tuple[Tensor, Tensor]:
        """Enrollment vectors (1, enrolled, dim), kept for each prompt, and the prompt's codes (frames, codebooks)."""
        status = prompt.stat() if prompt.is_file() else None
        key = (str(prompt), status.st_mtime_ns if status else 0, -1 if whole else 0)
        if key in self._voices:
            return self._voices[key]
        with threads(self.readers):
            heard = audio.read_at(prompt, self.codec.sample_rate, stop=None if whole else HEARD)
            onset = audio.first_audible(heard, self.codec.sample_rate) or 0
            heard = heard[max(0, onset - 640) :]
            codes = self.layout.pack(self.codec.encode(torch.from_numpy(heard)[None]))
            enrolled = codes[:, : round(PROMPT_SECONDS * self.codec.frame_rate)]
            enrollment = self.model.enrollment(self.layout.vectors(enrolled))
        self._voices = dict(list(self._voices.items())[-31:])
        self._voices[key] = (enrollment, codes[0])
        return self._voices[key]

    def _primed(self, before: str, text: str, enrollment: Tensor, codes: Tensor) -> tuple[str, Tensor | None]:
        """The last words of the prompt, where its text is known, and the history in which they are said."""
        if not before or len(codes) >= (HEARD - 0.1) * self.codec.frame_rate:  # not all of its words were heard
            return "", None
        with threads(self.readers):
            last, history = tail(self.model, enrollment, codes, before, round(HISTORY_SECONDS * self.codec.frame_rate))
        return (last, history) if len(self._symbols(f"{last} {text}")) <= LONGEST else ("", None)

    def _symbols(self, text: str) -> list[int]:
        return symbols_of(text, self.model.design.symbols)

    def _speak(
        self,
        text: str,
        enrollment: Tensor,
        history: Tensor | None,
        generator: torch.Generator,
        told: str = "",
    ) -> Iterator[np.ndarray]:
        """Audio chunks (n,) of one passage; after `history` (frames, codebooks), which says `told`, where given."""
        memory, count, known = self._memory(text, enrollment, history, told)
        made = frames(self.model, memory, count, self.sampling, generator, history, known)
        heard = [] if history is None else list(history[-CONTEXT:])
        drop = len(heard) * self.codec.hop
        pieces = self.codec.decode_stream(map(self.layout.unpack, chunked(heard, made, self.chunk_frames)))
        while True:
            with threads(self.readers if drop else torch.get_num_threads()):  # the history is read, and decoded again
                piece = next(pieces, None)
            if piece is None:
                return
            kept = piece[0, drop:].cpu().numpy()
            drop = max(0, drop - piece.shape[1])
            if len(kept):
                yield kept

    def _memory(self, text: str, enrollment: Tensor, history: Tensor | None, told: str) -> tuple[Memory, int, int]:
        """What is looked at, the number of symbols, and how many of them the history says.

        The pause at its end is the one that the text would open with: training shows no two in a row.
        """
        before, after = self._symbols(told) if told else [], self._symbols(text)
        symbols = [*before, *(after[1:] if before else after)]
        known = None
        if history is not None and before:
            known = torch.tensor([[len(before), len(history)]], device=enrollment.device)
        memory = self.model.join(enrollment, torch.tensor([symbols], device=enrollment.device), known)
        return memory, len(symbols), len(before)


def tail(model: LiveSpeech, enrollment: Tensor, codes: Tensor, text: str, most: int) -> tuple[str, Tensor]:
    """The last words of a prompt that take at most `most` frames, and their codes (frames, codebooks).

    Where a word begins is read off the guided head in one pass over the prompt: the frames that look before it.
    """
    words, symbols = text.split(), symbols_of(text, model.design.symbols)
    if len(codes) <= most or len(words) < 2:
        return text, codes
    design, guide = model.design, Guide(model.design)
    grid = delay(codes[None], torch.tensor([len(codes)], device=codes.device), design.pad, design.eos)
    told = torch.tensor([[len(symbols), len(codes)]], device=codes.device)
    memory = model.join(enrollment, torch.tensor([symbols], device=codes.device), told)
    model.read_shared(grid[:, : len(codes)], memory, watch=guide.shared)
    looked = guide.shared.weights[guide.what][0, : len(codes), design.enrolled :].argmax(-1)
    kept = text, codes
    for first in range(1, len(words)):
        rest = " ".join(words[first:])
        if not any(map(str.isalnum, rest)):
            break
        begin = int(
            (looked < len(symbols) - len(symbols_of(rest, model.design.symbols)) + 1).sum()
        )  # + 1: a text opens with a pause
        kept = rest, codes[min(begin, len(codes) - 1) :]
        if len(codes) - begin <= most:
            break
    return kept


def chunked(before: list[Tensor], made: Iterable[Tensor], later: int = LATER) -> Iterator[Tensor]:
    """Codes (1, frames, codebooks) for the codec: `before` with the first few frames, then `later` at a time."""
    held, wanted = list(before), len(before) + FIRST
    for frame in made:
        held.append(frame)
        if len(held) == wanted:
            yield torch.stack(held)[None]
            held, wanted = [], later
    if held:
        yield torch.stack(held)[None]


def without_silence(stream: Iterable[np.ndarray], rate: int) -> Iterator[np.ndarray]:
    """The stream from just before its first audible sample, as soon as `AHEAD` of it can be played; as it is where
    nothing is audible.
    """
    held = np.zeros(0, np.float32)
    playing = False
    for piece in stream:
        if playing:
            yield piece
            continue
        held = np.concatenate([held, piece])
        onset = audio.first_audible(held, rate)
        if onset is not None and len(held) - onset >= AHEAD * rate:
            playing = True
            yield held[max(0, onset - round(HEADROOM * rate)) :]
    if not playing and len(held):
        onset = audio.first_audible(held, rate) or 0
        yield held[max(0, onset - round(HEADROOM * rate)) :]
