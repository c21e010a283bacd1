"""Detectors of two stages: region proposals, and the class and box of each. Layers, and the training of both stages."""

import keras
from keras import initializers, layers, ops

from zoo.arguments import NonNegative, convert
from zoo.detect.boxes import area, encode
from zoo.detect.level_predictions import split_predictions
from zoo.detect.matching import IGNORED, OBJECT, match
from zoo.detect.proposals import objectness
from zoo.detect.region_predictions import WEIGHTS
from zoo.detect.sampling import sample
from zoo.detect.top_k import top_k

PROPOSAL_LOW, PROPOSAL_HIGH = 0.3, 0.7  # IoU below which an anchor is background, and from which it is an object
REGION_IOU = 0.5  # from which a region is an object
ANCHORS, ANCHOR_FRACTION = 256, 0.5  # anchors of an image that are trained on, largest fraction of objects
REGIONS, REGION_FRACTION = 512, 0.25  # the same of regions
BETA = 1 / 9  # error of a delta from which the loss is linear
HEAD_LAYERS = ("head_flatten", "hidden0", "hidden1", "head", "head_deltas")


def apply_head(get_layer, features):
    """Returns logits (R, K) and deltas (R, K 4) of the features of regions (R, size, size, C).

    Args:
        get_layer: function of a name that returns the layer.
        features: symbolic or not.
    """
    *hidden, logits, deltas = map(get_layer, HEAD_LAYERS)
    for layer in hidden:
        features = layer(features)
    return logits(features), deltas(features)


def head_layers(classes, units):
    """Returns {name: layer} of the second stage: two dense layers, the logits and the deltas of `classes` classes.

    Source: initialization as in Girshick 2015, https://arxiv.org/abs/1504.08083, section 4.5.
    """
    normal = initializers.RandomNormal
    stage = [layers.Flatten(name="head_flatten")]
    stage += [layers.Dense(n, "relu", name=f"hidden{i}") for i, n in enumerate(units)]
    stage.append(layers.Dense(classes, kernel_initializer=normal(stddev=0.01), dtype="float32", name="head"))
    deltas = {"kernel_initializer": normal(stddev=0.001), "dtype": "float32", "name": "head_deltas"}
    stage.append(layers.Dense(4 * classes, **deltas))
    return {layer.name: layer for layer in stage}


def smooth_l1(targets, values):
    """Returns the sum over the last axis of the absolute error, which is squared below `BETA`."""
    return keras.losses.huber(targets, values, delta=BETA) * (values.shape[-1] / BETA)


def weighted_mean(values, weights):
    """Returns the mean of values weighted by numbers of their shape; 0 where all weights are 0."""
    return ops.sum(values * weights) / ops.maximum(ops.sum(weights), 1.0)


