"""Measures the electricity and CO2 of a training with codecarbon's offline tracker.

`energy` measures the block under `with`; `Energy` is a Keras callback. A figure is from a hardware counter (RAPL, NVML,
...) where the machine has a readable one, else codecarbon's estimate from load and rated power. `source` records
which, for each hardware component. Nothing is sent over the network and no file is written.
"""

import contextlib
import logging
import time

import keras

from zoo.arguments import checked, suggestion

MIN_SECONDS = 0.1  # shortest interval with a figure; codecarbon samples at most every half of that
COUNTERS = {
    "intel_rapl": "RAPL for the processor",
    "windows_emi": "the Windows energy meter for the processor",
    "intel_power_gadget": "Intel Power Gadget for the processor",
}


class _LogFilter(logging.Filter):
    """Drops codecarbon's log messages and stores the first exception among them."""

    error = None

    def filter(self, record):
        if self.error is None and record.exc_info and record.exc_info[1]:
            self.error = repr(record.exc_info[1])
        return False


class _TotalsHandler:
    """A codecarbon output handler that stores the latest totals."""

    total = None

    def out(self, total, delta):
        self.total = total

    def live_out(self, total, delta):
        self.total = total

    def task_out(self, data, experiment_name):
        pass

    def exit(self):
        pass


class EnergyRecord(dict):
    """The dict that `energy` yields, with `so_far()`, the totals up to now."""

    def __init__(self, so_far):
        super().__init__()
        self.so_far = so_far


class _Meter:
    """One measurement, from construction to `stop`."""

    def __init__(self, country):
        from codecarbon import OfflineEmissionsTracker
        from codecarbon.input import DataSource

        countries = DataSource().get_global_energy_mix_data()
        self.country = country.upper()
        if self.country not in countries:
            raise ValueError(
                f"energy: `country` must be an ISO 3166 code of three letters, such as FRA, got {country!r}."
                f"{suggestion(self.country, countries)}"
            )
        self.log_filter, self.totals = _LogFilter(), _TotalsHandler()
        log = logging.getLogger("codecarbon")
        log.addFilter(self.log_filter)
        self.tracker = OfflineEmissionsTracker(
            country_iso_code=self.country,
            tracking_mode="process",  # CPU load of this process and its children only
            output_methods=[],
            output_handlers=[self.totals],
            emissions_endpoint=None,
            electricitymaps_api_token="",  # a token in the user's configuration would make codecarbon go online
            api_call_interval=-1,
            allow_multiple_runs=True,
            log_level=log.level,
        )
        self.tracker.start()
        self.start_time = time.perf_counter()

    def read(self):
        """Returns the totals since the start; kWh and kg_CO2eq are None if codecarbon has no figure."""
        seconds = time.perf_counter() - self.start_time
        self.totals.total = None
        self.tracker.flush()
        return self._figures(seconds)

    def stop(self):
        """Ends the measurement and returns the result, as `energy` documents it."""
        seconds = time.perf_counter() - self.start_time
        components = getattr(self.tracker, "_hardware", [])
        self.totals.total = None
        self.tracker.stop()
        logging.getLogger("codecarbon").removeFilter(self.log_filter)
        figures = self._figures(seconds)
        if figures["kWh"] is not None:
            source = _source(components)
        elif seconds < MIN_SECONDS:
            source = f"not measured: {seconds:.3f} s is too short for codecarbon"
        else:
            source = f"not measured: codecarbon gave no figure ({self.log_filter.error or 'no reason given'})"
        return {**figures, "source": source, "country": self.country}

    def _figures(self, seconds):
        total = self.totals.total
        if total is None or seconds < MIN_SECONDS or not total.energy_consumed > 0:
            return {"kWh": None, "kg_CO2eq": None, "seconds": seconds}
        return {"kWh": total.energy_consumed, "kg_CO2eq": total.emissions, "seconds": seconds}


