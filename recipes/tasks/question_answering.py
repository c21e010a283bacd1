"""Visual question answering: one of the answers to a question about an image."""

import functools
import inspect
from typing import ClassVar, Literal

import keras
import numpy as np
from keras import layers

import zoo
from recipes.data.examples import SPLITS
from recipes.data.questions.assemble_questions import UNKNOWN_ANSWER
from recipes.data.questions.preprocessing import image_preprocessing
from recipes.prediction.predict import predict_batch, to_outputs
from recipes.reports.coverage import describe_coverage
from recipes.reports.question_figures import question_figures
from recipes.tasks import question_metrics
from recipes.tasks.calibration import coverage_metrics
from recipes.tasks.classification import Classification
from recipes.tasks.question_batches import NoImages, image_batches, question_batches
from recipes.tasks.text_classification import token_ids, vectorizer
from recipes.training.pretrained_encoder import load_encoder
from recipes.training.schedules import build_optimizer
from recipes.training.task import task
from zoo.arguments import Count
from zoo.question.model_parts import IMAGE, QUESTION, several_questions, split_at_image, takes_questions
from zoo.registry import entry

PRETRAINED_SIDE = 128  # smallest image of a pretrained encoder [pixels]
DEFAULT_SIDE = 256  # of images that differ in size, as in the paper [pixels]


