"""Fine-tuning in phases: the head first, then the top of the backbone, each at its own rate."""

import typing

import keras

from zoo.arguments import Count, Positive, Whole, checked
from zoo.backbones.input_range import verify_range
from zoo.backbones.stages import stages, thaw
from zoo.introspect.layers import leaf_layers
from zoo.keras_patches import LayerRates


class Phase(typing.NamedTuple):
    """One phase: what trains, for how long, how fast."""

    stages: int | None  # of the backbone, from the top; None for all
    epochs: int
    learning_rate: float  # of the head
    decay: float  # a stage's rate is that of the one above times this
    batch_norm: bool

    def begin(self, model, inputs, optimizer="adam"):
        """Sets what trains and returns the optimizer to compile the model with.

        Args:
            model: as `zoo.transfer` gave it.
            inputs: some of the training inputs, or a tf.data.Dataset of batches: their range is verified.
            optimizer: name of a Keras optimizer, or its class.
        Returns:
            A Keras optimizer at this phase's rate; a `LayerRates` where the stages' rates differ.
        Raises:
            ValueError: if the model has fewer stages, or the inputs are not in the range that the backbone needs.
        """
        verify_range(model, inputs)
        thaw(model, self.stages, batch_norm=self.batch_norm)
        if isinstance(optimizer, str):
            optimizer = type(keras.optimizers.get(optimizer))
        made = optimizer(learning_rate=self.learning_rate)
        return made if self.decay == 1 else LayerRates(made, layer_factors(model, self.decay))


@checked
def layer_factors(model: keras.Model, decay: Positive = 0.75) -> dict:
    """What the learning rate of each layer is multiplied by: 1 in the head, `decay` in the top stage, its square below.

    Args:
        model: as `zoo.transfer` gave it, or another functional or Sequential model.
        decay: factor from one stage to the one below.
    Returns:
        {name of a layer with weights: factor}, as `zoo.LayerRates` takes it.
    Raises:
        ValueError: if two layers of one name are in different stages, as in a model of two like backbones.
    """
    below = {layer.name: 1.0 for layer in leaf_layers(model, functional_only=True).values() if layer.weights}
    every, given = stages(model), {}
    for i, stage in enumerate(every):
        for layer in stage.layers:
            factor = decay ** (len(every) - i)
            if given.setdefault(layer.name, factor) != factor:
                raise ValueError(f"layer_factors: `model` must have one layer called {layer.name}, got several.")
    return {**below, **given}


@checked
def finetune_schedule(
    *,
    stages: tuple[Whole | None, ...] = (0, 2),
    epochs: tuple[Count, ...] = (5, 10),
    learning_rates: tuple[Positive, ...] = (1e-3, 1e-4),
    decay: Positive = 1.0,
    batch_norm: bool = False,
) -> tuple:
    """Fine-tuning's phases: the head first, so that its random start spoils no backbone; then the backbone's top, slower.

    >>> for phase in zoo.finetune_schedule(stages=(0, 2), epochs=(5, 10), rates=(1e-3, 1e-4)):
    ...     optimizer = phase.begin(model, images)
    ...     model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    ...     model.fit(images, labels, epochs=phase.epochs)

    Args:
        stages: how many stages of the backbone train in each phase, from the top; 0 for the head alone, None for all.
        epochs: passes over the training part in each phase.
        learning_rates: learning rate of the head in each phase.
        decay: a stage's rate is that of the one above times this; 1 for one rate, 0.65 to 0.9 for transformers.
        batch_norm: whether batch normalisation trains in the stages that do.
    Returns:
        Tuple of `Phase`.
    Raises:
        ValueError: if `stages`, `epochs` and `learning_rates` are not equally many.

    Source: Yosinski et al. 2014, https://arxiv.org/abs/1411.1792, on layers that were trained together; rates by layer:
        Howard and Ruder 2018, https://arxiv.org/abs/1801.06146, section 3.2.
    """
    if not len(stages) == len(epochs) == len(learning_rates):
        told = f"{len(stages)}, {len(epochs)} and {len(learning_rates)}"
        raise ValueError(f"phases: `stages`, `epochs` and `learning_rates` must be equally many, got {told}.")
    return tuple(Phase(*row, decay, batch_norm) for row in zip(stages, epochs, learning_rates, strict=True))
