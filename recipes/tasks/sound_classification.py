"""Classification of sound: calls of species, spoken words, or several labels per clip."""

import inspect

from recipes.data.augment.sound_steps import SoundAugmentation, parse_sound_step
from recipes.tasks.classification import Classification
from recipes.training.task import task
from zoo.arguments import Whole
from zoo.registry import entry


@task
class SoundClassification(Classification):
    """One class of two or more, or several labels, for each clip of sound.

    As `Classification`, for data of kind sound. The model is one of `zoo.names("sound")`, or an image classifier of
    `zoo.names("classify")`, which is put on the spectrogram by `zoo.spectrogram_classifier`. The baselines are fitted
    to the means of the mel-frequency cepstral coefficients (MFCC) over time.

    Args:
        spectrogram: arguments of `zoo.layers.Spectrogram`: bands, window and hop [s], low and high [Hz], compression;
            None for the model's own.
        augment: time_shift (fraction of the clip), gain (dB), noise (signal-to-noise ratio in dB), mixup, overlay (for
            several labels) and spec_augment, each with an amount as in "noise:20" or without.
        report_examples: number of held-out examples in the robustness section, which is measured on the samples; 0
            skips it.
        **kwargs: as `Classification` has them.
    """

    spectrogram: dict | None = None
    report_examples: Whole = 0

    def __post_init__(self):
        for step in self.augment:
            parse_sound_step(step)

    def check_data(self, data):
        """Raises a ValueError if the data are no labelled sound."""
        super().check_data(data)
        if data.kind != "sound":
            raise ValueError(
                f"{type(self).__name__}: `data` must be sound, got {data.name} of kind {data.kind}; train it with "
                "Classification. Recordings are read by sound:PATH."
            )
        names = [parse_sound_step(step)[0] for step in self.augment]
        if "overlay" in names and data.task != "multilabel":
            raise ValueError("`augment` must be without overlay for one label per clip, got overlay; use mixup.")

    def build_model(self, model, data, **arguments):
        """Returns a new model; an image classifier is put on the spectrogram."""
        if isinstance(model, str) and entry(model).task == "classify":
            model, arguments = "spectrogram_classifier", {"backbone": model, **arguments}
        return super().build_model(model, data, **arguments)

    def head_arguments(self, name, data):
        """Returns the classes and the activation, and the sample rate and the spectrogram where the model has one."""
        if entry(name).task != "sound":
            raise ValueError(
                f"`model` must be one of zoo.names('sound') or zoo.names('classify'), got {name} ({entry(name).task})."
            )
        arguments = super().head_arguments(name, data)
        accepted = inspect.signature(entry(name).build).parameters
        steps = dict(parse_sound_step(step) for step in self.augment)
        options = {"spectrogram": self.spectrogram, "spec_augment": steps.get("spec_augment")}
        for option, value in options.items():
            if value is not None and option not in accepted:
                raise ValueError(f"`{option}` must be unset for {name}, which has no spectrogram.")
        arguments |= {option: value for option, value in options.items() if value is not None}
        return (
            {**arguments, "sample_rate": data.sound_options["sample_rate"]} if "sample_rate" in accepted else arguments
        )

    def check_model(self, model, data):
        """Raises a ValueError if the model's output or its sample rate does not fit the data."""
        super().check_model(model, data)
        rate = data.sound_options["sample_rate"]
        for layer in model.layers:
            stated = getattr(layer, "sample_rate", rate)
            if stated != rate:
                raise ValueError(f"`model` must be for sound at {rate} Hz, got {model.name} with {stated} Hz.")

    def augmentation(self, preprocessing, classes):
        """Returns the random changes of sounds, or None."""
        augmentation = SoundAugmentation(self.augment, self.seed, classes or None)
        return augmentation if augmentation.plan else None

    def preprocessing(self, data, model):
        """Returns the `keras.Model` that takes clips of the data."""
        if model.input_shape[1:] != tuple(data.shape):
            raise ValueError(
                f"`model` must take clips of {data.shape} (samples, channels), got {model.name} for "
                f"{model.input_shape[1:]}."
            )
        return super().preprocessing(data, model)

    def attribution_figures(self, run, split):
        """Returns spectrograms with what mattered in time and frequency, and players of the mistakes."""
        from recipes.reports.sound_figures import attribution_figures

        return attribution_figures(run, split)
