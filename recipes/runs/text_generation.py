"""Text that a language model goes on with, character by character."""

from pathlib import Path

import numpy as np

from recipes.training.run import load_run
from zoo.arguments import Count, NonNegative, Whole, checked

UNKNOWN = 1  # neither it nor padding is ever written
CONTEXT = 128  # characters that are looked back at, where the model takes any length


@checked
def generate(run, start: str = "\n", *, length: Count = 200, temperature: NonNegative = 1.0, seed: Whole = 0) -> str:
    """What a language model writes after `start`.

    Args:
        run: a `Run` of `LanguageModel`, or its folder.
        start: what it goes on from; characters that training never saw count as unknown.
        length: characters to write.
        temperature: 1 draws as the model says, less keeps to what is likely, 0 always takes the likeliest.
        seed: equal seeds write the same.
    Returns:
        The written characters, without `start`.
    Raises:
        ValueError: if the run is of another recipe, or `start` is empty.
    """
    run = load_run(run) if isinstance(run, str | Path) else run
    known = [layer for layer in run.preprocessing.layers if hasattr(layer, "get_vocabulary")]
    if not known or len(run.model.output_shape) != 3:
        raise ValueError(f"generate: `run` must be of LanguageModel, got {run.model.name}, which writes nothing.")
    if not start:
        raise ValueError("generate: `start` must have a character to go on from, got ''.")
    return several(run, start, length, (temperature,), seed)[0]


def several(run, start, length, temperatures, seed):
    """What a language model writes after `start` at each temperature; one call of the model serves all."""
    (layer,) = (layer for layer in run.preprocessing.layers if hasattr(layer, "get_vocabulary"))
    symbols, rngs = layer.get_vocabulary(), [np.random.default_rng(seed) for _ in temperatures]
    context = run.model.input_shape[1] or CONTEXT
    numbers = np.asarray(run.preprocessing(np.array([start[-context:]], object), training=False))[0]
    past = [[int(n) for n in numbers if n] for _ in temperatures]
    written = ["" for _ in temperatures]
    for _ in range(length):
        # One shape for all, so that one graph serves: what is after the last character changes nothing before it
        batch, last = np.zeros((len(past), context), np.int32), len(past[0]) - 1
        batch[:, : last + 1] = past
        answers = run.model.predict_on_batch(batch)[:, last].astype(np.float64)
        for i, (p, temperature, rng) in enumerate(zip(answers, temperatures, rngs, strict=True)):
            past[i] = [*past[i], chosen(p, temperature, rng)][-context:]
            written[i] += symbols[past[i][-1]]
    return written


def chosen(p, temperature, rng):
    """The place of a draw from probabilities sharpened by the temperature; never padding nor the unknown one."""
    logits = np.log(np.maximum(p, 1e-30))
    logits[: UNKNOWN + 1] = -np.inf
    if not temperature:
        return int(logits.argmax())
    weights = np.exp((logits - logits.max()) / temperature)
    return int(rng.choice(len(p), p=weights / weights.sum()))
