"""What a training costs in electricity: codecarbon's offline tracker around a block or under plain `fit`.

A figure is a counter's where the machine has one that may be read (RAPL, NVML, ...), else codecarbon's estimate from
the load and a rated power; `source` says which, part by part. Nothing is sent and nothing is written.
"""

import contextlib
import logging
import time

import keras

from zoo.arguments import checked, suggestion

SHORTEST = 0.1  # seconds; codecarbon does not sample again below half of that
COUNTERS = {
    "intel_rapl": "RAPL for the processor",
    "windows_emi": "the Windows energy meter for the processor",
    "intel_power_gadget": "Intel Power Gadget for the processor",
}


class _Quiet(logging.Filter):
    """Holds back codecarbon's messages, and keeps the exceptions that it only logs."""

    reason = None

    def filter(self, record):
        if self.reason is None and record.exc_info and record.exc_info[1]:
            self.reason = repr(record.exc_info[1])
        return False


class _Totals:
    """An output of codecarbon's that keeps the latest totals."""

    total = None

    def out(self, total, delta):
        self.total = total

    def live_out(self, total, delta):
        self.total = total

    def task_out(self, data, experiment_name):
        pass

    def exit(self):
        pass


class Used(dict):
    """What `energy` yields."""

    def __init__(self, so_far):
        super().__init__()
        self.so_far = so_far


class _Meter:
    """One measurement, from its construction to `stop`."""

    def __init__(self, country):
        from codecarbon import OfflineEmissionsTracker
        from codecarbon.input import DataSource

        countries = DataSource().get_global_energy_mix_data()
        self.country = country.upper()
        if self.country not in countries:
            raise ValueError(
                f"energy: `country` must be the ISO code of a country in three letters, as in FRA, got {country!r}."
                f"{suggestion(self.country, countries)}"
            )
        self.quiet, self.totals = _Quiet(), _Totals()
        log = logging.getLogger("codecarbon")
        log.addFilter(self.quiet)
        self.tracker = OfflineEmissionsTracker(
            country_iso_code=self.country,
            tracking_mode="process",  # the processor's load of this process and its children, not of the browser
            output_methods=[],
            output_handlers=[self.totals],
            emissions_endpoint=None,
            electricitymaps_api_token="",  # none, whatever the user's own configuration of codecarbon has: it is online
            api_call_interval=-1,
            allow_multiple_runs=True,
            log_level=log.level,
        )
        self.tracker.start()
        self.began = time.perf_counter()

    def read(self):
        """Totals since the start as codecarbon has them now; kWh and kg are None where it has none."""
        seconds = time.perf_counter() - self.began
        self.totals.total = None
        self.tracker.flush()
        return self._figures(seconds)

    def stop(self):
        """Ends the measurement; the result."""
        seconds = time.perf_counter() - self.began
        parts = getattr(self.tracker, "_hardware", [])
        self.totals.total = None
        self.tracker.stop()
        logging.getLogger("codecarbon").removeFilter(self.quiet)
        found = self._figures(seconds)
        if found["kWh"] is not None:
            source = _source(parts)
        elif seconds < SHORTEST:
            source = f"not measured: {seconds:.3f} s is too short for codecarbon"
        else:
            source = f"not measured: codecarbon gave no figure ({self.quiet.reason or 'no reason given'})"
        return {**found, "source": source, "country": self.country}

    def _figures(self, seconds):
        total = self.totals.total
        if total is None or seconds < SHORTEST or not total.energy_consumed > 0:
            return {"kWh": None, "kg_CO2eq": None, "seconds": seconds}
        return {"kWh": total.energy_consumed, "kg_CO2eq": total.emissions, "seconds": seconds}


def _source(parts):
    """Where the figures come from, part of the machine by part; it begins with `estimate` if the processor's is one."""
    counters, estimates = [], []
    for part in parts:
        kind, mode = type(part).__name__, getattr(part, "_mode", None)
        if kind == "GPU":
            counters.append("NVML or AMD SMI for the GPU, all processes")
        elif kind == "AppleSiliconChip":
            counters.append(f"powermetrics for the {part.chip_part}, all processes")
        elif kind == "Raspberry":
            counters.append(f"the power controller for the {part.chip_part}, all processes")
        elif mode in COUNTERS:
            counters.append(f"{COUNTERS[mode]}, all processes")
        elif kind == "CPU":
            basis = "its load and a" if mode == "cpu_load" else "half a"
            generic = " (a figure for any processor)" if getattr(part, "_is_generic_tdp", False) else ""
            estimates.insert(0, f"processor from {basis} rated power of {part._tdp:g} W{generic}")
        elif kind == "RAM":
            estimates.append("memory from its size")
        else:
            estimates.append(f"{kind} as codecarbon has it")
    told = [("estimate", estimates), ("counter", counters)]
    if not estimates or not estimates[0].startswith("processor"):
        told.reverse()
    return "; ".join(f"{how}: {', '.join(what)}" for how, what in told if what) or "codecarbon does not say"


@checked
@contextlib.contextmanager
def energy(country: str = "FRA"):
    """Measures the block under `with`.

    >>> with energy("CHE") as used:
    ...     model.fit(data)
    >>> used["kWh"]

    Args:
        country: where the electricity comes from, ISO 3166 in three letters; decides on kg_CO2eq.
    Yields:
        A dict that is filled when the block ends: kWh, kg_CO2eq, seconds, source (estimate, counter, or not measured;
        of what), country. kWh and kg_CO2eq are None where nothing could be measured. Starting the tracker does
        not count. Its `so_far()` is a dict of kWh, kg_CO2eq and seconds up to now.
    Raises:
        ValueError: if codecarbon knows no such country.

    Source: codecarbon, https://docs.codecarbon.io.
    """
    meter = _Meter(country)
    used = Used(meter.read)
    try:
        yield used
    finally:
        used.update(meter.stop())


class Energy(keras.callbacks.Callback):
    """Measures a training by plain `fit`: `model.fit(..., callbacks=[meter := Energy()])`, then `meter.result`.

    Args:
        country: where the electricity comes from, ISO 3166 in three letters; decides on kg_CO2eq.

    Attributes:
        result: as `energy` fills it, for the whole of the latest `fit`; None before its end.
        epochs: kWh, kg_CO2eq and seconds of each epoch, validation included; None where an epoch is shorter than a
            tenth of a second, whose energy then counts to the next.

    Raises:
        ValueError: if codecarbon knows no such country; when `fit` starts.
    """

    @checked
    def __init__(self, country: str = "FRA"):
        super().__init__()
        self.country, self.result, self.epochs, self._meter = country, None, [], None

    def on_train_begin(self, logs=None):
        if self._meter:  # a fit that an exception ended
            self._meter.stop()
        self.result, self.epochs = None, []
        self._meter = _Meter(self.country)
        self._ended, self._counted = 0.0, {"kWh": 0.0, "kg_CO2eq": 0.0, "seconds": 0.0}

    def on_epoch_end(self, epoch, logs=None):
        now, before = self._meter.read(), self._counted
        spent = {"kWh": None, "kg_CO2eq": None, "seconds": now["seconds"] - self._ended}
        self._ended = now["seconds"]
        if now["kWh"] is not None and now["seconds"] - before["seconds"] >= SHORTEST:
            spent.update(kWh=now["kWh"] - before["kWh"], kg_CO2eq=now["kg_CO2eq"] - before["kg_CO2eq"])
            self._counted = now
        self.epochs.append(spent)

    def on_train_end(self, logs=None):
        self.result = self._meter.stop()
        self._meter = None
