"""New questions about images for a trained model: pairs, tables in memory, and files of tables."""

import dataclasses
import os
from pathlib import Path

import numpy as np

from recipes.data.images.image_files import resize_image
from recipes.data.new_image import read_image_for
from recipes.data.questions.image_questions import ImageQuestions
from zoo.inputs.match import match
from zoo.inputs.questions import image_question_columns
from zoo.inputs.texts import text_batch


class NewImages:
    """Images of new questions, (H, W, C) as in training: arrays, or files that are decoded when they are read.

    Args:
        schema: `InputSchema` of kind question.
        images: list of arrays and paths.
        notes: list that sentences on images are added to.
        caller: the call that an error names.
    """

    def __init__(self, schema, images, notes, caller="predict"):
        self._schema = dataclasses.replace(schema, kind="image", columns=())
        self._images, self.notes, self._caller = images, notes, caller

    def __len__(self):
        return len(self._images)

    def take(self, indices):
        """Returns the images at `indices`."""
        return NewImages(self._schema, [self._images[i] for i in indices], self.notes, self._caller)

    def read(self, index):
        """Returns the image at `index`; a ValueError names a file that cannot be read, or an array that differs."""
        image = self._images[index]
        if isinstance(image, str | os.PathLike):
            pixels = read_image_for(self._schema, Path(image), self.notes)
            return pixels if None in self._schema.shape else resize_image(pixels, self._schema.shape[:2])
        matched = match(self._schema, np.asarray(image)[None], caller=self._caller)
        self.notes += [note for note in matched.notes if note not in self.notes]
        return matched.batch[0]


def new_questions(schema, inputs, caller="predict", *, tokens=None, folder="", row_name=None):
    """Returns (`ImageQuestions`, notes) of new questions; each array and each file is read once.

    Args:
        schema: `InputSchema` of kind question.
        inputs: as `zoo.inputs.questions.image_question_columns` takes them, with images as arrays or paths.
        caller: the call that an error names.
        tokens: `TextTokens` of the model, for notes on questions that are cut or have no word of its vocabulary.
        folder: folder that paths of images are relative to.
        row_name: function from a row, from 0, to its name; None for "row 1", ...
    Raises:
        ValueError: if a column is absent, a question is empty, or an image does not exist.
    """
    images, questions = image_question_columns(schema, inputs, caller)
    questions = text_batch(questions, caller, row_name=row_name)
    distinct, index = {}, []
    for i, image in enumerate(images):
        is_path = isinstance(image, str | os.PathLike)
        if not is_path and not isinstance(image, np.ndarray | list):
            name = row_name(i) if row_name else f"row {i + 1}"
            raise ValueError(
                f"{caller}: every image must be a path or an array of pixels (H, W, {schema.shape[-1]}), got "
                f"{image!r} in {name}."
            )
        key = os.path.join(folder, os.path.expanduser(image)) if is_path else id(image)
        index.append(distinct.setdefault(key, (len(distinct), key if is_path else image))[0])
    notes = [] if tokens is None else tokens.notes(questions, row_name)
    pictures = NewImages(schema, [image for _, image in distinct.values()], notes, caller)
    types = np.full(len(questions), "", object)
    return ImageQuestions(pictures, np.array(index, np.int64), questions, types), notes
