"""Language models of characters: what comes next, beside what counting tells."""

from inspect import signature
from typing import ClassVar

import keras
import numpy as np
from keras import layers

from recipes.data.examples import Examples
from recipes.data.text.documents import PAD
from recipes.tasks.ngrams import Ngrams
from recipes.tasks.text_classification import vectorizer
from recipes.training.task import Recipe, recipe
from zoo.arguments import Positive
from zoo.registry import entry

PADDING = 0
COUNTED = 8  # characters of the longest run that the rival may count
FEW = 512  # windows that are foretold at once


@recipe
class LanguageModel(Recipe):
    """The next character, at every place of a text.

    It needs texts, such as "bundled:python-topics" or "text:PATH", and a model that answers every step from what came
    before it: `lstm`, `gru`, `rnn`, or `transformer_encoder`, which is built causal. What makes numbers of characters
    is a layer before the model, so the export takes strings, and answers for each character the probabilities of the
    next one, in the order of `data.outputs`. It reports bits a character and perplexity (2 to that power), beside the
    characters' shares and runs of characters counted in the training part, whose length the validation part chooses.
    Model and rivals foretell the same characters from the same window.

    Args:
        global_clipnorm: largest global norm of a gradient.
        **kwargs: as `Recipe` has them; augmentation is for images.
    """

    learning_rate: Positive = 2e-3
    global_clipnorm: Positive | None = 1.0

    tasks: ClassVar[tuple] = ("language_model",)
    headline: ClassVar[str] = "skill"

    def __post_init__(self):
        if self.augment:
            raise ValueError(f"`augment` must be () for texts, as its steps are for images, got {self.augment}.")
        if self.adversarial:
            raise ValueError(
                f"`adversarial` must be 0 for texts, whose characters cannot change a little, got {self.adversarial}."
            )

    def answers(self, name, data):
        """What a builder is told: how many characters there are, that every step is answered, and from the past."""
        accepted, size = signature(entry(name).build).parameters, len(data.outputs)
        if not {"vocabulary", "every_step"} <= set(accepted):
            raise ValueError(f"`model` must be an architecture that answers each token, such as lstm, got {name}.")
        told = {"outputs": size, "vocabulary": size, "every_step": True, "causal": True, "activation": "softmax"}
        return {"input_shape": (None,), **{k: v for k, v in told.items() if k in accepted}}

    def verify_answer(self, model, data):
        """A ValueError where the model does not answer each character, or sees what it is to foretell."""
        size = len(data.outputs)
        if len(model.output_shape) != 3 or model.output_shape[-1] != size:
            raise ValueError(
                f"`model` must answer (B, T, {size}), a probability for each character of {data.name}, got "
                f"{model.name} with {model.output_shape}."
            )
        tokens = 2 + np.arange(12)[None] % (size - 2)
        changed = np.where(np.arange(12) == 11, 2 + (tokens + 1 - 2) % (size - 2), tokens)
        one, other = (np.asarray(model(t.astype("int32"), training=False))[:, :11] for t in (tokens, changed))
        if np.abs(one - other).max() > 1e-5:
            raise ValueError(
                f"`model` must answer from what came before, got {model.name}, which sees what comes after."
            )

    def prepare(self, data, model):
        """From texts to numbers: (B,) strings  ->  (B, longest), 0 after the end; 1 is an unknown character."""
        text = layers.Input((), dtype="string", name="text")
        length = model.input_shape[1]
        return keras.Model(text, vectorizer("characters", length, list(data.outputs[2:]))(text), name="preprocessing")

    def pipeline(self, examples, training, preprocessing=None, classes=None):
        """Batches of windows as numbers, and of the same windows one character later; as `Recipe.pipeline`."""
        if preprocessing is None:
            return super().pipeline(examples, training)
        return super().pipeline(Examples(*numbered(preprocessing, examples)), training)

    def target(self, y, classes=None):
        """Numbers of characters as they are."""
        return y

    def compile(self, model, steps=1000, **settings):
        """Compiles `model` for `steps` training steps; `settings` go to `model.compile` (jit_compile, ...)."""
        loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=PADDING)
        model.compile(optimizer=self.optimize(steps), loss=loss, **settings)
        return model

    def trivial_loss(self, data):
        """Entropy of the training part's characters [nats]."""
        counts = np.unique(list("".join(data.train.targets)), return_counts=True)[1]
        p = counts / counts.sum()
        return float(-(p * np.log(p)).sum())

    def labels(self, data):
        """None: there is an answer for every character, and no single class."""
        return None

    def respond(self, run, part):
        """The probability that the model gave to each character that came, (N, T); NaN where a window has ended."""
        return foretold(run, part)[0]

    def examine(self, run, part):
        """Metrics of a run on one part, beside counting.

        Args:
            run: a `Run`.
            part: train, validation or test.
        Returns:
            Dict of floats: bits_per_character, perplexity, accuracy (the likeliest one was right), characters, skill
            (1 - bits / the best rival's); `baseline` holds the best rival's, `rivals` all of them.
        """
        p, right = foretold(run, part)
        real = np.isfinite(p)
        rivals = {name: scores(q[real]) for name, q in counted(run, part).items()}
        best = min(rivals, key=lambda name: rivals[name]["bits_per_character"])
        own = scores(p[real])
        return {
            "examples": len(p),
            "characters": int(real.sum()),
            **own,
            "accuracy": float(right[real].mean()),
            "skill": 1 - own["bits_per_character"] / rivals[best]["bits_per_character"],
            "baseline": {**rivals[best], "skill": 0.0, "name": best},
            "rivals": rivals,
        }

    def verdict(self, found, part):
        """Bits a character beside counting's."""
        best, each = found["baseline"], found["rivals"]
        said = [
            f"{found['bits_per_character']:.2f} bits a character (perplexity {found['perplexity']:.2f}) on "
            f"{found['characters']:,} {part} characters; {best['name']} have {best['bits_per_character']:.2f}, the "
            f"characters' shares alone {each['shares of characters']['bits_per_character']:.2f}."
        ]
        if found["skill"] <= 0:
            said.append("This model is no better than counting: do not use it.")
        return said

    def figures(self, run, part):
        """What it writes, and how much the characters before help."""
        from recipes.reports.report import new_figure
        from recipes.runs.text_generation import several

        figure = new_figure(9, 5.5)
        heats = (0.3, 0.7, 1.0)
        start = getattr(run.data, part).inputs[0][:60]
        texts = [start + said for said in several(run, start, 300, heats, self.seed)]
        for ax, heat, said in zip(figure.subplots(3, 1), heats, texts, strict=True):
            ax.set_axis_off()
            ax.set_title(f"temperature {heat:g}", fontsize=9, loc="left")
            lines = [line[i : i + 110] for line in said.split("\n") for i in range(0, max(1, len(line)), 110)]
            ax.text(0, 1, "\n".join(lines[:9]), fontsize=7, family="monospace", va="top", parse_math=False)
        told = (
            "The first 60 characters are given, the others drawn one by one: at a low temperature only the likeliest, "
            "at 1 as often as the model says."
        )
        curve = new_figure(6.5, 3.4)
        ax = curve.subplots()
        for name, p in {"this model": foretold(run, part)[0], **counted(run, part)}.items():
            bits = np.nanmean(-np.log2(p), axis=0)
            ax.plot(np.arange(1, len(bits) + 1), bits, label=name, lw=2 if name == "this model" else 1)
        ax.set(xscale="log", xlabel="characters seen of the window", ylabel="bits a character")
        ax.grid(alpha=0.3)
        ax.legend()
        return [("What it writes", told, figure), ("How much the past helps", "Lower is better.", curve)]


