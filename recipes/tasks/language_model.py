"""Language models of characters: the next character, compared with n-gram counts."""

from inspect import signature
from typing import ClassVar

import keras
import numpy as np
from keras import layers

from recipes.data.examples import Examples
from recipes.data.text.documents import PAD
from recipes.reports.verdict import series_block, skill_verdict
from recipes.tasks.ngrams import Ngrams
from recipes.tasks.text_classification import vectorizer
from recipes.tasks.text_generation import continuations
from recipes.training.task import Task, task
from zoo.arguments import Positive
from zoo.registry import entry

PADDING = 0
MAX_NGRAM = 8  # characters of the longest n-gram of the baseline
WINDOWS_PER_CALL = 512


@task
class LanguageModel(Task):
    """Predicts the next character at every position of a text.

    The data are texts, such as "bundled:python-topics" or "text:PATH". The model predicts every step from the steps
    before it: `lstm`, `gru`, `rnn`, or `transformer_encoder`, which is built causal. Tokenization is a layer before the
    model, so the export takes strings, and outputs for each character the probabilities of the next one, in the order
    of `data.outputs`. Metrics are bits per character and perplexity (2 to that power). The baselines are the character
    frequencies and n-gram counts of the training split; the validation split chooses the length of the n-grams. Model
    and baselines predict the same characters from the same window.

    Args:
        global_clipnorm: largest global norm of a gradient.
        **kwargs: as `Task` has them; augmentation is for images.
    """

    learning_rate: Positive = 2e-3
    global_clipnorm: Positive | None = 1.0

    data_tasks: ClassVar[tuple] = ("language_model",)
    main_metric: ClassVar[str] = "skill"

    def __post_init__(self):
        if self.augment:
            raise ValueError(f"`augment` must be () for texts, as its steps are for images, got {self.augment}.")
        if self.adversarial:
            raise ValueError(
                f"`adversarial` must be 0 for texts, whose characters cannot change a little, got {self.adversarial}."
            )

    def head_arguments(self, name, data):
        """Returns the vocabulary size, outputs at every step, and causal attention."""
        parameters, size = signature(entry(name).build).parameters, len(data.outputs)
        if not {"vocabulary", "every_step"} <= set(parameters):
            raise ValueError(f"`model` must be an architecture that predicts every token, such as lstm, got {name}.")
        arguments = {
            "outputs": size,
            "vocabulary": size,
            "every_step": True,
            "causal": True,
            "activation": "softmax",
        }
        return {"input_shape": (None,), **{k: v for k, v in arguments.items() if k in parameters}}

    def check_model(self, model, data):
        """Raises a ValueError if the model does not predict each character, or sees the one that it predicts."""
        size = len(data.outputs)
        if len(model.output_shape) != 3 or model.output_shape[-1] != size:
            raise ValueError(
                f"`model` must predict (B, T, {size}), a probability for each character of {data.name}, got "
                f"{model.name} with {model.output_shape}."
            )
        ids = 2 + np.arange(12)[None] % (size - 2)
        changed = np.where(np.arange(12) == 11, 2 + (ids + 1 - 2) % (size - 2), ids)
        first, second = (np.asarray(model(x.astype("int32"), training=False))[:, :11] for x in (ids, changed))
        if np.abs(first - second).max() > 1e-5:
            raise ValueError(
                f"`model` must predict from earlier characters only, got {model.name}, which sees later ones."
            )

    def preprocessing(self, data, model):
        """Returns the model from texts to ids: (B,) strings  ->  (B, longest), 0 after the end, 1 for unknown."""
        text = layers.Input((), dtype="string", name="text")
        length = model.input_shape[1]
        return keras.Model(text, vectorizer("characters", length, list(data.outputs[2:]))(text), name="preprocessing")

    def pipeline(self, examples, training, preprocessing=None, classes=None):
        """Returns batches of windows as ids, and of the same windows one character later; as `Task.pipeline`."""
        if preprocessing is None:
            return super().pipeline(examples, training)
        return super().pipeline(Examples(*character_ids(preprocessing, examples)), training)

    def prepare_target(self, y, classes=None):
        """Returns the character ids as they are."""
        return y

    def compile(self, model, steps=1000, data=None, **settings):
        """Compiles the model with cross-entropy that ignores padding; arguments as `Task.compile` has them."""
        loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=PADDING)
        model.compile(optimizer=self.make_optimizer(steps), loss=loss, **settings)
        return model

    def baseline_loss(self, data):
        """Returns the entropy of the training split's characters [nats]."""
        counts = np.unique(list("".join(data.train.targets)), return_counts=True)[1]
        p = counts / counts.sum()
        return float(-(p * np.log(p)).sum())

    def export_settings(self, run):
        """Returns the model without class names, as it predicts every character and no single class."""
        return run.model, None, 1e-5

    def predict_split(self, run, split):
        """Returns the probability that the model gave to each next character, (N, T); NaN after a window's end."""
        return next_character_probabilities(run, split)[0]

    def evaluate(self, run, split):
        """Computes the metrics of a run on one split, and those of the baselines.

        Args:
            run: `Run`.
            split: "train", "validation" or "test".
        Returns:
            Dict of numbers: bits_per_character, perplexity, accuracy (of the most likely character), characters, skill
            (1 - bits / the best baseline's); `baseline` holds the best baseline's, `baselines` all of them.
        """
        p, correct = next_character_probabilities(run, split)
        valid = np.isfinite(p)
        of_ngrams = ngram_probabilities(run, split)
        baselines = {name: scores(q[valid]) for name, q in of_ngrams.items()}
        best = min(baselines, key=lambda name: baselines[name]["bits_per_character"])
        model_scores = scores(p[valid])
        bits = (np.nansum(-np.log2(np.where(valid, q, 1)), axis=1) for q in (p, of_ngrams[best]))
        block = series_block(len(p), 1)
        return {
            "verdict": skill_verdict(*bits, split, unit="excerpts", block=block, seed=self.seed),
            "examples": len(p),
            "characters": int(valid.sum()),
            **model_scores,
            "accuracy": float(correct[valid].mean()),
            "skill": 1 - model_scores["bits_per_character"] / baselines[best]["bits_per_character"],
            "baseline": {**baselines[best], "skill": 0.0, "name": best},
            "baselines": baselines,
        }

    def summarize(self, metrics, split):
        """Returns the bits per character, beside those of the baselines."""
        best, frequencies = metrics["baseline"], metrics["baselines"]["character frequencies"]
        sentences = [
            f"{metrics['bits_per_character']:.2f} bits per character (perplexity {metrics['perplexity']:.2f}) on "
            f"{metrics['characters']:,} {split} characters; {best['name']} have {best['bits_per_character']:.2f}, "
            f"character frequencies alone {frequencies['bits_per_character']:.2f}."
        ]
        if metrics["skill"] <= 0:
            sentences.append("This model is no better than n-gram counts: do not use it.")
        return sentences

    def figures(self, run, split):
        """Returns generated text at three temperatures, and the bits per character by length of the context."""
        from recipes.reports.report import new_figure

        text_figure = new_figure(9, 5.5)
        temperatures = (0.3, 0.7, 1.0)
        start = getattr(run.data, split).inputs[0][:60]
        texts = [start + text for text in continuations(run, start, 300, temperatures, self.seed)]
        for ax, temperature, text in zip(text_figure.subplots(3, 1), temperatures, texts, strict=True):
            ax.set_axis_off()
            ax.set_title(f"temperature {temperature:g}", fontsize=9, loc="left")
            lines = [line[i : i + 110] for line in text.split("\n") for i in range(0, max(1, len(line)), 110)]
            ax.text(0, 1, "\n".join(lines[:9]), fontsize=7, family="monospace", va="top", parse_math=False)
        caption = (
            "The first 60 characters are from the data, the others are sampled one by one. A low temperature takes the "
            "most likely characters; temperature 1 samples from the model's probabilities."
        )
        curve_figure = new_figure(6.5, 3.4)
        ax = curve_figure.subplots()
        model_curve = {"this model": next_character_probabilities(run, split)[0]}
        for name, p in {**model_curve, **ngram_probabilities(run, split)}.items():
            bits = np.nanmean(-np.log2(p), axis=0)
            ax.plot(np.arange(1, len(bits) + 1), bits, label=name, lw=2 if name == "this model" else 1)
        ax.set(xscale="log", xlabel="characters of context", ylabel="bits per character")
        ax.grid(alpha=0.3)
        ax.legend()
        return [
            ("Generated text", caption, text_figure),
            ("Bits per character by context", "Lower is better.", curve_figure),
        ]


