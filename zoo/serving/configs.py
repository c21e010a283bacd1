"""The files that the stock tensorflow/serving image needs to serve a folder of exports."""

import importlib.metadata
import re
import typing
from pathlib import Path

from zoo.arguments import Count, Whole, checked
from zoo.export import versions


class Configs(typing.NamedTuple):
    """Paths of the files written."""

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
    batch_timeout_ms: Whole = 2000,
    threads: Count = 2,
    image: str | None = None,
    name: str = "fieldzoo",
) -> Configs:
    """Writes what the stock TensorFlow Serving image needs to serve a folder of exports.

    models.config names the models; with labels it serves the labelled versions and the latest. batching.config puts
    requests that arrive together into one batch: it helps many clients, and keeps a single one waiting up to `batch_timeout_ms`;
    it is left out where a model takes a number without a batch, such as a sampler's count, as that cannot be joined.
    monitoring.config offers Prometheus' figures at /monitoring/prometheus/metrics. With the Dockerfile the models are
    part of an image; compose.yaml mounts the folder into the stock one; kubernetes.yaml runs two replicas of the
    Dockerfile's image, with probes and limits.

    Args:
        folder: FOLDER/NAME/VERSION/saved_model.pb, as `zoo.export` writes it; the files are written into it.
        labels: model's name -> {label: version}, such as {"trees": {"stable": 1, "canary": 2}}; None for none.
        max_batch_size: most examples in one batch.
        batch_timeout_ms: how long a batch waits to be filled [microseconds].
        threads: batches at work side by side; as many as there are cores.
        image: the stock image with its tag; None for the one of the installed tensorflow-serving-api's version.
        name: what the deployment and the built image are called.
    Returns:
        `Configs`: the paths of the six files.
    Raises:
        ValueError: if there is no model, or a label's version is not there.
    """
    place = Path(folder).expanduser()
    models = {p.name: versions.numbers(p) for p in sorted(place.iterdir()) if p.is_dir()} if place.is_dir() else {}
    models = {n: found for n, found in models.items() if found and not n.startswith(".")}
    if not models:
        raise ValueError(f"configs: `folder` must hold NAME/VERSION/saved_model.pb, got {folder}.")
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name):
        raise ValueError(f"configs: `name` must be small letters, digits and hyphens, got {name!r}.")
    _verify(labels or {}, models)
    flags = FLAGS if not _single(place, models) else tuple(f for f in FLAGS if "batching" not in f)
    image = image or f"tensorflow/serving:{importlib.metadata.version('tensorflow-serving-api')}"
    texts = {
        "models": _models(models, labels or {}),
        "batching": _batching(max_batch_size, batch_timeout_ms, threads),
        "monitoring": 'prometheus_config {\n  enable: true\n  path: "/monitoring/prometheus/metrics"\n}\n',
        "dockerfile": _dockerfile(image, models, flags),
        "compose": _compose(image, name, flags),
        "kubernetes": _kubernetes(name, sorted(models)[0], threads),
    }
    names = ("models.config", "batching.config", "monitoring.config", "Dockerfile", "compose.yaml", "kubernetes.yaml")
    for file, text in zip(names, texts.values(), strict=True):
        versions.write(place / file, text)
    return Configs(*(str(place / file) for file in names))


def _verify(labels, models):
    for model, chosen in labels.items():
        if model not in models:
            raise ValueError(f"configs: `labels` has {model!r}, which is no model; there are {', '.join(models)}.")
        for label, version in chosen.items():
            if int(version) not in models[model]:
                raise ValueError(
                    f"configs: `labels` gives {model} {label} to version {version}; there are {models[model]}."
                )


def _single(place, models):
    """Whether a model's latest version takes an input without a batch in any signature."""
    from tensorflow.core.protobuf import saved_model_pb2

    for model, there in models.items():
        file = place / model / str(there[-1]) / "saved_model.pb"
        stored = saved_model_pb2.SavedModel.FromString(file.read_bytes() if file.is_file() else b"")
        definitions = [d for graph in stored.meta_graphs for d in graph.signature_def.values()]
        if any(
            not t.tensor_shape.dim and not t.tensor_shape.unknown_rank for d in definitions for t in d.inputs.values()
        ):
            return True
    return False


def _models(models, labels):
    """ModelServerConfig as text."""
    lines = ["model_config_list {"]
    for model, there in models.items():
        lines += ["  config {", f'    name: "{model}"', f'    base_path: "/models/{model}"']
        lines += ['    model_platform: "tensorflow"']
        chosen = {label: int(version) for label, version in labels.get(model, {}).items()}
        if chosen:
            wanted = sorted({*chosen.values(), there[-1]})
            lines += ["    model_version_policy {", "      specific {"]
            lines += [f"        versions: {version}" for version in wanted]
            lines += ["      }", "    }"]
            lines += [f'    version_labels {{ key: "{label}" value: {v} }}' for label, v in sorted(chosen.items())]
        lines += ["  }"]
    return "\n".join([*lines, "}", ""])


def _batching(max_batch_size, batch_timeout_ms, threads):
    """BatchingParameters as text."""
    # Sizes that a batch is filled up to: each new size is a new shape, which TensorFlow plans for once.
    sizes = [size for size in (1, 2, 4, 8, 16, 32, 64, 128, 256) if size < max_batch_size] + [max_batch_size]
    values = {"max_batch_size": max_batch_size, "batch_timeout_micros": batch_timeout_ms, "max_enqueued_batches": 100}
    values["num_batch_threads"] = threads
    lines = [f"{key} {{ value: {value} }}" for key, value in values.items()]
    return "\n".join([*lines, *(f"allowed_batch_sizes: {size}" for size in sizes), ""])


FLAGS = (
    "--model_config_file=/models/models.config",
    "--enable_batching=true",
    "--batching_parameters_file=/models/batching.config",
    "--monitoring_config_file=/models/monitoring.config",
    "--allow_version_labels_for_unavailable_models=true",
)


def _dockerfile(image, models, given):
    copies = "\n".join(f"COPY {model} /models/{model}" for model in models)
    flags = ", ".join(f'"{flag}"' for flag in given)
    return (
        f"# docker build -t NAME . && docker run -p 8500:8500 -p 8501:8501 NAME\n"
        f"FROM {image}\n"
        f"COPY models.config batching.config monitoring.config /models/\n"
        f"{copies}\n"
        f"EXPOSE 8500 8501\n"
        f"# The image's own entry point serves one model; the server itself reads models.config.\n"
        f'ENTRYPOINT ["/usr/bin/tensorflow_model_server", "--port=8500", "--rest_api_port=8501", {flags}]\n'
    )


def _compose(image, name, given):
    flags = "\n".join(f"      - {flag}" for flag in ("--port=8500", "--rest_api_port=8501", *given))
    return (
        f"# docker compose up\n"
        f"name: {name}\n"
        f"services:\n"
        f"  serving:\n"
        f"    image: {image}\n"
        f"    entrypoint: [/usr/bin/tensorflow_model_server]\n"
        f"    command:\n{flags}\n"
        f"    ports:\n"
        f'      - "8500:8500" # gRPC\n'
        f'      - "8501:8501" # REST\n'
        f"    volumes:\n"
        f"      - .:/models:ro\n"
        f"    restart: unless-stopped\n"
    )


def _kubernetes(name, model, threads):
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
          # A version is AVAILABLE once its warm-up requests have been replayed.
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
