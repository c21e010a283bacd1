"""The configuration files of the stock image, parsed as their readers parse them."""

from pathlib import Path

import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.config import model_server_config_pb2

import zoo

# The fields of TensorFlow Serving's session_bundle_config.proto, which its wheel lacks.
BATCHING_FIELDS = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads")

# Those of `tensorflow_model_server --help` that are used here.
FLAGS = {
    "port",
    "rest_api_port",
    "model_config_file",
    "enable_batching",
    "batching_parameters_file",
    "monitoring_config_file",
    "allow_version_labels_for_unavailable_models",
}


def parse_batching(text):
    """batching.config as a message."""
    file = descriptor_pb2.FileDescriptorProto(name="batching.proto", package="batching", syntax="proto2")
    field = descriptor_pb2.FieldDescriptorProto
    value, parameters = file.message_type.add(name="Value"), file.message_type.add(name="Parameters")
    value.field.add(name="value", number=1, type=field.TYPE_INT64, label=1)
    for number, name in enumerate(BATCHING_FIELDS, 1):
        parameters.field.add(name=name, number=number, type=field.TYPE_MESSAGE, label=1, type_name=".batching.Value")
    parameters.field.add(name="allowed_batch_sizes", number=99, type=field.TYPE_INT64, label=3)
    return parse(text, file, "batching.Parameters")


def parse_monitoring(text):
    """monitoring.config as a message, by TensorFlow Serving's monitoring_config.proto, which its wheel lacks."""
    file = descriptor_pb2.FileDescriptorProto(name="monitoring.proto", package="monitoring", syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto
    prometheus = file.message_type.add(name="PrometheusConfig")
    prometheus.field.add(name="enable", number=1, type=field.TYPE_BOOL, label=1)
    prometheus.field.add(name="path", number=2, type=field.TYPE_STRING, label=1)
    monitoring, type_name = file.message_type.add(name="MonitoringConfig"), ".monitoring.PrometheusConfig"
    monitoring.field.add(name="prometheus_config", number=1, type=field.TYPE_MESSAGE, label=1, type_name=type_name)
    return parse(text, file, "monitoring.MonitoringConfig")


def parse(text, file, message):
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return text_format.Parse(text, message_factory.GetMessageClass(pool.FindMessageTypeByName(message))())


@pytest.fixture
def folder(tmp_path):
    for path in ("trees/1", "trees/3", "soil/2", "notes", ".hidden/1"):
        (tmp_path / path).mkdir(parents=True)
    return tmp_path


def test_models_config_names_the_models_and_labels_their_versions(folder):
    configs = zoo.serving.configs(str(folder), labels={"trees": {"stable": 1.0}})
    config = text_format.Parse(Path(configs.models).read_text(), model_server_config_pb2.ModelServerConfig())
    soil, trees = config.model_config_list.config
    assert (soil.name, soil.base_path, soil.model_platform) == ("soil", "/models/soil", "tensorflow")
    assert not soil.HasField("model_version_policy")
    assert list(trees.model_version_policy.specific.versions) == [1, 3]
    assert dict(trees.version_labels) == {"stable": 1}


@pytest.mark.parametrize(("batch_timeout_ms", "micros"), [(None, 2000), (0.5, 500), (0, 0), (7, 7000)])
def test_batching_config_has_microseconds_and_its_largest_allowed_size_is_the_batch_size(
    folder, batch_timeout_ms, micros
):
    timeout = {} if batch_timeout_ms is None else {"batch_timeout_ms": batch_timeout_ms}
    configs = zoo.serving.configs(str(folder), max_batch_size=24, threads=4, **timeout)
    config = parse_batching(Path(configs.batching).read_text())
    assert (config.max_batch_size.value, config.num_batch_threads.value) == (24, 4)
    assert config.batch_timeout_micros.value == micros
    assert list(config.allowed_batch_sizes) == [1, 2, 4, 8, 16, 24]


def test_the_kubernetes_manifest_scrapes_the_path_of_the_monitoring_config(folder):
    configs = zoo.serving.configs(str(folder))
    config = parse_monitoring(Path(configs.monitoring).read_text())
    assert config.prometheus_config.enable
    deployment, _ = yaml.safe_load_all(Path(configs.kubernetes).read_text())
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/path"] == config.prometheus_config.path


def test_batching_is_off_where_a_model_has_a_scalar_input(folder):
    model = saved_model_pb2.SavedModel()
    info = model.meta_graphs.add().signature_def["sample"].inputs["count"]
    info.dtype = 3
    (folder / "soil" / "2" / "saved_model.pb").write_bytes(model.SerializeToString())
    configs = zoo.serving.configs(str(folder))
    for file in (configs.dockerfile, configs.compose):
        assert "--enable_batching" not in Path(file).read_text()
        assert "--model_config_file=/models/models.config" in Path(file).read_text()
    info.tensor_shape.dim.add(size=-1)
    (folder / "soil" / "2" / "saved_model.pb").write_bytes(model.SerializeToString())
    assert "--enable_batching=true" in Path(zoo.serving.configs(str(folder)).compose).read_text()


def test_dockerfile_compose_file_and_manifest_agree(folder):
    configs = zoo.serving.configs(str(folder), image="tensorflow/serving:2.21.0", name="plots")
    dockerfile = Path(configs.dockerfile).read_text()
    assert "FROM tensorflow/serving:2.21.0\n" in dockerfile
    assert "COPY trees /models/trees\n" in dockerfile and "COPY soil /models/soil\n" in dockerfile
    service = yaml.safe_load(Path(configs.compose).read_text())["services"]["serving"]
    assert service["image"] == "tensorflow/serving:2.21.0"
    assert "--model_config_file=/models/models.config" in service["command"]
    assert service["volumes"] == [".:/models:ro"]
    for flag in service["command"]:
        assert flag in dockerfile
        assert flag.removeprefix("--").partition("=")[0] in FLAGS
    deployment, exposed = yaml.safe_load_all(Path(configs.kubernetes).read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "plots:1"
    assert container["readinessProbe"]["httpGet"]["path"] == "/v1/models/soil"
    assert exposed["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]
    assert {p["port"] for p in exposed["spec"]["ports"]} == {8500, 8501}
    assert not [p for p in folder.iterdir() if p.name.startswith(".") and p.name != ".hidden"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": {"tree": {"a": 1}}}, "`labels` has 'tree', which is no model; expected soil, trees"),
        ({"labels": {"trees": {"a": 2}}}, r"`labels` maps a of trees to version 2; expected one of \[1, 3\]"),
        ({"name": "My plots"}, "`name` must be small letters, digits and hyphens"),
        ({"folder": "nowhere"}, "`folder` must hold NAME/VERSION/saved_model.pb, got nowhere"),
        ({"batch_timeout_ms": -1}, "`batch_timeout_ms` must be a number of at least 0"),
    ],
)
def test_an_error_names_the_wrong_argument(folder, changed, message):
    with pytest.raises(ValueError, match=f"configs: {message}"):
        zoo.serving.configs(**{"folder": str(folder), **changed})
    assert not (folder / "models.config").exists()
