"""Text that a language model generates, character by character."""

import numpy as np

UNKNOWN = 1  # neither this id nor padding is ever generated
CONTEXT = 128  # characters of context, where the model takes any length


def continuations(run, start, length, temperatures, seed):
    """Returns the text that a language model generates after `start` at each temperature.

    Args:
        run: a `Run` or `SavedRun` of `LanguageModel`.
        start: text to continue.
        length: number of characters to generate.
        temperatures: 1 samples from the model's probabilities, lower values prefer likely characters, 0 takes the most
            likely one.
        seed: equal seeds give the same text.
    Returns:
        List of strings, without `start`; one call of the model serves all temperatures.
    """
    (vectorization,) = (layer for layer in run.preprocessing.layers if hasattr(layer, "get_vocabulary"))
    characters, rngs = vectorization.get_vocabulary(), [np.random.default_rng(seed) for _ in temperatures]
    context = run.model.input_shape[1] or CONTEXT
    start_ids = np.asarray(run.preprocessing(np.array([start[-context:]], object), training=False))[0]
    histories = [[int(i) for i in start_ids if i] for _ in temperatures]
    texts = ["" for _ in temperatures]
    for _ in range(length):
        # One shape for all calls, so that one graph serves; what follows the last character changes nothing before it
        batch, last = np.zeros((len(histories), context), np.int32), len(histories[0]) - 1
        batch[:, : last + 1] = histories
        probabilities = run.model.predict_on_batch(batch)[:, last].astype(np.float64)
        for i, (p, temperature, rng) in enumerate(zip(probabilities, temperatures, rngs, strict=True)):
            histories[i] = [*histories[i], sample_id(p, temperature, rng)][-context:]
            texts[i] += characters[histories[i][-1]]
    return texts


def sample_id(p, temperature, rng):
    """Returns an id drawn from probabilities at a temperature; never padding or the unknown id."""
    logits = np.log(np.maximum(p, 1e-30))
    logits[: UNKNOWN + 1] = -np.inf
    if not temperature:
        return int(logits.argmax())
    weights = np.exp((logits - logits.max()) / temperature)
    return int(rng.choice(len(p), p=weights / weights.sum()))
