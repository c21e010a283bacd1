"""Measured energy: plausible figures, with their source."""

import logging
import os
import sys
import time

import keras
import numpy as np
import pytest

from recipes.training.energy import Energy, _source, energy


def spin(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def watts(record):
    return record["kWh"] * 3.6e6 / record["seconds"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working and home directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_power_of_a_block_is_plausible_and_nothing_is_written(folder, capfd):
    with energy() as record:
        assert record == {}
        spin(0.5)
    assert set(record) == {"kWh", "kg_CO2eq", "seconds", "source", "country"}
    assert record["seconds"] >= 0.5
    assert 0.1 < watts(record) < 3000
    assert 0.01 < record["kg_CO2eq"] / record["kWh"] < 0.2  # France
    assert record["country"] == "FRA"
    assert record["source"].startswith(("estimate: ", "counter: "))
    if sys.platform == "linux" and not os.path.exists("/sys/class/powercap"):
        assert record["source"].startswith("estimate: processor from ")
    assert list(folder.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("codecarbon").filters == []


def test_a_longer_block_uses_more_energy_and_coal_emits_more():
    with energy("FRA") as brief:
        spin(0.2)
    with energy("pol") as long:
        spin(0.8)
    assert long["kWh"] > 1.5 * brief["kWh"]
    assert long["country"] == "POL"
    assert long["kg_CO2eq"] / long["kWh"] > 3 * brief["kg_CO2eq"] / brief["kWh"]


def test_a_measurement_connects_to_nothing(monkeypatch):
    addresses = []
    monkeypatch.setattr("socket.socket.connect", lambda self, address: addresses.append(address))
    with energy():
        spin(0.15)
    assert addresses == []


class SlowEpochs(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        spin((0.3, 0.01, 0.3)[epoch])


def test_the_callback_measures_each_epoch(folder):
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.train_on_batch(np.ones((8, 3)), np.ones((8, 1)))  # traces the training function before the measured epochs
    meter = Energy("CHE")
    assert meter.result is None
    for _ in range(2):
        model.fit(np.ones((8, 3)), np.ones((8, 1)), epochs=3, verbose=0, callbacks=[SlowEpochs(), meter])
        assert len(meter.epochs) == 3
        first, short, last = meter.epochs
        assert first["kWh"] > 0
        assert first["kg_CO2eq"] > 0
        assert last["kWh"] > 0
        assert short["seconds"] < first["seconds"]
        if short["seconds"] < 0.1:
            assert short["kWh"] is short["kg_CO2eq"] is None
        total = sum(e["kWh"] for e in meter.epochs if e["kWh"])
        whole = meter.result["kWh"]
        assert 0.5 * whole < total <= whole * (1 + 1e-9)  # the same numbers, summed in another order
        assert sum(e["seconds"] for e in meter.epochs) <= meter.result["seconds"]
        assert meter.result["country"] == "CHE"
        assert 0.1 < watts(meter.result) < 3000
    assert list(folder.iterdir()) == []


def test_energy_is_recorded_up_to_an_exception_which_propagates():
    with pytest.raises(RuntimeError, match="out of cheese"), energy() as record:
        spin(0.2)
        raise RuntimeError("out of cheese")
    assert record["kWh"] > 0


def test_a_block_too_short_for_codecarbon_has_no_figure():
    with energy() as record:
        pass
    assert record["kWh"] is None
    assert record["kg_CO2eq"] is None
    assert record["source"].startswith("not measured: 0.0")


def test_a_failing_sensor_gives_no_figure_and_its_error(monkeypatch):
    def broken(self):
        raise OSError("no such sensor")

    monkeypatch.setattr("codecarbon.core.resource_tracker.ResourceTracker.set_CPU_GPU_ram_tracking", broken)
    with energy() as record:
        spin(0.15)
    assert record["kWh"] is None
    assert record["kg_CO2eq"] is None
    assert record["seconds"] >= 0.15
    assert record["source"] == "not measured: codecarbon gave no figure (OSError('no such sensor'))"
    meter = Energy()
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 3)), np.ones((8, 1)), epochs=1, verbose=0, callbacks=[SlowEpochs(), meter])
    assert meter.epochs[0]["kWh"] is None
    assert meter.result["kWh"] is None


class CPU:
    def __init__(self, mode, generic=False):
        self._mode, self._tdp, self._is_generic_tdp = mode, 85, generic


class GPU:
    pass


class RAM:
    pass


@pytest.mark.parametrize(
    ("components", "source"),
    [
        (
            [RAM(), CPU("intel_rapl"), GPU()],
            "counter: RAPL for the processor, all processes, NVML or AMD SMI for the GPU, all processes; "
            "estimate: memory from its size",
        ),
        (
            [RAM(), CPU("cpu_load", generic=True), GPU()],
            "estimate: processor from its load and a rated power of 85 W (a figure for any processor), "
            "memory from its size; "
            "counter: NVML or AMD SMI for the GPU, all processes",
        ),
        ([CPU("constant")], "estimate: processor from half a rated power of 85 W"),
        ([], "no component"),
    ],
)
def test_the_source_lists_counters_and_estimates(components, source):
    assert _source(components) == source


@pytest.mark.parametrize("country", ["FR", "France", "XXX", ""])
def test_an_unknown_country_raises(country):
    with (
        pytest.raises(ValueError, match=f"`country` must be an ISO 3166 code of three letters.* got '{country}'"),
        energy(country),
    ):
        pass
    with pytest.raises(ValueError, match=r"Did you mean `FRA`\?"), energy("France"):
        pass


def test_arguments_are_validated():
    with pytest.raises(ValueError, match="energy: `country` must be a string, got 33"), energy(33):
        pass
    with pytest.raises(ValueError, match="Energy: unknown argument `contry`. Did you mean `country`"):
        Energy(contry="FRA")