def _source(components):
    """Returns the source of the figures for each hardware component, the processor's kind of source first."""
    counters, estimates = [], []
    for component in components:
        kind, mode = type(component).__name__, getattr(component, "_mode", None)
        if kind == "GPU":
            counters.append("NVML or AMD SMI for the GPU, all processes")
        elif kind == "AppleSiliconChip":
            counters.append(f"powermetrics for the {component.chip_part}, all processes")
        elif kind == "Raspberry":
            counters.append(f"the power controller for the {component.chip_part}, all processes")
        elif mode in COUNTERS:
            counters.append(f"{COUNTERS[mode]}, all processes")
        elif kind == "CPU":
            basis = "its load and a" if mode == "cpu_load" else "half a"
            generic = " (a figure for any processor)" if getattr(component, "_is_generic_tdp", False) else ""
            estimates.insert(0, f"processor from {basis} rated power of {component._tdp:g} W{generic}")
        elif kind == "RAM":
            estimates.append("memory from its size")
        else:
            estimates.append(f"{kind} as codecarbon estimates it")
    groups = [("estimate", estimates), ("counter", counters)]
    if not estimates or not estimates[0].startswith("processor"):
        groups.reverse()
    return "; ".join(f"{kind}: {', '.join(names)}" for kind, names in groups if names) or "no component"


@checked
@contextlib.contextmanager
def energy(country: str = "FRA"):
    """Measures the electricity and CO2 of the block under `with`.

    >>> with energy("CHE") as record:
    ...     model.fit(data)
    >>> record["kWh"]

    Args:
        country: country of the electricity grid, ISO 3166 code of three letters; determines kg_CO2eq.
    Yields:
        A dict that is filled when the block ends: kWh, kg_CO2eq, seconds, source (estimate, counter or not measured,
        for each component) and country. kWh and kg_CO2eq are None if nothing could be measured. The tracker's start
        is not included. Its method `so_far()` returns kWh, kg_CO2eq and seconds up to now.
    Raises:
        ValueError: if codecarbon has no data for the country.

    Source: codecarbon, https://docs.codecarbon.io.
    """
    meter = _Meter(country)
    record = EnergyRecord(meter.read)
    try:
        yield record
    finally:
        record.update(meter.stop())


class Energy(keras.callbacks.Callback):
    """Measures electricity and CO2 of `model.fit(..., callbacks=[meter := Energy()])`; then read `meter.result`.

    Args:
        country: country of the electricity grid, ISO 3166 code of three letters; determines kg_CO2eq.

    Attributes:
        result: dict of the latest `fit`, with the keys of `energy`; None until it has ended.
        epochs: dict of kWh, kg_CO2eq and seconds for each epoch, validation included. kWh and kg_CO2eq are None for an
            epoch shorter than 0.1 s; its energy is added to the next epoch.

    Raises:
        ValueError: when `fit` starts, if codecarbon has no data for the country.
    """

    @checked
    def __init__(self, country: str = "FRA"):
        super().__init__()
        self.country, self.result, self.epochs, self._meter = country, None, [], None

    def on_train_begin(self, logs=None):
        if self._meter:  # an exception ended the previous fit
            self._meter.stop()
        self.result, self.epochs = None, []
        self._meter = _Meter(self.country)
        self._previous_end, self._previous_totals = 0.0, {"kWh": 0.0, "kg_CO2eq": 0.0, "seconds": 0.0}

    def on_epoch_end(self, epoch, logs=None):
        totals, previous = self._meter.read(), self._previous_totals
        used = {"kWh": None, "kg_CO2eq": None, "seconds": totals["seconds"] - self._previous_end}
        self._previous_end = totals["seconds"]
        if totals["kWh"] is not None and totals["seconds"] - previous["seconds"] >= MIN_SECONDS:
            used.update(kWh=totals["kWh"] - previous["kWh"], kg_CO2eq=totals["kg_CO2eq"] - previous["kg_CO2eq"])
            self._previous_totals = totals
        self.epochs.append(used)

    def on_train_end(self, logs=None):
        self.result = self._meter.stop()
        self._meter = None