def character_ids(preprocessing, examples):
    """Returns (inputs, targets) of windows as (N, T) int32, 0 after the end of shorter ones."""
    longest = max((len(text) for text in examples.inputs), default=1)

    def ids_of(texts):
        ids = np.zeros((len(texts), longest), np.int32)
        for i in range(0, len(texts), WINDOWS_PER_CALL):
            batch = np.asarray(preprocessing(texts[i : i + WINDOWS_PER_CALL], training=False))
            ids[i : i + WINDOWS_PER_CALL, : batch.shape[1]] = batch
        return ids

    return ids_of(examples.inputs), ids_of(examples.targets)


def next_character_probabilities(run, split):
    """Returns ((N, T) probability of each next character, NaN after the end; (N, T) whether it was the most likely)."""
    x, y = character_ids(run.preprocessing, getattr(run.data, split))
    p, correct = np.full(y.shape, np.nan), np.zeros(y.shape, bool)
    for i in range(0, len(x), WINDOWS_PER_CALL):
        rows = slice(i, i + WINDOWS_PER_CALL)
        probabilities = run.model.predict(x[rows], batch_size=32, verbose=0)
        p[rows] = np.take_along_axis(probabilities, y[rows, :, None], -1)[..., 0]
        correct[rows] = probabilities.argmax(-1) == y[rows]
    return np.where(y == PADDING, np.nan, np.maximum(p, 1e-12)), correct


def ngram_probabilities(run, split):
    """Returns the baselines' probability of each next character: name -> (N, T); NaN after the end.

    The length of the n-grams is chosen on the validation split, or on this split where that is empty.
    """
    data = run.data
    stream = Examples(np.array(["".join(data.train.inputs)], object), np.array([PAD], object))
    ngrams = Ngrams(character_ids(run.preprocessing, stream)[0][0], len(data.outputs), MAX_NGRAM)

    def by_length(name):
        x, y = character_ids(run.preprocessing, getattr(data, name))
        windows = np.concatenate([x[:, :1], y], axis=1)
        return np.where(y == PADDING, np.nan, ngrams.probabilities(windows)[:, :, 1:])

    selection = by_length("validation" if len(data.validation) else split)
    best = int(np.argmin([np.nanmean(-np.log(p)) for p in selection]))
    probabilities = by_length(split)
    return {"character frequencies": probabilities[0], f"n-grams of up to {best + 1} characters": probabilities[best]}


def scores(p):
    """Returns bits per character and perplexity of probabilities, (N,)."""
    bits = float(-np.log2(p).mean())
    return {"bits_per_character": bits, "perplexity": 2**bits}
