"""From text to phones: normalisation, the CMU dictionary, letter-to-sound rules.

from ttsbench.systems.text.frontend import text_to_phones
text_to_phones("Dr. Smith paid $3.50.")   # ['pau', 'd', 'aa', 'k', 't', 'er', ..., 'pau']
"""
