"""Configuration files with which the stock tensorflow/serving image serves a folder of exports."""

import importlib.metadata
import re
import typing
from pathlib import Path

from zoo.arguments import Count, NonNegative, checked
from zoo.atomic_write import write_text
from zoo.export import versions
from zoo.export.isolated_inference import read_saved_model

FLAGS = (
    "--model_config_file=/models/models.config",
    "--enable_batching=true",
    "--batching_parameters_file=/models/batching.config",
    "--monitoring_config_file=/models/monitoring.config",
    "--allow_version_labels_for_unavailable_models=true",
)


class Configs(typing.NamedTuple):
    """Paths of the written files."""

    models: str
    batching: str
    monitoring: str
    dockerfile: str
    compose: str
    kubernetes: str


@checked
def configs(
    folder: str,
    *,
    labels: typing.Any = None,
    max_batch_size: Count = 32,
    batch_timeout_ms: NonNegative = 2.0,
    threads: Count = 2,
    image: str | None = None,
    name: str = "fieldzoo",
) -> Configs:
    """Writes the configuration files with which the stock TensorFlow Serving image serves a folder of exports.

    - models.config names the models. With labels it serves the labelled versions and the latest.
    - batching.config puts requests that arrive together into one batch. This helps many clients, and delays a single
      one by up to `batch_timeout_ms`. Batching is off where a model has a scalar input, such as a sampler's count,
      since scalars cannot be put into a batch.
    - monitoring.config offers metrics for Prometheus at /monitoring/prometheus/metrics.
    - Dockerfile builds an image that contains the models.
    - compose.yaml mounts the folder into the stock image.
    - kubernetes.yaml runs two replicas of the Dockerfile's image, with probes and limits.

    Args:
        folder: FOLDER/NAME/VERSION/saved_model.pb, as `zoo.export` writes it; the files are written into it.
        labels: model's name -> {label: version}, such as {"trees": {"stable": 1, "canary": 2}}; None for none.
        max_batch_size: largest number of examples in one batch.
        batch_timeout_ms: time that a batch waits for further requests, in milliseconds.
        threads: number of batches processed in parallel; at best the number of cores.
        image: the stock image with its tag; None for that of the installed tensorflow-serving-api's version.
        name: name of the deployment and of the built image.
    Returns:
        `Configs`: the paths of the six files.
    Raises:
        ValueError: if there is no model, or a label's version does not exist.
    """
    root = Path(folder).expanduser()
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")) if root.is_dir() else []
    models = {p.name: versions.version_numbers(p) for p in folders}
    models = {model: numbers for model, numbers in models.items() if numbers}
    if not models:
        raise ValueError(f"configs: `folder` must hold NAME/VERSION/saved_model.pb, got {folder}.")
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name):
        raise ValueError(f"configs: `name` must be small letters, digits and hyphens, got {name!r}.")
    _check_labels(labels or {}, models)
    flags = tuple(f for f in FLAGS if "batching" not in f) if _has_scalar_input(root, models) else FLAGS
    image = image or f"tensorflow/serving:{importlib.metadata.version('tensorflow-serving-api')}"
    texts = {
        "models.config": _models_config(models, labels or {}),
        "batching.config": _batching_config(max_batch_size, batch_timeout_ms, threads),
        "monitoring.config": 'prometheus_config {\n  enable: true\n  path: "/monitoring/prometheus/metrics"\n}\n',
        "Dockerfile": _dockerfile(image, models, flags),
        "compose.yaml": _compose_file(image, name, flags),
        "kubernetes.yaml": _kubernetes_manifest(name, sorted(models)[0], threads),
    }
    for file, text in texts.items():
        write_text(root / file, text)
    return Configs(*(str(root / file) for file in texts))


def _check_labels(labels, models):
    for model, versions_by_label in labels.items():
        if model not in models:
            raise ValueError(f"configs: `labels` has {model!r}, which is no model; expected {', '.join(models)}.")
        for label, version in versions_by_label.items():
            if int(version) not in models[model]:
                raise ValueError(
                    f"configs: `labels` maps {label} of {model} to version {version}; expected one of {models[model]}."
                )


