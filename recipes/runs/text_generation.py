"""Text generation from a language model's run or folder."""

from pathlib import Path

from recipes.runs.load import load_run
from recipes.tasks.text_generation import continuations
from zoo.arguments import Count, NonNegative, Whole, checked


@checked
def generate(run, start: str = "\n", *, length: Count = 200, temperature: NonNegative = 1.0, seed: Whole = 0) -> str:
    """Returns the text that a language model generates after `start`.

    Args:
        run: a `Run` of `LanguageModel`, or its folder.
        start: text to continue; characters that are not in the training split count as unknown.
        length: number of characters to generate.
        temperature: 1 samples from the model's probabilities, lower values prefer likely characters, 0 takes the most
            likely one.
        seed: equal seeds give the same text.
    Returns:
        The generated characters, without `start`.
    Raises:
        ValueError: if the run is of another task, or `start` is empty.
    """
    run = load_run(run) if isinstance(run, str | Path) else run
    has_vocabulary = any(hasattr(layer, "get_vocabulary") for layer in run.preprocessing.layers)
    if not has_vocabulary or len(run.model.output_shape) != 3:
        raise ValueError(f"generate: `run` must be of LanguageModel, got {run.model.name}, which generates no text.")
    if not start:
        raise ValueError("generate: `start` must have at least one character, got ''.")
    return continuations(run, start, length, (temperature,), seed)[0]
