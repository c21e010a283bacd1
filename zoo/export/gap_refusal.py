"""Refuses gaps: NaN in numbers and empty strings in categories, where a model was trained without them.

The graph of a SavedModel has an assertion. LiteRT and ONNX have no such operation, and OpenVINO leaves it out:
`zoo.predictor` checks the arrays for them, and parity.json notes that the file alone does not.
"""

import keras
import numpy as np

from zoo.inputs.texts import BLANK
from zoo.layers.impute import Impute
from zoo.layers.normalize_text import NormalizeText
from zoo.layers.preset_tokens import PresetTokens

GAP_OPERATIONS = ("Where", "Isnan", "NanToNum", "Masking")  # Keras' own by which a graph may handle NaN
REASON = "; the model was trained without gaps"
SHOWN = 5  # inputs that a note lists
TOKENIZERS = (keras.layers.TextVectorization, PresetTokens)
SERIES_RANK = 3


def refuse_gaps(tensors, names, text_names=()):
    """Adds the assertion that inputs have no gaps and no infinite numbers to the graph.

    Its message names the input and the row, from 1. Of images only gaps are looked for.

    Args:
        tensors: raw tensors by signature name, (B, ...) numbers or strings.
        names: signature names of the inputs that accept no gaps.
        text_names: those of them whose strings are gaps too where they have only blanks and invisible characters.
    """
    import tensorflow as tf

    problems = []  # (which elements, start and end of the message)
    for name in names:
        tensor = tensors[name]
        if name in text_names:
            is_blank = tf.strings.regex_full_match(tensor, BLANK)
            problems.append((is_blank, f"{name} is empty in row ", "; every text must have a word"))
        elif tensor.dtype == tf.string:
            problems.append((tf.equal(tensor, ""), f"{name} is empty in row ", REASON))
        else:
            problems.append((tf.math.is_nan(tensor), f"{name} has a gap (NaN) in row ", REASON))
    for name, tensor in tensors.items():
        if tensor.dtype.is_floating and tensor.shape.rank is not None and tensor.shape.rank <= SERIES_RANK:
            problems.append((tf.math.is_inf(tensor), f"{name} has an infinite number in row ", ""))
    if not problems:
        return
    columns = [_by_row(mask) for mask, _, _ in problems]
    is_wrong = tf.concat(columns, axis=1)
    has_wrong = tf.reduce_any(is_wrong)

    def describe():
        row, column = tf.unstack(tf.where(is_wrong)[0])
        start, end = (tf.constant([problem[i] for problem in problems])[column] for i in (1, 2))
        return tf.strings.join([start, tf.strings.as_string(row + 1), end])

    message = tf.cond(has_wrong, describe, lambda: tf.constant(""))
    tf.debugging.Assert(~has_wrong, [message])


def _by_row(mask):
    """Returns (B, 1): whether any element of an example is True."""
    import tensorflow as tf

    is_column = mask.shape.rank == 2 and mask.shape[-1] == 1
    return mask if is_column else tf.reduce_any(mask, axis=list(range(1, mask.shape.rank)))[:, None]


def verify_arrays(arrays, names):
    """Raises a ValueError that names the input and the row, from 1, of the first gap or infinite number.

    Args:
        arrays: raw arrays (N, ...) by signature name.
        names: signature names of the inputs that accept no gaps.
    """
    for name in names:
        array = arrays[name]
        is_text = array.dtype.kind in "OSU"
        if not array.size or not (is_text or array.dtype.kind == "f"):
            continue
        is_gap = np.isin(array, (b"", "")) if is_text else np.isnan(array)
        rows = is_gap.reshape(len(array), -1).any(axis=1)
        if rows.any():
            problem = "is empty" if is_text else "has a gap (NaN)"
            raise ValueError(f"predict: {name} {problem} in row {int(np.argmax(rows)) + 1}{REASON}.")
    for name, array in arrays.items():
        if array.dtype.kind == "f" and np.isinf(array).any():
            row = int(np.argmax(np.isinf(array).reshape(len(array), -1).any(axis=1))) + 1
            raise ValueError(f"predict: {name} has an infinite number in row {row}.")


def note_on_files(formats, names):
    """Returns a note in a list: which files do not refuse gaps in which inputs; [] where there are none."""
    if not formats or not names:
        return []
    listed = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if names[SHOWN:] else "")
    return [
        f"the files {', '.join(formats)} do not refuse gaps (NaN) in {listed}, as their formats have no assertion; "
        "zoo.predictor and the SavedModel do"
    ]


