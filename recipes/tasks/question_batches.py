"""Batches of questions for training: each image is decoded once, and encoded once where the encoder is frozen."""

import tempfile

import numpy as np

from recipes.prediction.question_prediction import IMAGES, encode_images, encode_questions, split_preprocessing
from recipes.training.pipeline import CACHE_LIMIT, random_order
from zoo.question.model_parts import IMAGE, QUESTION, ROWS


class ImageStore:
    """Preprocessed images, or their feature maps, which are computed when the first of them is needed.

    They are in memory up to `CACHE_LIMIT` bytes, and in a temporary file beyond.

    Args:
        questions: `ImageQuestions`, of whose images all are stored.
        preprocess_image: model of raw images.
        encoder: model of preprocessed images, or None.
    """

    def __init__(self, questions, preprocess_image, encoder=None):
        self._questions, self._preprocess, self._encoder = questions, preprocess_image, encoder
        self.shape = tuple((encoder or preprocess_image).output_shape[1:])
        self._file, self._values = None, None

    def take(self, indices):
        """Returns (N, ...) float32 of the images at `indices`."""
        if self._values is None:
            self._values = self._compute()
        return self._values[indices]

    def _compute(self):
        count = len(self._questions.images)
        shape = (count, *self.shape)
        if 4 * np.prod(shape) <= CACHE_LIMIT:
            values = np.empty(shape, np.float32)
        else:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 of the object's life
            values = np.memmap(self._file, np.float32, "w+", shape=shape)
        for start in range(0, count, IMAGES):
            stop = min(start + IMAGES, count)
            values[start:stop] = encode_images(self._questions, start, stop, self._preprocess, self._encoder)
        return values


class NoImages:
    """Zeros in place of images, for a model that sees only the questions.

    Args:
        shape: of one image or feature map.
    """

    def __init__(self, shape):
        self.shape = tuple(shape)

    def take(self, indices):
        """Returns (N, ...) zeros."""
        return np.zeros((len(indices), *self.shape), np.float32)


def question_batches(task, examples, training, preprocessing, *, encoder=None, store=None):
    """Returns a tf.data.Dataset of ({"image": ..., "question": ...}, targets) batches.

    Args:
        task: `Task`.
        examples: `Examples` of `ImageQuestions`.
        training: whether the order is random, another one in each epoch.
        preprocessing: model from raw inputs to the model's inputs.
        encoder: model whose feature maps take the place of the images, computed once for each image; or None.
        store: what has the images, such as `NoImages`; None for those of the examples.
    """
    import tensorflow as tf

    questions, count = examples.inputs.with_used_images(), len(examples)
    preprocess_image, preprocess_text = split_preprocessing(preprocessing)
    store = store or ImageStore(questions, preprocess_image, encoder)
    texts = tf.constant(encode_questions(preprocess_text, questions.questions))
    index, targets = tf.constant(questions.image_index), tf.constant(examples.targets)
    batch_size = task.examples_per_step(count)
    drop_remainder = training and count >= batch_size
    order = random_order(count, task.seed) if training else tf.data.Dataset.range(count)

    def with_inputs(rows):
        images = tf.numpy_function(store.take, [tf.gather(index, rows)], tf.float32)
        images = tf.ensure_shape(images, (None, *store.shape))
        return {IMAGE: images, QUESTION: tf.gather(texts, rows)}, tf.gather(targets, rows)

    data = order.batch(batch_size, drop_remainder=drop_remainder).map(with_inputs, 1, deterministic=True)
    steps = count // batch_size if drop_remainder else -(-count // batch_size)
    return data.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(2)


def image_batches(task, examples, training, preprocessing):
    """Returns batches of images with all of their questions, as `several_questions` takes them.

    A batch has as many images as have `batch_size` questions on average, so that an image is encoded once per epoch.

    Args:
        task, examples, training, preprocessing: as `question_batches` takes them.
    """
    import tensorflow as tf

    questions, count = examples.inputs.with_used_images(), len(examples)
    preprocess_image, preprocess_text = split_preprocessing(preprocessing)
    store = ImageStore(questions, preprocess_image)
    texts, targets = encode_questions(preprocess_text, questions.questions), examples.targets
    by_image = np.argsort(questions.image_index, kind="stable")
    starts = np.searchsorted(questions.image_index[by_image], np.arange(len(questions.images) + 1))
    images = len(questions.images)
    per_batch = max(1, min(images, round(task.examples_per_step(count) * images / count)))

    def read(indices):
        selected = [by_image[starts[i] : starts[i + 1]] for i in indices]
        rows = np.repeat(np.arange(len(indices), dtype=np.int32), [len(part) for part in selected])
        selected = np.concatenate(selected)
        return store.take(indices), texts[selected], rows, targets[selected]

    def with_inputs(indices):
        types = (tf.float32, texts.dtype, tf.int32, targets.dtype)
        image, text, rows, y = tf.numpy_function(read, [indices], types)
        image, text = tf.ensure_shape(image, (None, *store.shape)), tf.ensure_shape(text, (None, *texts.shape[1:]))
        return {IMAGE: image, QUESTION: text, ROWS: tf.ensure_shape(rows, (None,))}, tf.ensure_shape(y, (None,))

    order = random_order(images, task.seed) if training else tf.data.Dataset.range(images)
    data = order.batch(per_batch, drop_remainder=training).map(with_inputs, 1, deterministic=True)
    steps = images // per_batch if training else -(-images // per_batch)
    return data.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(2)
