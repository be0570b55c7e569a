"""The embedded test sets: a folder each (set.json, card.md, a list, audio), and the scripts that make them."""
