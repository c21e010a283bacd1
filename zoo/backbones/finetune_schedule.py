"""Schedules of fine-tuning: first the head, then the top of the backbone, each with its own learning rate."""

import typing

import keras

from zoo.arguments import Count, Positive, Whole, checked
from zoo.backbones.input_range import verify_range
from zoo.backbones.stages import stages, thaw
from zoo.introspect.layers import leaf_layers
from zoo.keras_patches import LayerRates


class Phase(typing.NamedTuple):
    """One phase of fine-tuning."""

    stages: int | None  # trainable stages of the backbone, from the top; None for all
    epochs: int
    learning_rate: float  # of the head
    decay: float  # learning rate of a stage divided by that of the stage above
    batch_norm: bool

    def begin(self, model, inputs, optimizer="adam"):
        """Sets the trainable stages, and returns the optimizer to compile the model with.

        Args:
            model: returned by `zoo.transfer`.
            inputs: some of the training inputs, or a tf.data.Dataset of batches, whose range is verified.
            optimizer: name of a Keras optimizer, or its class.
        Returns:
            A Keras optimizer with the learning rate of this phase; a `LayerRates` where those of the stages differ.
        Raises:
            ValueError: if the model has fewer stages, or the inputs are not in the range that the backbone needs.
        """
        verify_range(model, inputs)
        thaw(model, self.stages, batch_norm=self.batch_norm)
        if isinstance(optimizer, str):
            optimizer = type(keras.optimizers.get(optimizer))
        optimizer = optimizer(learning_rate=self.learning_rate)
        return optimizer if self.decay == 1 else LayerRates(optimizer, layer_factors(model, self.decay))


@checked
def layer_factors(model: keras.Model, decay: Positive = 0.75) -> dict:
    """Returns the factor of each layer's learning rate: 1 in the head, `decay` in the top stage, decay^2 in the next.

    Args:
        model: returned by `zoo.transfer`, or another functional or Sequential model.
        decay: factor from one stage to the stage below.
    Returns:
        {name of a layer with weights: factor}, as `zoo.LayerRates` takes it.
    Raises:
        ValueError: if two layers of one name are in different stages, as in a model of two similar backbones.
    """
    factors = {layer.name: 1.0 for layer in leaf_layers(model, functional_only=True).values() if layer.weights}
    backbone_stages, stage_factors = stages(model), {}
    for i, stage in enumerate(backbone_stages):
        for layer in stage.layers:
            factor = decay ** (len(backbone_stages) - i)
            if stage_factors.setdefault(layer.name, factor) != factor:
                raise ValueError(f"layer_factors: `model` must have one layer called {layer.name}, got several.")
    return {**factors, **stage_factors}


@checked
def finetune_schedule(
    *,
    stages: tuple[Whole | None, ...] = (0, 2),
    epochs: tuple[Count, ...] = (5, 10),
    learning_rates: tuple[Positive, ...] = (1e-3, 1e-4),
    decay: Positive = 1.0,
    batch_norm: bool = False,
) -> tuple:
    """Returns the phases of fine-tuning: the head first, then the top of the backbone with a smaller learning rate.

    Training the head first avoids large gradients from its random start in the backbone.

    >>> for phase in zoo.finetune_schedule(stages=(0, 2), epochs=(5, 10), learning_rates=(1e-3, 1e-4)):
    ...     optimizer = phase.begin(model, images)
    ...     model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    ...     model.fit(images, labels, epochs=phase.epochs)

    Args:
        stages: number of trainable stages of the backbone in each phase, from the top; 0 for the head alone, None for
            all.
        epochs: number of epochs of each phase.
        learning_rates: learning rate of the head in each phase.
        decay: learning rate of a stage divided by that of the stage above; 1 for one learning rate, 0.65 to 0.9 for
            transformers.
        batch_norm: whether batch normalization of the trainable stages is trainable.
    Returns:
        Tuple of `Phase`.
    Raises:
        ValueError: if `stages`, `epochs` and `learning_rates` differ in length.

    Source: Yosinski et al. 2014, https://arxiv.org/abs/1411.1792, on layers that were trained together; rates by layer:
        Howard and Ruder 2018, https://arxiv.org/abs/1801.06146, section 3.2.
    """
    if not len(stages) == len(epochs) == len(learning_rates):
        lengths = f"{len(stages)}, {len(epochs)} and {len(learning_rates)}"
        raise ValueError(
            f"finetune_schedule: `stages`, `epochs` and `learning_rates` must be equally many, got {lengths}."
        )
    return tuple(Phase(*row, decay, batch_norm) for row in zip(stages, epochs, learning_rates, strict=True))
