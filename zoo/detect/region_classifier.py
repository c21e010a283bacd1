"""Detectors that judge regions which another method proposes, and their training."""

import keras
from keras import layers, ops

from zoo.detect.region_predictions import RegionPredictions
from zoo.detect.two_stage import TwoStageDetector, apply_head, head_layers

CROP_ENCODER = "crop_encoder"  # the layer of `rcnn` that computes the features of warped regions


@keras.saving.register_keras_serializable("zoo")
class RegionClassifier(TwoStageDetector):
    """Functional model that judges proposed regions, with its training.

    [images (B, H, W, bands), regions (B, R, 4)]  ->  predictions of the regions (B, R, 4 + 5 K), as `faster_rcnn` has
    them; of `fast_rcnn` also the map that the regions are read from. `zoo.detector` returns the model with boxes after
    non-maximum suppression.

    `compile` takes no loss; `fit` takes [images, regions] and targets (B, N, 5) as `zoo.detection_targets` returns
    them. Each step trains on 64 regions of an image, of which up to a quarter are objects (IoU of at least 0.5). The
    objects themselves are among the regions.

    Source: Girshick 2015, https://arxiv.org/abs/1504.08083, section 2.3.
    Differs: regions of any smaller IoU are background, in the paper those of 0.1 or more.
    """

    regions_per_image = 64

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the loss of a batch, of classes and boxes; arguments as `TwoStageDetector.compute_loss` has them.

        Args:
            x: [images, regions].
            y: targets (B, N, 5).
            y_pred: the model's outputs.
            sample_weight: None.
            training: as Keras passes it.
        """
        self.require_no_weights(sample_weight)
        boxes, classes = self.boxes_and_classes(y)
        images, regions = x
        samples = self.sample_regions(ops.cast(regions, "float32"), boxes, classes)
        maps = y_pred[1] if isinstance(y_pred, list | tuple) else images
        losses = self.region_losses(images, maps, *samples)
        return sum(losses) + sum(ops.sum(loss) for loss in self.losses)

    def region_features(self, images, cells, regions):
        """Returns the features of regions that the head judges: (B, H, W, C), (B, R, 4)  ->  (B R, size, size, C)."""
        features = self.get_layer("region_features")([cells, regions])
        if any(layer.name == CROP_ENCODER for layer in self.layers):
            features = self.get_layer(CROP_ENCODER)(features)
        return features


def region_inputs(input_shape):
    """Returns the symbolic image (B, H, W, C) and regions (B, R, 4)."""
    return layers.Input(input_shape, name="image"), layers.Input((None, 4), name="regions")


def region_predictions(regions, features, classes, units):
    """Returns the predictions (B, R, 4 + 5 K) of the features of regions (B R, size, size, C).

    Args:
        regions: (B, R, 4) [pixels].
        features: of these regions.
        classes: number of classes without the background.
        units: number of units of the two dense layers.
    """
    logits, deltas = apply_head(head_layers(classes + 1, units).get, features)
    return RegionPredictions(name="region_predictions")([regions, logits, deltas])