@keras.saving.register_keras_serializable("zoo")
class TwoStageDetector(keras.Model):
    """Functional model of a detector of two stages, with the training of both.

    (B, H, W, bands)  ->  predictions of the regions (B, R, 4 + 5 K), predictions of the anchors (B, A, 8 + 1 or 2), and
    the cells (B, N, filters) of the maps. `zoo.detector` returns the model with boxes after non-maximum suppression.

    It is a subclass of `keras.Model` because the second stage trains on a sample of regions that depends on the
    targets, which a loss function of predictions does not reach. `compile` takes no loss; `fit` takes images and
    targets (B, N, 5) as `zoo.detection_targets` returns them. The loss of an image is that of 256 anchors and up to 512
    regions: cross-entropy of the class, and the smooth absolute error of the box of objects. The objects themselves are
    among the regions. An image without objects trains as background.

    Source: Ren et al. 2015, https://arxiv.org/abs/1506.01497, section 3.1.2; torchvision's `GeneralizedRCNN`.
    Differs: from the paper, in which the second stage trains on 64 regions per image and no box has a weight; from
    torchvision in that training takes the same number of proposals as prediction.
    """

    regions_per_image = REGIONS  # that are trained on

    def __init__(self, inputs, outputs, name=None, **kwargs):
        super().__init__(inputs, outputs, name=name, **kwargs)
        self.seed_generator = keras.random.SeedGenerator()
        self.box_weight = 1.0

    def compile(self, optimizer="adam", *, box_weight=1.0, loss=None, **kwargs):
        """Configures the training; further arguments are those of `keras.Model.compile`.

        Args:
            optimizer: a Keras optimizer or its name.
            box_weight: factor of the boxes' error in both stages.
            loss: None; the model has its loss.
        Raises:
            ValueError: if there is a loss.
        """
        if loss is not None:
            raise ValueError(f"{self.name}: `loss` must be None, as the model has its loss, got {loss}.")
        self.box_weight = convert(box_weight, NonNegative, f"{self.name}: `box_weight`")
        super().compile(optimizer=optimizer, **kwargs)

    def get_compile_config(self):
        config = super().get_compile_config()
        return config and {**config, "box_weight": self.box_weight}

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the loss of a batch: both stages' loss of classes and boxes.

        Args:
            x: images.
            y: targets (B, N, 5).
            y_pred: the model's outputs.
            sample_weight: None.
            training: as Keras passes it.
        """
        self.require_no_weights(sample_weight)
        boxes, classes = self.boxes_and_classes(y)
        regions, predictions, cells, *_ = y_pred
        samples = self.sample_regions(ops.stop_gradient(regions[..., :4]), boxes, classes)
        losses = [*self._proposal_losses(predictions, boxes, classes >= 0), *self.region_losses(x, cells, *samples)]
        losses += self.further_losses(x, y, cells, samples)
        return sum(losses) + sum(ops.sum(loss) for loss in self.losses)

    def require_no_weights(self, sample_weight):
        """Raises a ValueError if there are weights of the examples."""
        if sample_weight is not None:
            raise ValueError(f"{self.name}: `sample_weight` must be None, as losses are means over sampled regions.")

    def boxes_and_classes(self, y):
        """Returns the boxes (B, N, 4) and classes (B, N) of the targets, with a row where there is none."""
        targets = ops.pad(self.box_targets(y), ((0, 0), (0, 1), (0, 0)), constant_values=-1)
        return targets[..., :4], ops.cast(targets[..., 4], "int32")

    def box_targets(self, y):
        """Returns the boxes and classes (B, N, 5) of the targets."""
        return y

    def further_losses(self, images, y, cells, samples):
        """Returns the losses of further predictions for the sampled regions.

        Args:
            images: (B, H, W, bands).
            y: targets.
            cells: (B, N, filters) of the maps.
            samples: regions (B, S, 4), their weights (B, S), the index of the object of each, all objects' boxes, and
                the class + 1 of each region, 0 for background. Objects are first.
        """
        return []

    def _proposal_losses(self, predictions, boxes, is_object):
        """Returns the losses of the first stage: of objectness, and of boxes."""
        anchors, deltas, logits = split_predictions(predictions)
        anchors, logits = ops.stop_gradient(anchors), objectness(logits)
        index, kind = match(anchors[0], boxes, is_object, PROPOSAL_LOW, PROPOSAL_HIGH)
        weight = ops.cast(sample(kind, ANCHORS, ANCHOR_FRACTION, self.seed_generator), logits.dtype)
        is_object = ops.cast(kind == OBJECT, logits.dtype)
        cross_entropy = ops.softplus(logits) - is_object * logits
        errors = self._box_errors(boxes, index, anchors, is_object, deltas, (1.0, 1.0, 1.0, 1.0))
        return weighted_mean(cross_entropy, weight), self.box_weight * weighted_mean(errors, weight)

    def _box_errors(self, boxes, index, references, is_object, deltas, weights):
        """Returns the error of the deltas from anchors or regions, (B, A); 0 where there is no object."""
        matched = ops.take_along_axis(boxes, index[..., None], axis=1)
        targets = encode(ops.where(is_object[..., None] > 0, matched, references), references, weights)
        return smooth_l1(targets, deltas) * is_object

    def sample_regions(self, regions, boxes, classes):
        """Returns the regions that are trained on, as `further_losses` has them."""
        objects = ops.where(classes[..., None] >= 0, boxes, 0.0)
        regions = ops.concatenate([regions, objects], axis=1)
        index, kind = match(regions, boxes, classes >= 0, REGION_IOU, REGION_IOU, best_for_each=False)
        kind = ops.where(area(regions) > 0, kind, IGNORED)
        is_drawn = sample(kind, self.regions_per_image, REGION_FRACTION, self.seed_generator)
        order = ops.cast(is_drawn, "float32") * (1.0 + ops.cast(kind == OBJECT, "float32"))
        order, sampled_indices = top_k(order, self.regions_per_image)
        regions = ops.take_along_axis(regions, sampled_indices[..., None], axis=1)
        index = ops.take_along_axis(index, sampled_indices, axis=1)
        matched_class = ops.where(order > 1, ops.take_along_axis(classes, index, axis=1) + 1, 0)
        return regions, ops.cast(order > 0, "float32"), index, boxes, matched_class

    def region_features(self, images, cells, regions):
        """Returns the features of regions that the head judges: (B, N, C), (B, R, 4)  ->  (B R, size, size, C)."""
        return self.get_layer("region_features")([cells, regions, images])

    def region_losses(self, images, cells, regions, weight, index, boxes, classes):
        """Returns the losses of the second stage: of classes, and of boxes."""
        logits, deltas = apply_head(self.get_layer, self.region_features(images, cells, regions))
        batch, count = ops.shape(weight)
        logits = ops.reshape(logits, (batch, count, logits.shape[-1]))
        deltas = ops.reshape(deltas, (batch, count, logits.shape[-1], 4))
        cross_entropy = keras.losses.sparse_categorical_crossentropy(classes, logits, from_logits=True)
        deltas = ops.take_along_axis(deltas, classes[..., None, None], axis=2)[:, :, 0]
        is_object = ops.cast(classes > 0, "float32")
        references = ops.where(area(regions)[..., None] > 0, regions, ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0]))
        errors = self._box_errors(boxes, index, references, is_object, deltas, WEIGHTS)
        return weighted_mean(cross_entropy, weight), self.box_weight * weighted_mean(errors, weight)
