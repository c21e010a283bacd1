"""The images whose wrong predictions are the most confident."""

import numpy as np

from recipes.reports.batch_figures import labelled_pictures
from recipes.reports.report import confident_mistakes


def mistakes_figure(run, split, count):
    """Returns a figure of the most confident wrong predictions for images, each with its prediction and its class.

    Args:
        run: `Run` of a classification of images.
        split: train, validation or test.
        count: number of images, at most.
    Raises:
        ValueError: if the run is another, or no prediction is wrong.
    """
    data, examples = run.data, getattr(run.data, split)
    if data.kind != "image" or data.task != "classification":
        raise ValueError(
            f"show_errors: the run must be a classification of images, got {data.task} of {data.kind} data; "
            "run.data_frame('examples') has the prediction of each example."
        )
    probabilities, targets = run.predict_split(split), np.asarray(examples.targets)
    indices = confident_mistakes(targets, probabilities, count)
    if not len(indices):
        raise ValueError(
            f"show_errors: a prediction must be wrong, got {len(targets):,} of the {split} split, all right."
        )
    predicted = probabilities.argmax(-1)
    titles = [
        f"{data.classes[predicted[i]]} {probabilities[i].max():.0%}, is {data.classes[targets[i]]}" for i in indices
    ]
    wrong = f"{(predicted != targets).sum():,} of {len(targets):,} {split} images are wrong"
    images = list(examples.take(indices).head(len(indices)))
    return labelled_pictures(images, titles, lambda stretched: wrong + ", values stretched" * stretched)
