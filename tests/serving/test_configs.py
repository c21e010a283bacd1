"""The files for the stock image, read back by who will read them."""

from pathlib import Path

import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.config import model_server_config_pb2

import zoo

# The types of TensorFlow Serving's session_bundle_config.proto and monitoring_config.proto, which its wheel lacks.
BATCHING = {
    "max_batch_size": "value",
    "batch_timeout_micros": "value",
    "max_enqueued_batches": "value",
    "num_batch_threads": "value",
}


# What `tensorflow_model_server --help` lists, as far as it is used here.
FLAGS = {
    "port",
    "rest_api_port",
    "model_config_file",
    "enable_batching",
    "batching_parameters_file",
    "monitoring_config_file",
    "allow_version_labels_for_unavailable_models",
}


def parsed(text, fields):
    """Text as a message of these fields: name -> the fields within, or the type of a repeated number."""
    file = descriptor_pb2.FileDescriptorProto(name="told.proto", package="told", syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    value, outer = file.message_type.add(name="Value"), file.message_type.add(name="Told")
    value.field.add(name="value", number=1, type=kinds.TYPE_INT64, label=1)
    for number, name in enumerate(fields, 1):
        outer.field.add(name=name, number=number, type=kinds.TYPE_MESSAGE, label=1, type_name=".told.Value")
    outer.field.add(name="allowed_batch_sizes", number=99, type=kinds.TYPE_INT64, label=3)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return text_format.Parse(text, message_factory.GetMessageClass(pool.FindMessageTypeByName("told.Told"))())


@pytest.fixture
def folder(tmp_path):
    for place in ("trees/1", "trees/3", "soil/2", "notes", ".hidden/1"):
        (tmp_path / place).mkdir(parents=True)
    return tmp_path


def test_models_config_names_the_models_and_labels_their_versions(folder):
    found = zoo.serving.configs(str(folder), labels={"trees": {"stable": 1.0}})
    told = text_format.Parse(Path(found.models).read_text(), model_server_config_pb2.ModelServerConfig())
    soil, trees = told.model_config_list.config
    assert (soil.name, soil.base_path, soil.model_platform) == ("soil", "/models/soil", "tensorflow")
    assert not soil.HasField("model_version_policy")
    assert list(trees.model_version_policy.specific.versions) == [1, 3]
    assert dict(trees.version_labels) == {"stable": 1}


def test_batches_end_in_the_largest_allowed_size(folder):
    found = zoo.serving.configs(str(folder), max_batch_size=24, batch_timeout_ms=500, threads=4)
    told = parsed(Path(found.batching).read_text(), BATCHING)
    assert (told.max_batch_size.value, told.batch_timeout_micros.value, told.num_batch_threads.value) == (24, 500, 4)
    assert list(told.allowed_batch_sizes) == [1, 2, 4, 8, 16, 24]


def test_the_figures_are_offered_where_the_manifest_says(folder):
    found = zoo.serving.configs(str(folder))
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="figures.proto", package="figures", syntax="proto3")
    inner, outer = file.message_type.add(name="PrometheusConfig"), file.message_type.add(name="MonitoringConfig")
    inner.field.add(name="enable", number=1, type=kinds.TYPE_BOOL, label=1)
    inner.field.add(name="path", number=2, type=kinds.TYPE_STRING, label=1)
    message = ".figures.PrometheusConfig"
    outer.field.add(name="prometheus_config", number=1, type=kinds.TYPE_MESSAGE, label=1, type_name=message)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made = message_factory.GetMessageClass(pool.FindMessageTypeByName("figures.MonitoringConfig"))()
    told = text_format.Parse(Path(found.monitoring).read_text(), made)
    assert told.prometheus_config.enable
    deployment, _ = yaml.safe_load_all(Path(found.kubernetes).read_text())
    notes = deployment["spec"]["template"]["metadata"]["annotations"]
    assert notes["prometheus.io/path"] == told.prometheus_config.path


def test_a_model_that_takes_single_numbers_is_served_without_batching(folder):
    model = saved_model_pb2.SavedModel()
    taken = model.meta_graphs.add().signature_def["sample"].inputs["count"]
    taken.dtype = 3
    (folder / "soil" / "2" / "saved_model.pb").write_bytes(model.SerializeToString())
    found = zoo.serving.configs(str(folder))
    for file in (found.dockerfile, found.compose):
        assert "--enable_batching" not in Path(file).read_text()
        assert "--model_config_file=/models/models.config" in Path(file).read_text()
    taken.tensor_shape.dim.add(size=-1)
    (folder / "soil" / "2" / "saved_model.pb").write_bytes(model.SerializeToString())
    assert "--enable_batching=true" in Path(zoo.serving.configs(str(folder)).compose).read_text()


def test_the_image_the_composition_and_the_manifest_agree(folder):
    found = zoo.serving.configs(str(folder), image="tensorflow/serving:2.21.0", name="plots")
    docker = Path(found.dockerfile).read_text()
    assert "FROM tensorflow/serving:2.21.0\n" in docker
    assert "COPY trees /models/trees\n" in docker and "COPY soil /models/soil\n" in docker
    service = yaml.safe_load(Path(found.compose).read_text())["services"]["serving"]
    assert service["image"] == "tensorflow/serving:2.21.0"
    assert "--model_config_file=/models/models.config" in service["command"]
    assert service["volumes"] == [".:/models:ro"]
    for flag in service["command"]:
        assert flag in docker
        assert flag.removeprefix("--").partition("=")[0] in FLAGS
    deployment, exposed = yaml.safe_load_all(Path(found.kubernetes).read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "plots:1"
    assert container["readinessProbe"]["httpGet"]["path"] == "/v1/models/soil"
    assert exposed["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]
    assert {p["port"] for p in exposed["spec"]["ports"]} == {8500, 8501}
    assert not [p for p in folder.iterdir() if p.name.startswith(".") and p.name != ".hidden"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": {"tree": {"a": 1}}}, "`labels` has 'tree', which is no model; there are soil, trees"),
        ({"labels": {"trees": {"a": 2}}}, r"`labels` gives trees a to version 2; there are \[1, 3\]"),
        ({"name": "My plots"}, "`name` must be small letters, digits and hyphens"),
        ({"folder": "nowhere"}, "`folder` must hold NAME/VERSION/saved_model.pb, got nowhere"),
    ],
)
def test_wrong_arguments_are_named(folder, changed, message):
    with pytest.raises(ValueError, match=f"configs: {message}"):
        zoo.serving.configs(**{"folder": str(folder), **changed})
    assert not (folder / "models.config").exists()