def inputs_without_gaps(signatures, batch):
    """Returns the signature names of the inputs that accept no gaps, as the layers show it.

    A float input accepts gaps where a layer after it may handle NaN, and an example with NaN gives finite outputs. A
    string input accepts them where its levels include the empty string, or the preprocessing imputes; a text never.

    Args:
        signatures: `zoo.export.signatures.Signatures`.
        batch: raw examples by signature name.
    """
    models = [m for m in (signatures.preprocessing, signatures.model) if m is not None]
    operations = {name: _operations_after(models, signatures.inputs, name) for name in signatures.inputs}
    imputes = any(isinstance(o, Impute) for o in _all_operations(models[0]))
    refused, uncertain = [], []
    for name, tensor in signatures.inputs.items():
        if tensor.dtype == "string":
            lookups = [o for o in operations[name] if isinstance(o, keras.layers.StringLookup)]
            is_text = any(isinstance(o, TOKENIZERS) for o in operations[name])
            if is_text or (lookups and not imputes and not any("" in lookup.get_vocabulary() for lookup in lookups)):
                refused.append(name)
        elif "float" in tensor.dtype:
            is_image = len(tensor.shape) > SERIES_RANK
            may_handle = any(_may_handle_gaps(operation, is_image) for operation in operations[name])
            (uncertain if may_handle else refused).append(name)
    refused += _outputs_nan(signatures, batch, uncertain)
    return tuple(name for name in signatures.inputs if name in refused)


def inputs_of_words(signatures):
    """Returns the signature names of the texts of which blanks alone are no text.

    They are those that are normalized or split into words; of a model of characters a blank is a character.
    """
    models = [m for m in (signatures.preprocessing, signatures.model) if m is not None]
    return tuple(
        name
        for name, tensor in signatures.inputs.items()
        if tensor.dtype == "string" and any(map(_needs_word, _operations_after(models, signatures.inputs, name)))
    )


def _needs_word(operation):
    is_of_words = isinstance(operation, keras.layers.TextVectorization) and operation._split == "whitespace"
    return is_of_words or isinstance(operation, NormalizeText | PresetTokens)


def with_gaps(batch, row, name):
    """Sets a row of a float input to NaN in place; of a series only its last step."""
    array = batch[name] = batch[name].copy()
    array[(row, -1) if array.ndim == SERIES_RANK else row] = np.nan


def levels_of(signatures):
    """Returns the levels of each string input that has some: signature name -> set of strings."""
    models = [m for m in (signatures.preprocessing, signatures.model) if m is not None]
    levels = {}
    for name, tensor in signatures.inputs.items():
        if tensor.dtype == "string":
            operations = _operations_after(models, signatures.inputs, name)
            lookups = [o for o in operations if isinstance(o, keras.layers.StringLookup) and o.num_oov_indices]
            if lookups:
                levels[name] = {level for lookup in lookups for level in lookup.get_vocabulary()}
    return levels


def _may_handle_gaps(operation, is_image):
    """Whether an operation may turn NaN into numbers: any layer but Keras' own, and some of those.

    Of this package's layers only `Impute` does so in images; behind others a ReLU may return 0 for NaN.
    """
    package = type(operation).__module__.partition(".")[0]
    if package == "keras" or (package == "zoo" and is_image):
        return isinstance(operation, Impute) or type(operation).__name__ in GAP_OPERATIONS
    return True


def _outputs_nan(signatures, batch, names):
    """Those inputs of which NaN in the first example gives outputs that are not finite."""
    import tensorflow as tf

    if not names:
        return []
    rows = {n: np.repeat(a[:1], len(names), axis=0) for n, a in batch.items()}
    for row, name in enumerate(names):
        with_gaps(rows, row, name)
    with tf.device("CPU:0"):
        inputs = signatures.preprocess({n: tf.constant(a) for n, a in rows.items()})
        outputs = signatures.name_outputs(signatures.model(inputs, training=False)).values()
    finite = [np.isfinite(o.numpy().reshape(len(names), -1)).all(axis=1) for o in outputs if o.dtype.is_floating]
    return [name for name, is_finite in zip(names, np.all(finite, axis=0), strict=True) if not is_finite]


def _operations_after(models, inputs, name):
    """The operations that an input's values reach, in the preprocessing and then all of the model's."""
    first, *rest = models
    graph = first._functional if isinstance(first, keras.Sequential) else first
    reached, operations = {id(inputs[name])}, []
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input or reached.isdisjoint(map(id, node.input_tensors)):
                continue
            reached |= {id(t) for t in node.outputs}
            operations += _all_operations(node.operation)
    return operations + [o for model in rest for o in _all_operations(model)]


def _all_operations(operation):
    """An operation, or those of a nested model."""
    if isinstance(operation, keras.Sequential):
        return [o for layer in operation.layers for o in _all_operations(layer)]
    if isinstance(operation, keras.Model) and hasattr(operation, "_operations"):
        return [o for inner in operation._operations for o in _all_operations(inner)]
    return [operation]
