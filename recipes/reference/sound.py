"""Reference recipes of sound: spoken digits, with the customary split and with one speaker left out."""

from recipes.tasks.sound_classification import SoundClassification

SPECTROGRAM = {"bands": 40, "hop": 0.016}
TASK = SoundClassification(
    epochs=30,
    batch_size=64,
    learning_rate=4e-3,
    augment=("time_shift:0.1", "gain:6", "spec_augment:0.1"),
    spectrogram=SPECTROGRAM,
)
CNN = {"pooling": "time", "backbone_arguments": {"filters": (32, 64, 128), "convolutions": 1, "dropout": 0.0}}

SOUND = {  # name -> fields of ReferenceRecipe
    "cnn_digits": (TASK, "spectrogram_classifier", "spoken_digits:customary", CNN),
    # Theo's recordings are the test split, and nobody hears him in training
    "cnn_digits_theo": (TASK, "spectrogram_classifier", "spoken_digits:theo", CNN),
}