def _has_scalar_input(root, models):
    """Whether a signature of a model's latest version has an input of rank 0."""
    for model, numbers in models.items():
        version = root / model / str(numbers[-1])
        if not (version / "saved_model.pb").is_file():
            continue
        definitions = [d for graph in read_saved_model(version).meta_graphs for d in graph.signature_def.values()]
        shapes = [info.tensor_shape for definition in definitions for info in definition.inputs.values()]
        if any(not shape.dim and not shape.unknown_rank for shape in shapes):
            return True
    return False


def _models_config(models, labels):
    """ModelServerConfig as text."""
    lines = ["model_config_list {"]
    for model, numbers in models.items():
        lines += ["  config {", f'    name: "{model}"', f'    base_path: "/models/{model}"']
        lines += ['    model_platform: "tensorflow"']
        labelled = {label: int(version) for label, version in labels.get(model, {}).items()}
        if labelled:
            lines += ["    model_version_policy {", "      specific {"]
            lines += [f"        versions: {version}" for version in sorted({*labelled.values(), numbers[-1]})]
            lines += ["      }", "    }"]
            lines += [f'    version_labels {{ key: "{label}" value: {v} }}' for label, v in sorted(labelled.items())]
        lines += ["  }"]
    return "\n".join([*lines, "}", ""])


def _batching_config(max_batch_size, batch_timeout_ms, threads):
    """BatchingParameters as text."""
    # Batches are padded to these sizes: each new size is a new shape, which TensorFlow plans for once.
    sizes = [size for size in (1, 2, 4, 8, 16, 32, 64, 128, 256) if size < max_batch_size] + [max_batch_size]
    values = {
        "max_batch_size": max_batch_size,
        "batch_timeout_micros": round(1000 * batch_timeout_ms),
        "max_enqueued_batches": 100,
        "num_batch_threads": threads,
    }
    lines = [f"{key} {{ value: {value} }}" for key, value in values.items()]
    return "\n".join([*lines, *(f"allowed_batch_sizes: {size}" for size in sizes), ""])


def _dockerfile(image, models, flags):
    copies = "\n".join(f"COPY {model} /models/{model}" for model in models)
    arguments = ", ".join(f'"{flag}"' for flag in flags)
    return (
        f"# docker build -t NAME . && docker run -p 8500:8500 -p 8501:8501 NAME\n"
        f"FROM {image}\n"
        f"COPY models.config batching.config monitoring.config /models/\n"
        f"{copies}\n"
        f"EXPOSE 8500 8501\n"
        f"# The entry point of the stock image serves one model; the server binary reads models.config.\n"
        f'ENTRYPOINT ["/usr/bin/tensorflow_model_server", "--port=8500", "--rest_api_port=8501", {arguments}]\n'
    )


def _compose_file(image, name, flags):
    arguments = "\n".join(f"      - {flag}" for flag in ("--port=8500", "--rest_api_port=8501", *flags))
    return (
        f"# docker compose up\n"
        f"name: {name}\n"
        f"services:\n"
        f"  serving:\n"
        f"    image: {image}\n"
        f"    entrypoint: [/usr/bin/tensorflow_model_server]\n"
        f"    command:\n{arguments}\n"
        f"    ports:\n"
        f'      - "8500:8500" # gRPC\n'
        f'      - "8501:8501" # REST\n'
        f"    volumes:\n"
        f"      - .:/models:ro\n"
        f"    restart: unless-stopped\n"
    )


def _kubernetes_manifest(name, model, threads):
    return f"""# kubectl apply -f kubernetes.yaml, once the Dockerfile's image is in a registry as {name}:1
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels: {{app: {name}}}
spec:
  replicas: 2
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "8501"
        prometheus.io/path: /monitoring/prometheus/metrics
    spec:
      containers:
        - name: serving
          image: {name}:1
          ports:
            - {{name: grpc, containerPort: 8500}}
            - {{name: rest, containerPort: 8501}}
          resources:
            requests: {{cpu: "{threads}", memory: 1Gi}}
            limits: {{memory: 4Gi}}
          # A version is AVAILABLE once its warm-up requests have run.
          readinessProbe:
            httpGet: {{path: /v1/models/{model}, port: rest}}
            periodSeconds: 5
          livenessProbe:
            tcpSocket: {{port: grpc}}
            initialDelaySeconds: 30
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  labels: {{app: {name}}}
spec:
  selector: {{app: {name}}}
  ports:
    - {{name: grpc, port: 8500, targetPort: grpc}}
    - {{name: rest, port: 8501, targetPort: rest}}
"""
