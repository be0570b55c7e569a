"""More compute at synthesis: how quality grows with the number of candidates, and the verifiers that choose."""
