"""From text to phones: normalisation, the CMU dictionary inside pocketsphinx, letter-to-sound rules."""
