"""Makes zoo/pretrained.csv and layouts.zip: published weights, and the names and shapes of the arrays in the files.

The facts are those of the libraries themselves (`pip install torch torchvision timm torchgeo requests keras`), of
timm's results/results-imagenet.csv and of the tables in docs/api/weights of torchgeo's repository. What they do not
say, such as most checksums, is left empty. Nothing is downloaded.

Run, with KERAS_BACKEND=torch:
python tests/golden/make_weights_table.py results-imagenet.csv weights/ dncnn_25.pth default_model.pt
The last two are files of KAIR and of Presto, for their sizes and checksums, and the names in Presto's file.

A layout is that of the file, not of the model, where a library renames arrays when it reads an old file: torchvision
does so for DenseNet, ViT and detectors. PyTorch's `num_batches_tracked`, which is not a weight, is left out.
"""

import csv
import hashlib
import importlib.metadata
import inspect
import io
import json
import re
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import timm
import torch
import torchgeo.models
import torchvision
from timm.models._registry import _model_pretrained_cfgs as timm_configs
from torchvision.models import get_model, get_model_weights
from weight_sources import (
    ALIASES,
    BAND_NAMES,
    KERAS,
    LEFT_OUT,
    LICENSES,
    TIMM,
    TORCHGEO,
    TORCHVISION,
    TRAINING_DATA,
)  # fmt: skip

ROOT = Path(__file__).parents[2]
CSV, LAYOUTS = ROOT / "zoo" / "pretrained.csv", Path(__file__).parent / "layouts.zip"
COLUMNS = (
    *("architecture", "name", "alias", "arguments", "classes", "input_size", "bands", "mean", "deviation"),
    *("url", "mebibytes", "sha256", "md5", "license", "training_data", "accuracy", "library", "layout"),
)
RGB = "red green blue"
VERSIONS = {name: f"{name} {importlib.metadata.version(name)}" for name in ("timm", "torchvision", "torchgeo", "keras")}


def numbers(values, places=6):
    return " ".join(f"{float(v):.{places}g}" for v in values)


PRESTO_COMMIT = "13173d028f035abcbcc3b13829314323a5c15d02"


class Layouts:
    """The distinct layouts by name: one line of name and shape per array."""

    def __init__(self):
        self.texts = {}

    def add(self, name, arrays):
        text = "".join(f"{key} {'x'.join(map(str, shape))}\n" for key, shape in arrays.items())
        same = next((k for k, v in self.texts.items() if v == text), None)
        if same is None:
            self.texts[name] = text
        return same or name

    def save(self):
        with zipfile.ZipFile(LAYOUTS, "w", zipfile.ZIP_LZMA) as archive:
            for name, text in sorted(self.texts.items()):
                info = zipfile.ZipInfo(f"{name}.txt", (1980, 1, 1, 0, 0, 0))
                info.compress_type = zipfile.ZIP_LZMA
                archive.writestr(info, text)


LAYOUT_TEXTS = Layouts()


def state_shapes(model):
    return {k: tuple(v.shape) for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}


def renamed(shapes, *changes):
    for pattern, replacement in changes:
        shapes = {re.sub(pattern, replacement, name): shape for name, shape in shapes.items()}
    return shapes


