"""Models of sound: samples of a clip (N, C) -> (classes,); most of them begin with a spectrogram."""
