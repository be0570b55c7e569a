"""How the small models are trained.

    from ttsbench.systems.training.trainer import Settings, train
    model = train(model, batches, loss, Settings(minutes=30, lr=1e-3), Path("runs/mine"), evaluate)

`batches(step)` returns whatever `loss(batch, step)` takes; `loss` returns {"total": tensor, ...} and its first entry is
minimised. `evaluate(model)` returns floats, and the first is minimised to choose `best.safetensors`. Draw everything
random from the step (numpy: `default_rng((seed, step))`; torch is seeded at every step), then a killed run goes on
exactly:
call `train` again with the same folder. `data.TtsBatches` gives batches of phones, durations, mels or codes, and
prompts.
"""
