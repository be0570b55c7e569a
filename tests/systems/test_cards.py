"""The cards of our own systems say what the models are."""

from pathlib import Path

import pytest

from ttsbench import systems
from ttsbench.systems import cards

CARDS = sorted((Path(__file__).parents[2] / "systems").glob("*/card.toml"))


def test_there_are_cards() -> None:
    assert {"kalle", "livespeech", "llasa", "mobilespeech"} <= {path.parent.name for path in CARDS}


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.parent.name)
def test_a_card_counts_the_parameters_of_the_model(path: Path) -> None:
    assert systems.load(path.parent.name).card.parameters == cards.read(path)[0].parameters