def torchvision_rows():
    for architecture, arguments, model_name in TORCHVISION:
        is_detector = model_name.endswith("_fpn")
        for weights in get_model_weights(model_name):
            meta = weights.meta
            if weights.name == "IMAGENET1K_FEATURES":  # without a classifier
                continue
            scores = [(k, v, d) for d, part in meta["_metrics"].items() for k, v in part.items() if k in METRICS]
            prefix = f"{model_name}." if model_name.endswith("_bn") else ""
            row = {"arguments": arguments, "classes": len(meta["categories"])}
            row |= {"mean": IMAGENET[0], "deviation": IMAGENET[1]}
            if is_detector:
                model = get_model(model_name, weights=None, weights_backbone=None, num_classes=91)
                row |= {"classes": 90} if "rcnn" in model_name else {"arguments": {"classes": 91}}
                side = None
            else:
                side = weights.transforms().crop_size[0]
                row["arguments"] = arguments | ({"input_shape": [side, side, 3]} if side != 224 else {})
                with torch.device("meta"):
                    model = get_model(model_name, weights=None, **({"image_size": side} if "vit" in model_name else {}))
            shapes = state_shapes(model)
            if "densenet" in model_name:
                shapes = renamed(shapes, (r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2"))
            if "vit" in model_name:
                shapes = renamed(shapes, (r"mlp\.0\.", "mlp.linear_1."), (r"mlp\.3\.", "mlp.linear_2."))
            if is_detector:
                shapes = renamed(
                    shapes,
                    (r"((?:inner|layer)_blocks\.\d+)\.0\.", r"\1."),
                    (r"rpn\.head\.conv\.0\.0\.", "rpn.head.conv."),
                    (r"mask_head\.(\d)\.0\.", lambda m: f"mask_head.mask_fcn{int(m[1]) + 1}."),
                    (r"(n_head\.conv)\.(\d)\.0\.", lambda m: f"{m[1]}.{2 * int(m[2])}."),
                )
            license_url = meta.get("license")
            yield row | {
                "architecture": architecture,
                "name": f"torchvision/{prefix}{weights.name}",
                "input_size": f"{side} {side}" if side else "",
                "bands": RGB,
                "url": weights.url,
                "mebibytes": meta["_file_size"],
                "sha256": re.search(r"-([0-9a-f]{8})\.pth", weights.url)[1],
                "license": license_url or "BSD-3-Clause (torchvision)",
                "training_data": "COCO 2017" if is_detector else swag_data(weights.name),
                "accuracy": ", ".join(f"{metric} {value:g} ({data})" for metric, value, data in scores),
                "library": VERSIONS["torchvision"],
                "layout": LAYOUT_TEXTS.add(f"torchvision-{model_name}", shapes),
            }


def swag_data(name):
    return "3.6 billion Instagram photos (SWAG), then ImageNet-1k" if "SWAG" in name else "ImageNet-1k"


METRICS = ("acc@1", "box_map", "mask_map")
IMAGENET = (numbers(255 * np.array([0.485, 0.456, 0.406])), numbers(255 * np.array([0.229, 0.224, 0.225])))


def timm_rows(results):
    with open(results, encoding="utf-8") as file:
        accuracies = {row["model"]: row for row in csv.DictReader(file)}
    for architecture, arguments, model_name in TIMM:
        for key, config in sorted(timm_configs.items()):
            tag = key.partition(".")[2]
            if not key.startswith(f"{model_name}.") or tag in LEFT_OUT:
                continue
            side = config.input_size[1]
            row_arguments = dict(arguments)
            if side != example_side(architecture):
                row_arguments["input_shape"] = [side, side, 3]
            if config.num_classes not in (0, 1000):
                row_arguments["classes"] = config.num_classes
            with torch.device("meta"):
                model = timm.create_model(key, pretrained=False)
            data = next((TRAINING_DATA[k] for k in sorted(TRAINING_DATA, key=len, reverse=True) if tag.endswith(k)), "")
            result = accuracies.get(key)
            yield {
                "architecture": architecture,
                "name": f"timm/{key}",
                "arguments": row_arguments,
                "classes": config.num_classes,
                "input_size": f"{side} {side}",
                "bands": RGB,
                "mean": numbers(255 * np.array(config.mean)),
                "deviation": numbers(255 * np.array(config.std)),
                "url": f"https://huggingface.co/{config.hf_hub_id}/resolve/main/model.safetensors",
                "license": LICENSES[config.license],
                "training_data": data,
                "accuracy": f"acc@1 {result['top1']} (ImageNet-1K at {result['img_size']} pixels)" if result else "",
                "library": VERSIONS["timm"],
                "layout": LAYOUT_TEXTS.add(f"timm-{key}", state_shapes(model)),
            }


def example_side(architecture):
    """The sizes of the papers, which `zoo.registry` has as examples."""
    lite = re.fullmatch(r"efficientnet_lite(\d)", architecture)
    return (224, 240, 260, 280, 300)[int(lite[1])] if lite else 224


# Top-1 accuracy on ImageNet-1k in https://keras.io/api/applications/ [%]
KERAS_ACCURACY = {
    "VGG16": 71.3,
    "VGG19": 71.3,
    "ResNet50": 74.9,
    "ResNet101": 76.4,
    "ResNet152": 76.6,
    "ResNet50V2": 76.0,
    "ResNet101V2": 77.2,
    "ResNet152V2": 78.0,
    "MobileNetV2": 71.3,
    "DenseNet121": 75.0,
    "DenseNet169": 76.2,
    "DenseNet201": 77.3,
}


def keras_rows():
    for architecture, arguments, model_name in KERAS:
        model = getattr(keras.applications, model_name)(weights=None)
        source = inspect.getmodule(inspect.unwrap(getattr(keras.applications, model_name)))
        url, md5 = keras_file(model_name, source)
        caffe = model_name.startswith("VGG") or re.fullmatch(r"ResNet\d+", model_name)
        densenet = model_name.startswith("DenseNet")
        yield {
            "architecture": architecture,
            "name": "keras/imagenet",
            "arguments": arguments,
            "classes": 1000,
            "input_size": "224 224",
            "bands": "blue green red" if caffe else RGB,
            "mean": "103.939 116.779 123.68" if caffe else IMAGENET[0] if densenet else "127.5 127.5 127.5",
            "deviation": "1 1 1" if caffe else IMAGENET[1] if densenet else "127.5 127.5 127.5",
            "url": url,
            "md5": md5,
            "license": "Apache-2.0 (Keras)",
            "training_data": "ImageNet-1k",
            "accuracy": f"acc@1 {KERAS_ACCURACY[model_name]:g} (ImageNet-1K)",
            "library": VERSIONS["keras"],
            "layout": LAYOUT_TEXTS.add(f"keras-{model_name}", {w.path: tuple(w.shape) for w in model.weights}),
        }


def keras_file(model_name, source):
    """The address and the MD5 sum of the file, which stand in the library's code, not in a table."""
    if model_name.startswith("VGG"):
        md5 = re.search(r'_tf_kernels\.h5",.*?file_hash="(\w+)"', inspect.getsource(source), re.DOTALL)[1]
        return source.WEIGHTS_PATH, md5
    if model_name.startswith("ResNet"):
        name = model_name.lower()
        hashes = inspect.getmodule(keras.applications.ResNet50).WEIGHTS_HASHES
        base = inspect.getmodule(keras.applications.ResNet50).BASE_WEIGHTS_PATH
        return f"{base}{name}_weights_tf_dim_ordering_tf_kernels.h5", hashes[name][0]
    if model_name.startswith("DenseNet"):
        number = model_name.removeprefix("DenseNet")
        path = getattr(source, f"DENSENET{number}_WEIGHT_PATH")
        md5 = re.search(rf'DENSENET{number}_WEIGHT_PATH,.*?file_hash="(\w+)"', inspect.getsource(source), re.DOTALL)[1]
        return path, md5
    return f"{source.BASE_WEIGHT_PATH}mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5", ""


def torchgeo_rows(folder):
    licenses = {}
    for path in sorted(Path(folder).glob("*.csv")):
        with open(path, encoding="utf-8") as file:
            licenses |= {row["Weight"]: row["License"] for row in csv.DictReader(file)}
    for architecture, model_name in TORCHGEO:
        for weights in getattr(torchgeo.models, f"{model_name}_Weights"):
            steps = weights.transforms if isinstance(weights.transforms, torch.nn.Sequential) else ()
            normalizations = [step for step in steps if isinstance(step, torchvision.transforms.v2.Normalize)]
            sensor = next((s for s in BAND_NAMES if weights.name.lower().startswith(s)), None)
            full_name = f"{model_name}_Weights.{weights.name}"
            names = [b.removeprefix("SR_").replace("8A", "8a") for b in weights.meta.get("bands", ())]
            if sensor is None or not normalizations or full_name not in licenses or set(names) - {*BAND_NAMES[sensor]}:
                continue  # such as a vegetation index among the bands, or no license in the tables
            bands = [BAND_NAMES[sensor][name] for name in names]
            mean, deviation = np.zeros(len(bands)), np.ones(len(bands))
            for step in normalizations:  # of the data as they are: one after the other
                mean, deviation = mean + deviation * np.array(step.mean, float), deviation * np.array(step.std, float)
            with torch.device("meta"):
                timm_name = "vit_small_patch16_224" if "vit" in architecture else architecture
                model = timm.create_model(timm_name, in_chans=len(bands), num_classes=0)
            prefix = re.search(r"-([0-9a-f]{8})\.pth", weights.url)
            method = weights.meta.get("ssl_method")
            yield {
                "architecture": architecture,
                "name": f"torchgeo/{weights.name}",
                "arguments": {"input_shape": [224, 224, len(bands)]},
                "classes": 0,
                "input_size": "224 224",
                "bands": " ".join(bands),
                "mean": numbers(np.broadcast_to(mean, len(bands))),
                "deviation": numbers(np.broadcast_to(deviation, len(bands))),
                "url": weights.url,
                "sha256": prefix[1] if prefix else "",
                "license": licenses[full_name],
                "training_data": f"{weights.meta['dataset']}{f' without labels ({method})' if method else ''}",
                "library": VERSIONS["torchgeo"],
                "layout": LAYOUT_TEXTS.add(f"torchgeo-{full_name}", state_shapes(model)),
            }


def size_and_checksum(path):
    data = Path(path).read_bytes()
    return {"mebibytes": round(len(data) / 2**20, 3), "sha256": hashlib.sha256(data).hexdigest()}


def author_rows(dncnn_25, presto):
    """DnCNN and Presto, whose files stand beside the authors' code; Presto's folder is pinned to a commit."""
    files = {f"dncnn_{noise}": (17, 1) for noise in (15, 25, 50)}
    files |= {"dncnn3": (20, 1), "dncnn_gray_blind": (20, 1), "dncnn_color_blind": (20, 3)}
    for name, (depth, bands) in files.items():
        facts = size_and_checksum(dncnn_25) if name == "dncnn_25" else {}
        layers = range(0, 2 * depth, 2)
        shapes = {}
        for i in layers:
            out, into = bands if i == layers[-1] else 64, bands if i == 0 else 64
            shapes |= {f"model.{i}.weight": (out, into, 3, 3), f"model.{i}.bias": (out,)}
        yield {
            "architecture": "dncnn" if depth == 17 else "dncnn_blind",
            "name": f"kair/{name}",
            "arguments": {"batch_norm": False, **({"input_shape": [40, 40, bands]} if bands != 1 else {})},
            "bands": RGB if bands == 3 else "gray",
            "mean": numbers([0] * bands),
            "deviation": numbers([255] * bands),
            "url": f"https://github.com/cszn/KAIR/releases/download/v1.0/{name}.pth",
            "license": "MIT",
            "training_data": "photos with Gaussian noise",
            "library": "https://github.com/cszn/KAIR",
            "layout": LAYOUT_TEXTS.add(f"kair-{name}", shapes),
            **facts,
        }
    arrays = torch.load(presto, map_location="meta", weights_only=True)
    yield {
        "architecture": "presto",
        "name": "nasaharvest/presto",
        "arguments": {},
        "url": f"https://github.com/nasaharvest/presto/raw/{PRESTO_COMMIT}/data/default_model.pt",
        "license": "MIT",
        "training_data": "time series of Sentinel-1, Sentinel-2, ERA5 and SRTM, without labels",
        "library": "https://github.com/nasaharvest/presto",
        "layout": LAYOUT_TEXTS.add("presto", {name: tuple(array.shape) for name, array in arrays.items()}),
        **size_and_checksum(presto),
    }


def csv_text(rows):
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    for row in rows:
        row["arguments"] = json.dumps(row["arguments"]) if row["arguments"] else ""
        is_default = ALIASES.get(row["architecture"]) == row["name"]
        row["alias"] = ("coco" if row["name"].endswith("COCO_V1") else "imagenet") if is_default else ""
        writer.writerow(row)
    return buffer.getvalue()


if __name__ == "__main__":
    results, licenses, *files = sys.argv[1:]
    rows = [*torchvision_rows(), *timm_rows(results), *keras_rows(), *torchgeo_rows(licenses), *author_rows(*files)]
    rows.sort(key=lambda row: row["architecture"])
    CSV.write_text(csv_text(rows), encoding="utf-8")
    LAYOUT_TEXTS.save()