def numbered(preprocessing, examples):
    """(inputs, targets) of windows as (N, T) int32, 0 after the end of shorter ones."""
    longest = max((len(text) for text in examples.inputs), default=1)

    def numbers(texts):
        found = np.zeros((len(texts), longest), np.int32)
        for i in range(0, len(texts), FEW):
            batch = np.asarray(preprocessing(texts[i : i + FEW], training=False))
            found[i : i + FEW, : batch.shape[1]] = batch
        return found

    return numbers(examples.inputs), numbers(examples.targets)


def foretold(run, part):
    """((N, T) probability of each character that came, (N, T) whether it was the likeliest); NaN after the end."""
    x, y = numbered(run.preprocessing, getattr(run.data, part))
    p, right = np.full(y.shape, np.nan), np.zeros(y.shape, bool)
    for i in range(0, len(x), FEW):
        answers = run.model.predict(x[i : i + FEW], batch_size=32, verbose=0)
        p[i : i + FEW] = np.take_along_axis(answers, y[i : i + FEW, :, None], -1)[..., 0]
        right[i : i + FEW] = answers.argmax(-1) == y[i : i + FEW]
    return np.where(y == PADDING, np.nan, np.maximum(p, 1e-12)), right


def counted(run, part):
    """What counting gives to each character that came: name -> (N, T); NaN after the end.

    How long the runs are is chosen on the validation part, and where that is empty on this one.
    """
    data = run.data
    stream = Examples(np.array(["".join(data.train.inputs)], object), np.array([PAD], object))
    ngrams = Ngrams(numbered(run.preprocessing, stream)[0][0], len(data.outputs), COUNTED)
    watched = "validation" if len(data.validation) else part

    def asked(of):
        x, y = numbered(run.preprocessing, getattr(data, of))
        both = np.concatenate([x[:, :1], y], axis=1)
        return np.where(y == PADDING, np.nan, ngrams.probabilities(both)[:, :, 1:])

    best = int(np.argmin([np.nanmean(-np.log(p)) for p in asked(watched)]))
    found = asked(part)
    return {"shares of characters": found[0], f"counted runs of up to {best + 1} characters": found[best]}


def scores(p):
    """Bits a character and perplexity of probabilities, (N,)."""
    bits = float(-np.log2(p).mean())
    return {"bits_per_character": bits, "perplexity": 2**bits}