@task
class QuestionAnswering(Classification):
    """Answers questions about images with one of the answers of the training split.

    The data are questions about images, such as "bundled:land-questions" or "questions:FILE.csv". The model is `rsvqa`,
    or one of yours that takes {"image": ..., "question": ...}. Words become tokens in a layer before the model, so that
    the export takes images and strings. An image is decoded once, however many questions it has; where the encoder is
    frozen, its feature map is computed once, too.

    Two baselines are beside the model: the commonest answer of each type of question, and the same network without the
    image, which sees only the question. Metrics are the accuracy, its mean over the types and that of each type, with
    95 % intervals of which the images are drawn, not the questions.

    Args:
        accelerate: as `Task` has it; off by default, as batches differ in their number of questions.
        length: words of a question that are used, from its beginning; shorter questions are padded.
        vocabulary: number of tokens, the most frequent words of the training questions; one of them stands for all
            others, and one for padding.
        encoder: name of a classifier whose last feature map the model takes of the image; the paper's is resnet152.
            Images below 128 pixels are enlarged to 128 for one with pretrained weights.
        encoder_arguments: of the classifier, such as {"filters": (32, 64)}, or None for its defaults.
        encoder_weights: pretrained weights, which stay as they are, for 8-bit photos: bundled (of efficientnet_lite0
            and mobilenet_v2), imagenet, or a file of torchvision or timm. None trains the encoder from random weights,
            which takes many more steps.
        baselines: whether to train the network that sees only the question.
        **kwargs: as `Classification` has them; augmentation is not available, as a turn would change what is left.

    Source: Lobry, Marcos, Murray, Tuia 2020, https://arxiv.org/abs/2003.07333.
    """

    accelerate: Literal["auto", "off", "xla", "mixed"] = "off"
    length: Count = 16
    vocabulary: Count = 10_000
    encoder: str = "efficientnet_lite0"
    encoder_arguments: dict | None = None
    encoder_weights: str | None = "bundled"

    supports_ensemble: ClassVar[bool] = False
    data_tasks: ClassVar[tuple] = ("classification",)
    predict_batch_size: ClassVar[int] = 64

    def __post_init__(self):
        for name in ("augment", "adversarial", "label_smoothing"):
            if getattr(self, name):
                raise ValueError(
                    f"`{name}` must be unset for questions about images, got {getattr(self, name)!r}; leave it out."
                )
        if self.vocabulary < 3:
            raise ValueError(
                f"`vocabulary` must be 3 or more, including padding and unknown words, got {self.vocabulary}."
            )

    def check_data(self, data):
        """Raises a ValueError if the data are no questions about images."""
        super().check_data(data)
        if data.kind != "question":
            raise ValueError(
                f"{type(self).__name__}: `data` must be questions about images, got {data.name} of kind {data.kind}; "
                "questions:FILE.csv reads a table with the columns image, question and answer."
            )

    def head_arguments(self, name, data):
        """Returns the numbers of answers and tokens, the shapes of both inputs, and the encoder."""
        parameters = inspect.signature(entry(name).build).parameters
        if entry(name).task != "question":
            raise ValueError(f"`model` must answer questions about images, as rsvqa does, got {name}.")
        arguments = {
            "classes": len(data.classes),
            "activation": "softmax",
            "input_shape": self.image_shape(data),
            "question_shape": (self.length,),
            "vocabulary": len(self.vocabulary_of(data)) + 2,
            "encoder": self.encoder,
            "encoder_arguments": self.encoder_arguments,
            "frozen": self.encoder_weights is not None,
        }
        return {key: value for key, value in arguments.items() if key in parameters}

    def image_shape(self, data):
        """Returns the shape (H, W, C) of the model's image."""
        height, width, bands = data.shape
        if None in data.shape:
            return (DEFAULT_SIDE, DEFAULT_SIDE, bands)
        if self.encoder_weights is not None and min(height, width) < PRETRAINED_SIDE:
            return (PRETRAINED_SIDE, PRETRAINED_SIDE, bands)
        return (height, width, bands)

    def build_model(self, model, data, **arguments):
        """Returns a new network, with the encoder's weights, or the `keras.Model` as it is."""
        return load_encoder(self, super().build_model(model, data, **arguments), is_new=isinstance(model, str))

    def check_model(self, model, data):
        """Raises a ValueError if the model does not take images and questions, or does not predict the answers."""
        if not takes_questions(model):
            raise ValueError(
                f"`model` must take {{'image': ..., 'question': ...}}, got {model.name} with the inputs "
                f"{', '.join(tensor.name for tensor in model.inputs)}."
            )
        super().check_model(model, data)

    def vocabulary_of(self, data):
        """Returns the words of the training questions, the most frequent first, without padding and the unknown one."""
        return _vocabulary(data, self.vocabulary)

    def preprocessing(self, data, model):
        """Returns the model from {"image": (B, H, W, C), "question": (B,) strings} to the model's inputs."""
        moments = None
        if self.encoder_weights is not None:
            moments = zoo.encoder_moments(self.encoder, self.encoder_weights)
        image = image_preprocessing(data, model.input[IMAGE].shape[1:], moments)
        text = layers.Input((), dtype="string", name=QUESTION)
        length = model.input[QUESTION].shape[1] or self.length
        ids = token_ids(text, "words", length, self.vocabulary_of(data))
        inputs = {IMAGE: image.inputs[0], QUESTION: text}
        return keras.Model(inputs, {IMAGE: image.outputs[0], QUESTION: ids}, name="preprocessing")

    def pipeline(self, examples, training, preprocessing=None, classes=None):
        """Returns batches of ({"image": ..., "question": ...}, answers); arguments as `Task.pipeline` has them."""
        return question_batches(self, examples, training, preprocessing)

    def train(self, model, training_batches, steps, compile_arguments, fit_arguments, data):
        """Trains the model with each image once per step and all of its questions.

        With a frozen encoder only the rest is trained, on feature maps that are computed once.
        """
        encoder, head = split_at_image(model)
        if encoder is None:
            return super().train(model, training_batches, steps, compile_arguments, fit_arguments, data)
        if encoder.trainable_weights:
            trained, make_batches = several_questions(encoder, head), image_batches
        else:
            trained, make_batches = head, functools.partial(question_batches, encoder=encoder)
        preprocessing = self.preprocessing(data, model)
        training_batches = make_batches(self, data.train, True, preprocessing)
        if fit_arguments["validation_data"] is not None:
            validation = make_batches(self, data.validation, False, preprocessing)
            fit_arguments = {**fit_arguments, "validation_data": validation}
        return super().train(trained, training_batches, steps, compile_arguments, fit_arguments, data)

    def finish_run(self, run):
        """Returns the run with what `Classification` adds, the commonest answers, and the model of questions alone."""
        data = run.data
        commonest = question_metrics.commonest_answers(data.train.targets, data.train.inputs.types)
        run.record["commonest_answers"] = {name: data.classes[i] for name, i in commonest.items()}
        run.record["untrained_answers"] = [
            data.classes[i] for i in np.setdiff1d(np.arange(len(data.classes)), data.train.targets)
        ]
        run = super().finish_run(run)
        if self.baselines:
            run.record["question_only"] = self.compare_question_only(run)
        return run

    def compare_question_only(self, run):
        """Trains the run's network without the image, for as many epochs, and compares both.

        Args:
            run: a run of this task.
        Returns:
            Dict: validation and test -> accuracy, sentence, and by_type as `question_metrics.beside_question_only`
            returns it.
        """
        data = run.data
        keras.utils.set_random_seed(self.seed)
        _, model = split_at_image(type(run.model).from_config(run.model.get_config()))
        store = NoImages(model.input[IMAGE].shape[1:])
        splits = {
            split: question_batches(self, getattr(data, split), split == "train", run.preprocessing, store=store)
            for split in SPLITS
            if len(getattr(data, split))
        }
        validation = splits.get("validation") if self.patience else None
        stop = keras.callbacks.EarlyStopping(patience=self.patience or 0, restore_best_weights=True)
        self.compile(model, run.record["steps_per_epoch"] * self.epochs, data)
        build_optimizer(model)
        model.fit(
            splits.pop("train"), epochs=self.epochs, verbose=0, shuffle=False, class_weight=self.class_weights(data),
            validation_data=validation, callbacks=[] if validation is None else [stop],
        )  # fmt: skip
        return {
            split: self.compare_splits(run, split, to_outputs(run, model.predict(batches, verbose=0)))
            for split, batches in splits.items()
        }

    def compare_splits(self, run, split, predictions):
        """Returns the accuracy of the model of questions alone on a split, and the run's margin over it.

        Args:
            run: `Run`.
            split: validation or test.
            predictions: (N, classes) of the model of questions.
        """
        inputs, correct = getattr(run.data, split).inputs, self.is_correct(run, split, run.predict_split(split))
        question_only = self.is_correct(run, split, predictions)
        seed, name = self.seed, "the same network without the image"
        entry = question_metrics.compare(correct, question_only, inputs.image_index, split, seed, name)
        margins = question_metrics.margins(inputs, correct, question_only, split, seed)
        return {"accuracy": float(question_only.mean()), "sentence": entry["sentence"], "by_type": margins}

    def is_correct(self, run, split, predictions):
        """Returns (N,) bool: whether the most probable answer is right; one without a training question never is."""
        targets = getattr(run.data, split).targets
        names = np.array(run.classes)[targets]
        trained = (targets != UNKNOWN_ANSWER) & ~np.isin(names, run.record.get("untrained_answers", []))
        return (predictions.argmax(-1) == targets) & trained

    def evaluate(self, run, split):
        """Computes the accuracy, that of each type of question, and those of the baselines.

        Args:
            run: `Run`.
            split: "train", "validation" or "test".
        Returns:
            Dict of numbers; `average_accuracy` is the mean over the types; `by_type` has, for each type, questions,
            accuracy, interval, commonest_answer, and where the network without the image was trained question_only,
            margin and margin_interval; `baseline` holds those of the commonest answer of each type.
        """
        examples, predictions = getattr(run.data, split), run.predict_split(split)
        inputs, targets = examples.inputs, examples.targets
        index = {name: run.classes.index(answer) for name, answer in run.record["commonest_answers"].items()}
        commonest = question_metrics.predict_commonest(index, inputs.types) == targets
        correct = self.is_correct(run, split, predictions)
        rows = question_metrics.by_type(inputs, correct, commonest, self.seed)
        question_only = run.record.get("question_only", {}).get(split)
        if question_only:
            rows = {name: {**row, **question_only["by_type"][name]} for name, row in rows.items()}
        verdict = question_metrics.compare(correct, commonest, inputs.image_index, split, self.seed)
        answered = targets != UNKNOWN_ANSWER
        metrics = {
            "verdict": verdict,
            "accuracy": float(correct.mean()),
            "accuracy_interval": question_metrics.accuracy_interval(correct, inputs.image_index, self.seed),
            "average_accuracy": float(np.mean([row["accuracy"] for row in rows.values()])),
            "by_type": rows,
            "examples": len(targets),
            "images": len(np.unique(inputs.image_index)),
            "baseline": {
                "accuracy": float(commonest.mean()),
                "average_accuracy": float(np.mean([row["commonest_answer"] for row in rows.values()])),
                "name": question_metrics.COMMONEST,
            },
        }
        if question_only:
            metrics["question_only"] = {key: question_only[key] for key in ("accuracy", "sentence")}
        if run.conformal and split != "validation" and answered.any():
            metrics |= coverage_metrics(run.conformal, targets[answered], predictions[answered], run.classes)
        return metrics

    def summarize(self, metrics, split):
        """Returns the accuracy and that of each type, beside those of the baselines."""
        interval, percent = metrics["accuracy_interval"], question_metrics.percent
        average, baseline = percent(metrics["average_accuracy"]), percent(metrics["baseline"]["accuracy"])
        sentences = [
            f"Accuracy {percent(metrics['accuracy'])} on {metrics['examples']:,} {split} questions",
            f"They are about {metrics['images']:,} images"
            + (f"; the 95 % interval is {100 * interval[0]:.1f} to {percent(interval[1])}. " if interval else ". ")
            + f"The mean over the types of questions is {average}. The commonest answer of each type has {baseline}.",
        ]
        if "question_only" in metrics:
            sentences.append(metrics["question_only"]["sentence"])
        for name, row in metrics["by_type"].items():
            sentences.append(question_metrics.describe(name, row))
        return [*sentences, *describe_coverage(metrics)]

    def figures(self, run, split):
        """Returns the accuracy of each type, examples of right and wrong answers, and the pixels that mattered."""
        return question_figures(
            run, split, run.evaluate(split)["by_type"], self.is_correct(run, split, run.predict_split(split))
        )

    def predict_split(self, run, split):
        """Returns the probability of each answer to the questions of a split, (N, classes), in its order."""
        return predict_batch(run, getattr(run.data, split).inputs)


@functools.lru_cache(maxsize=2)
def _vocabulary(data, max_tokens):
    layer = vectorizer("words", None, max_tokens=max_tokens)
    layer.adapt(data.train.inputs.questions.tolist(), batch_size=256)
    return layer.get_vocabulary(include_special_tokens=False)
