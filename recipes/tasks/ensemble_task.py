"""Deep ensembles: several networks that are trained at once and whose predictions are averaged."""

from typing import ClassVar

import keras
from keras import layers, ops

from recipes.training import fit as training
from recipes.training.schedules import build_optimizer
from recipes.training.task import Task, task
from zoo.arguments import Count
from zoo.introspect.output_activation import output_activation

MEMBERS, MEAN = "members", "ensemble"  # names of the layers that stack and average the members' predictions


@task
class EnsembleTask(Task):
    """A task whose model can be several networks with different first weights, as one model that averages them.

    Args:
        ensemble: number of networks; 1 for no ensemble, 5 is usual. Training takes as many times as long.
        **kwargs: as `Task` has them.

    Source: Lakshminarayanan, Pritzel, Blundell 2017, arXiv:1612.01474.
    Differs: the networks see the same batches, and no adversarial examples unless `adversarial` is set.
    """

    ensemble: Count = 1

    supports_ensemble: ClassVar[bool] = True

    def check_data(self, data):
        """Raises a ValueError if the data set is for another task, or the task has no ensembles."""
        super().check_data(data)
        if self.ensemble > 1 and not self.supports_ensemble:
            raise ValueError(f"`ensemble` must be 1 for {type(self).__name__}, got {self.ensemble}.")

    def build_model(self, model, data, **arguments):
        """Returns a new model, with an `ensemble` the mean of several; as `Task.build_model` has it."""
        if self.ensemble == 1 or not self.supports_ensemble:
            return super().build_model(model, data, **arguments)
        if isinstance(model, keras.Model):
            raise ValueError(f"`model` must be the name of an architecture for an `ensemble`, got {model.name}.")
        members, data = [], self.open_data(data)
        for i in range(self.ensemble):
            single = self.replace(ensemble=1, seed=self.seed + i)
            members.append(single.build_model(model, data, **{**arguments, "name": f"member_{i + 1}"}))
        return average(members, arguments.get("name", model))

    def train(self, model, training_batches, steps, compile_arguments, fit_arguments, data):
        """Compiles and trains the model, or the members of an ensemble, in place; as `Task.train` has it."""
        if self.ensemble == 1:
            return super().train(model, training_batches, steps, compile_arguments, fit_arguments, data)
        member = members_of(model)[0]
        single = keras.Model(member.inputs, member.outputs[0])  # compiled for its loss, and not saved
        self.compile(single, steps * self.epochs, data, **compile_arguments)
        stacked = keras.Model(model.inputs, model.get_layer(MEMBERS).output, name=model.name)
        optimizer = self.make_optimizer(steps * self.epochs)
        stacked.compile(optimizer=optimizer, loss=EachMember(single.loss), **compile_arguments)
        build_optimizer(stacked)
        keras.utils.set_random_seed(self.seed)
        with training.adversarial_steps(stacked, self.adversarial):
            return stacked.fit(training_batches, epochs=self.epochs, **fit_arguments).history


def average(members, name):
    """Returns the model of the mean prediction of several models with the same inputs and (B, units) outputs.

    The mean of probabilities is followed by its activation, so that the model has logits.
    """
    first = members[0]
    if len(first.outputs) != 1 or len(first.output_shape) != 2:
        raise ValueError(f"`ensemble` must be 1 for a model whose output is no vector, got {first.output_shape}.")

    def copy_input(tensor):
        return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)

    structure = first.inputs[0] if isinstance(first, keras.Sequential) else first.input
    inputs = keras.tree.map_structure(copy_input, structure)
    stacked = StackMembers(dtype="float32", name=MEMBERS)([member(inputs) for member in members])
    activation = output_activation(first)
    x = MemberMean(activation, dtype="float32", name=MEAN)(stacked)
    if activation != "linear":
        x = layers.Activation(activation, dtype="float32", name="activation")(x)
    return keras.Model(inputs, x, name=name)


def members_of(model):
    """Returns the members of the model of an ensemble; [] for another model."""
    names = {layer.name for layer in model.layers}
    return [layer for layer in model.layers if isinstance(layer, keras.Model)] if {MEMBERS, MEAN} <= names else []


@keras.saving.register_keras_serializable("recipes")
class StackMembers(layers.Layer):
    """Stacks the predictions of M members: a list of (B, units)  ->  (B, M, units)."""

    def call(self, predictions):
        return ops.stack([ops.cast(x, "float32") for x in predictions], axis=1)


@keras.saving.register_keras_serializable("recipes")
class MemberMean(layers.Layer):
    """The mean over the members: (B, M, units) predictions  ->  (B, units) means, or logits of the mean probabilities.

    Args:
        activation: of the predictions: softmax or sigmoid for probabilities, or linear.
    """

    def __init__(self, activation, **kwargs):
        super().__init__(**kwargs)
        self.activation_name = activation

    def call(self, predictions):
        mean = ops.mean(predictions, axis=1)
        if self.activation_name == "linear":
            return mean
        smallest = 1e-30
        logarithm = ops.log(ops.maximum(mean, smallest))
        if self.activation_name == "softmax":
            return logarithm
        return logarithm - ops.log(ops.maximum(ops.mean(1 - predictions, axis=1), smallest))

    def get_config(self):
        return {**super().get_config(), "activation": self.activation_name}


@keras.saving.register_keras_serializable("recipes")
class EachMember(keras.losses.Loss):
    """The mean over the members of a loss, whose gradient is that of each member trained by itself.

    (B, ...) targets and (B, M, units) predictions  ->  (B,).

    Args:
        loss: `keras.losses.Loss` of one member.
    """

    def __init__(self, loss, reduction="sum_over_batch_size", name="each_member", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.loss = loss

    def call(self, y_true, y_pred):
        count = y_pred.shape[1]
        mean = sum(self.loss.call(y_true, y_pred[:, i]) for i in range(count)) / count
        return mean + (count - 1) * (mean - ops.stop_gradient(mean))

    def get_config(self):
        loss = keras.losses.serialize(self.loss)
        return {"loss": loss, "reduction": self.reduction, "name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "loss": keras.losses.deserialize(config["loss"])})
