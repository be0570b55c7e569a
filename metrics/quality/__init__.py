"""Signal and quality models: modules that turn one signal, or two, into a few numbers."""
