"""What a training costs: figures that are plausible, and that say where they come from."""

import logging
import os
import sys
import time

import keras
import numpy as np
import pytest

from recipes.training.energy import Energy, _source, energy


def work(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def watts(used):
    return used["kWh"] * 3.6e6 / used["seconds"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working and home directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_a_block_costs_what_a_machine_may_draw(folder, capfd):
    with energy() as used:
        assert used == {}
        work(0.5)
    assert set(used) == {"kWh", "kg_CO2eq", "seconds", "source", "country"}
    assert used["seconds"] >= 0.5
    assert 0.1 < watts(used) < 3000
    assert 0.01 < used["kg_CO2eq"] / used["kWh"] < 0.2  # France
    assert used["country"] == "FRA"
    assert used["source"].startswith(("estimate: ", "counter: "))
    if sys.platform == "linux" and not os.path.exists("/sys/class/powercap"):
        assert used["source"].startswith("estimate: processor from ")
    assert list(folder.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("codecarbon").filters == []


def test_longer_costs_more_and_coal_emits_more():
    with energy("FRA") as brief:
        work(0.2)
    with energy("pol") as long:
        work(0.8)
    assert long["kWh"] > 1.5 * brief["kWh"]
    assert long["country"] == "POL"
    assert long["kg_CO2eq"] / long["kWh"] > 3 * brief["kg_CO2eq"] / brief["kWh"]


def test_a_measurement_connects_to_nothing(monkeypatch):
    asked = []
    monkeypatch.setattr("socket.socket.connect", lambda self, address: asked.append(address))
    with energy():
        work(0.15)
    assert asked == []


class Slow(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        work((0.3, 0.01, 0.3)[epoch])


def test_plain_fit_is_measured_epoch_by_epoch(folder):
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.train_on_batch(np.ones((8, 3)), np.ones((8, 1)))  # so that no epoch has to trace
    meter = Energy("CHE")
    assert meter.result is None
    for _ in range(2):
        model.fit(np.ones((8, 3)), np.ones((8, 1)), epochs=3, verbose=0, callbacks=[Slow(), meter])
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


def test_an_exception_passes_and_is_measured_up_to_there():
    with pytest.raises(RuntimeError, match="out of cheese"), energy() as used:
        work(0.2)
        raise RuntimeError("out of cheese")
    assert used["kWh"] > 0


def test_what_is_too_short_has_no_figure():
    with energy() as used:
        pass
    assert used["kWh"] is None
    assert used["kg_CO2eq"] is None
    assert used["source"].startswith("not measured: 0.0")


def test_a_machine_that_cannot_be_measured_has_no_figure(monkeypatch):
    def broken(self):
        raise OSError("no such sensor")

    monkeypatch.setattr("codecarbon.core.resource_tracker.ResourceTracker.set_CPU_GPU_ram_tracking", broken)
    with energy() as used:
        work(0.15)
    assert used["kWh"] is None
    assert used["kg_CO2eq"] is None
    assert used["seconds"] >= 0.15
    assert used["source"] == "not measured: codecarbon gave no figure (OSError('no such sensor'))"
    meter = Energy()
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 3)), np.ones((8, 1)), epochs=1, verbose=0, callbacks=[Slow(), meter])
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
    ("parts", "source"),
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
        ([], "codecarbon does not say"),
    ],
)
def test_a_source_names_counters_and_estimates(parts, source):
    assert _source(parts) == source


@pytest.mark.parametrize("wrong", ["FR", "France", "XXX", ""])
def test_an_unknown_country_is_refused(wrong):
    with (
        pytest.raises(ValueError, match=f"`country` must be the ISO code of a country .* got '{wrong}'"),
        energy(wrong),
    ):
        pass
    with pytest.raises(ValueError, match=r"Did you mean `FRA`\?"), energy("France"):
        pass


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="energy: `country` must be a string, got 33"), energy(33):
        pass
    with pytest.raises(ValueError, match="Energy: unknown argument `contry`. Did you mean `country`"):
        Energy(contry="FRA")
