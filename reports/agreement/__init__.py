"""Which metric agrees with listeners: ratings of single clips beside the metrics of the runs they come from."""
