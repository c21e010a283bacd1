"""Presto's bands: their order, their groups, and how raw numbers become what the model takes."""

import keras
from keras import layers, ops

# The released order; Sentinel-2 without B1, B9 and B10
BANDS = (
    *("VV", "VH"),  # Sentinel-1 [dB]
    *("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"),  # Sentinel-2 [reflectance x 10,000]
    *("temperature_2m", "total_precipitation"),  # ERA5 [K, m]
    *("elevation", "slope"),  # SRTM [m, degrees]
    "NDVI",
)
# What becomes one token a month; SRTM, which does not change, one in all
GROUPS = {
    "s1": ("VV", "VH"),
    "s2_rgb": ("B2", "B3", "B4"),
    "s2_red_edge": ("B5", "B6", "B7"),
    "s2_nir_10m": ("B8",),
    "s2_nir_20m": ("B8A",),
    "s2_swir": ("B11", "B12"),
    "era5": ("temperature_2m", "total_precipitation"),
    "srtm": ("elevation", "slope"),
    "ndvi": ("NDVI",),
}
# The model takes (raw + shift) / divisor; 272.15 is the authors' number, and not the melting point of ice
SHIFT = (25.0, 25.0, *[0.0] * 10, -272.15, 0.0, 0.0, 0.0, 0.0)
DIVISOR = (25.0, 25.0, *[1e4] * 10, 35.0, 0.03, 2000.0, 50.0, 1.0)


@keras.saving.register_keras_serializable("zoo")
class PrestoBands(layers.Layer):
    """Scales raw bands as Presto was trained, and computes NDVI from B8 and B4, whatever stands in its place.

    (..., len(bands)) float, raw  ->  (..., len(bands)) float32.

    The numbers travel in the saved model's config.

    Args:
        bands: the bands' names in their order, with B4, B8 and NDVI among them.
        shift: what is added to each band.
        divisor: what each band is divided by after that.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if the three differ in length, or B4, B8 or NDVI is missing.

    Source: Tseng et al. 2023, https://arxiv.org/abs/2304.14065, and its code, https://github.com/nasaharvest/presto.
    """

    def __init__(self, bands=BANDS, shift=SHIFT, divisor=DIVISOR, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})  # bfloat16 would round temperatures to 2 K
        self.bands, self.shift, self.divisor = tuple(bands), tuple(shift), tuple(divisor)
        if not len(self.bands) == len(self.shift) == len(self.divisor):
            told = f"{len(self.bands)}, {len(self.shift)} and {len(self.divisor)}"
            raise ValueError(f"PrestoBands: `bands`, `shift` and `divisor` must be equally long, got {told}.")
        if missing := {"B4", "B8", "NDVI"} - {*self.bands}:
            raise ValueError(f"PrestoBands: `bands` must have B4, B8 and NDVI, and lacks {', '.join(sorted(missing))}.")

    def call(self, x):
        x = (x + ops.convert_to_tensor(self.shift, x.dtype)) / ops.convert_to_tensor(self.divisor, x.dtype)
        red, infrared, place = (self.bands.index(band) for band in ("B4", "B8", "NDVI"))
        total = x[..., infrared] + x[..., red]
        ndvi = ops.where(total > 0, (x[..., infrared] - x[..., red]) / ops.where(total > 0, total, 1.0), 0.0)
        return ops.concatenate([x[..., :place], ndvi[..., None], x[..., place + 1 :]], axis=-1)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "bands": self.bands, "shift": self.shift, "divisor": self.divisor}
