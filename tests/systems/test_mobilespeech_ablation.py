"""The mask sampler's ablation: one command trains with a sampler and writes a card that speaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from ttsbench.systems import cards
from ttsbench.systems.mobilespeech import ablation
from ttsbench.systems.mobilespeech.design import SMALL
from ttsbench.systems.mobilespeech.model import MobileSpeech
from ttsbench.systems.mobilespeech.train import restore
from ttsbench.systems.training.trainer import Settings


def test_a_sampler_gives_a_checkpoint_and_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fit(corpus: Path, folder: Path, settings: Settings, design: object) -> MobileSpeech:
        asked.append((corpus, settings.steps, design))
        return MobileSpeech(SMALL)

    monkeypatch.setattr(ablation, "fit", fit)
    assert (
        ablation.main([str(tmp_path / "corpus"), str(tmp_path / "it's out"), "--steps", "2", "--only", "plain-masks"])
        == 0
    )
    ((corpus, steps, design),) = asked
    assert (corpus, steps) == (tmp_path / "corpus", 2)
    assert design.plain_masks  # type: ignore[attr-defined]
    card, rest = cards.read(tmp_path / "it's out" / "plain-masks.toml")
    assert card.name == "mobilespeech-plain-masks"
    checkpoint = Path(rest["arguments"]["checkpoint"])
    assert restore(checkpoint.with_name(checkpoint.name + ".safetensors")).design.plain_masks
    assert not (tmp_path / "it's out" / "own-masks.toml").exists()
