"""Classification of images with few labels: semi-supervised learning by pseudo-labels."""

from typing import ClassVar, Literal

import numpy as np

from recipes.data.augment.steps import MIXING
from recipes.data.unlabelled import UNKNOWN, hide_labels
from recipes.reports.pseudo_label_figures import pseudo_label_curves
from recipes.tasks.classification import Classification
from recipes.tasks.few_labels_baselines import compare_with_labels_alone
from recipes.tasks.few_labels_batches import few_labels_batches
from recipes.tasks.fine_tuning import transfer_for
from recipes.tasks.semi_supervised import SemiSupervised, ValidateAverage
from recipes.training.diagnosis import diagnose
from recipes.training.schedules import Optimizer, Schedule
from recipes.training.task import task
from zoo.arguments import Count, NonNegative, Positive, Rate
from zoo.introspect.output_activation import output_activation

FIXED = {"class_weight": None, "echo_epochs": 1, "patience": None, "adversarial": 0}  # settings that have one value
LOSS_WEIGHTS = {"pseudo_label": 3.0}  # of the unlabelled images; 1 for other methods


@task
class FewLabels(Classification):
    """One class for each image, learned from few labelled and many unlabelled images.

    The unlabelled images are those of `unlabelled=` of `recipes.read_folder` or `recipes.read_arrays`, or the images
    whose labels `labels_per_class` hides. All methods predict the classes of weakly augmented unlabelled images, and
    take the classes for labels:

    - pseudo_label: of all of them, for the same images; their weight rises during the training.
    - fixmatch: of those above a fixed threshold, for strongly augmented copies.
    - freematch: of those above thresholds for each class that follow the predictions, with a fairness loss.
    - supervised: no unlabelled images, for comparison.

    The result is the exponential moving average of the weights after the last step. No setting and no epoch is chosen
    on the validation split. An epoch has `steps_per_epoch` steps; both kinds of images are repeated as needed, also
    within a batch where there are fewer labelled images than `batch_size`. The report compares the run with the same
    network trained on the labels alone for as many steps, and with a logistic regression on the pixels or the
    backbone's features. For digits and other images that may not be mirrored leave out "flip" of `augment`.

    `fit` takes for `model` any classifier of images, by name or built. With `weights` it takes what `zoo.transfer`
    takes as `backbone`: the backbone is frozen, and a linear head is trained.

    >>> run = recipes.FewLabels().fit("resnet_cifar", "folder:labelled?unlabelled=archive")

    Args:
        method: fixmatch, freematch, pseudo_label or supervised.
        labels_per_class: number of training examples of each class, drawn with the seed, whose labels are used. The
            labels of all others are hidden, and so are those of the validation split. None uses all labels.
        epochs: number of epochs, each of `steps_per_epoch` steps.
        steps_per_epoch: training steps per epoch.
        batch_size: labelled images per step; 64 in the papers.
        unlabelled_ratio: unlabelled images per step, as a multiple of `batch_size` (mu).
        threshold: confidence from which fixmatch uses a pseudo-label (tau).
        unlabelled_weight: weight of the unlabelled images in the loss (lambda); None for 1, and 3 for pseudo_label.
        ramp: fractions of the training between which the weight of pseudo_label rises from 0.
        ema_momentum: decay of the moving average of the weights. It rises to this value over the first steps.
        threshold_momentum: decay of the moving averages of freematch's thresholds.
        fairness: weight of freematch's fairness loss.
        augment: weak augmentation, of labelled and unlabelled images.
        strong_augment: strong augmentation of fixmatch and freematch; None for the weak one, RandAugment and Cutout, or
            what suits other than 8-bit gray and color images.
        weights: of a frozen pretrained backbone, as `FineTuning` has them: bundled, another of
            `zoo.weights.names(backbone)`, a file, a preset or the folder of a run; None to train all of the model.
        weight_decay: decoupled weight decay. With momentum 0.9, 0.005 has the effect of the papers' 0.0005 in the loss.
        **kwargs: as `Classification` has them. `baselines` includes the training on the labels alone.

    Source: Lee 2013, Pseudo-Label; Sohn et al. 2020, https://arxiv.org/abs/2001.07685; Wang et al. 2023,
        https://arxiv.org/abs/2205.07246.
    Differs: the papers train for 2 ** 20 steps of 64 labelled images, which takes days without a GPU. The magnitude of
        RandAugment is fixed at half of its range, not drawn; the side of Cutout is half of the image's. Weakly
        augmented images pass the network on their own, so that batch normalization sees them apart. The ramp of
        pseudo_label is in fractions of the training.
    """

    method: Literal["fixmatch", "freematch", "pseudo_label", "supervised"] = "fixmatch"
    labels_per_class: Count | None = None
    epochs: Count = 40
    steps_per_epoch: Count = 100
    batch_size: Count = 16
    learning_rate: Positive = 0.03
    optimizer: Optimizer = "nesterov"
    schedule: Schedule = "cosine_7_16"
    weight_decay: NonNegative = 0.005
    augment: tuple = ("flip", "shift:0.125")
    strong_augment: tuple | None = None
    unlabelled_ratio: Count = 7
    threshold: Rate = 0.95
    unlabelled_weight: NonNegative | None = None
    ramp: tuple[Rate, Rate] = (0.1, 0.6)
    ema_momentum: Rate = 0.999
    threshold_momentum: Rate = 0.999
    fairness: NonNegative = 0.05
    weights: str | None = None

    supports_ensemble: ClassVar[bool] = False
    data_tasks: ClassVar[tuple] = ("classification",)
    uses_unlabelled: ClassVar[bool] = True

    def __post_init__(self):
        for name, value in FIXED.items():
            if getattr(self, name) != value:
                raise ValueError(
                    f"FewLabels: `{name}` must be {value}, got {getattr(self, name)!r}; train with Classification to "
                    "set it."
                )
        if self.ramp[0] > self.ramp[1]:
            raise ValueError(f"FewLabels: `ramp` must be two fractions that rise, got {self.ramp}.")
        for name in ("augment", "strong_augment"):
            steps = [s.partition(":")[0] for s in getattr(self, name) or () if isinstance(s, str)]
            mixing = [step for step in steps if step in MIXING]
            if mixing:
                raise ValueError(f"FewLabels: `{name}` must not mix images, whose labels it needs, got {mixing[0]}.")

    @property
    def loss_weight(self):
        """Weight of the unlabelled images in the loss, after the ramp."""
        return LOSS_WEIGHTS.get(self.method, 1.0) if self.unlabelled_weight is None else self.unlabelled_weight

    def open_data(self, data):
        """Returns the `Data`, with hidden labels where `labels_per_class` is set."""
        data = super().open_data(data)
        if self.labels_per_class is None or data.task not in self.data_tasks:
            return data
        return hide_labels(data, self.labels_per_class, self.seed)

    def open_new_data(self, data):
        """Returns other `Data` with all of its labels."""
        return super().open_data(data)

    def check_data(self, data):
        """Raises a ValueError if the data are no images of two classes or more, or have no unlabelled images."""
        super().check_data(data)
        if data.kind != "image":
            raise ValueError(
                f"FewLabels: `data` must be images, got {data.name} of kind {data.kind}, which has no augmentation; "
                "train it with Classification."
            )
        if len(data.classes) < 2:
            raise ValueError(f"FewLabels: `data` must have two classes or more, got only {data.classes[0]!r}.")
        if self.method != "supervised" and data.train.unlabelled is None:
            raise ValueError(
                f"FewLabels: `data` must have unlabelled images for {self.method}, got none in {data.name}; write "
                "folder:labelled?unlabelled=FOLDER, or set `labels_per_class` to hide labels."
            )

    def build_model(self, model, data, **arguments):
        """Returns a new model for the data; with `weights` a frozen backbone under a linear head.

        Args:
            model: as `Task.build_model` has it; with `weights` what `zoo.transfer` takes as `backbone`.
            data: `Data`, or what `recipes.load` takes.
            **arguments: of the builder, or of `zoo.transfer`.
        """
        if self.weights is None:
            return super().build_model(model, data, **arguments)
        return transfer_for(self, model, data, arguments)

    def check_model(self, model, data):
        """Raises a ValueError if the model has no output for each class, or takes images of any size."""
        super().check_model(model, data)
        activation = output_activation(model)
        if model.output_shape[-1] != len(data.classes) or activation == "sigmoid":
            raise ValueError(
                f"`model` must end in a softmax or logits of {len(data.classes)} classes, got {model.name} with "
                f"{model.output_shape[-1]} and {activation}."
            )
        if None in model.input_shape[1:]:
            raise ValueError(
                f"`model` must take images of one size, got {model.name} with {model.input_shape[1:]}; set "
                "`input_shape`."
            )

    def wrap_model(self, model, data):
        """Returns the `SemiSupervised` model that trains the classifier."""
        unlabelled = data.train.unlabelled
        is_hidden = unlabelled is not None and bool((unlabelled.targets != UNKNOWN).all())
        return SemiSupervised(model, self, is_hidden)

    def pipeline(self, examples, training, preprocessing=None, classes=None):
        """Returns batches as `Task.pipeline`; for training those of labelled and unlabelled images."""
        if training:
            return few_labels_batches(self, examples, preprocessing, classes)
        return super().pipeline(examples, training, preprocessing, classes)

    def count_steps(self, data):
        """Returns the number of training steps in an epoch."""
        return self.steps_per_epoch

    def cross_entropy(self, model):
        """Returns the cross-entropy that fits the classifier's output."""
        return super().cross_entropy(getattr(model, "classifier", model))

    def compile(self, model, steps=1000, data=None, **settings):
        """Compiles the `SemiSupervised` model; arguments as `Task.compile` has them."""
        model.steps = steps
        return super().compile(model, steps, data, **settings)

    def callbacks(self, model, out, data):
        """Returns the callback that evaluates the averaged weights on the validation split."""
        return [ValidateAverage()]

    def finish_run(self, run):
        """Returns the run with the averaged weights, and with the comparison to training on the labels alone."""
        initial_weights = run.model.initial_weights
        run = super().finish_run(run.replace(model=run.model.set_average()))
        if self.baselines and (comparison := compare_with_labels_alone(run, initial_weights)):
            run.record["baselines"] = comparison
        return run

    def evaluate(self, run, split):
        """Computes the metrics of `Classification`, and the numbers of labelled and unlabelled training images."""
        train = run.data.train
        counts = {"labelled": len(train), "unlabelled": 0 if train.unlabelled is None else len(train.unlabelled)}
        return {**super().evaluate(run, split), **counts}

    def summarize(self, metrics, split):
        """Returns the accuracy as `Classification`, and what the network was trained on."""
        unlabelled = f" and {metrics['unlabelled']:,} unlabelled" if self.method != "supervised" else ""
        trained = f"The network was trained on {metrics['labelled']:,} labelled{unlabelled} images ({self.method})."
        return [*super().summarize(metrics, split), trained]

    def diagnose(self, run):
        """Returns sentences on the learning curves of the labelled images, without the loss of the unlabelled ones."""
        history = dict(run.history)
        if "unlabelled_loss" in history:
            history["loss"] = np.subtract(history["loss"], history["unlabelled_loss"])
        return diagnose(history, **self.diagnosis_arguments(run))

    def figures(self, run, split):
        """Returns the curves of the pseudo-labels, and the figures of `Classification`."""
        return pseudo_label_curves(run) + super().figures(run, split)
