"""Adapters: speech that exists (`recorded`), programs (`command`, `lines`), servers (`http`), classes (`python`).

Each is one module with its `Options` (the fields of its card file beside those of `records.Card`) and one class.
They only produce audio; the harness owns clock, seed and deadline.
"""
