"""Presto's bands: their order, their groups and their scaling."""

import keras
from keras import layers, ops

# The order of the released model; Sentinel-2 without B1, B9 and B10
BANDS = (
    *("VV", "VH"),  # Sentinel-1 [dB]
    *("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"),  # Sentinel-2 [reflectance x 10,000]
    *("temperature_2m", "total_precipitation"),  # ERA5 [K, m]
    *("elevation", "slope"),  # SRTM [m, degrees]
    "NDVI",
)
# Each group is one token per month. SRTM does not change in time and is one token in total.
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
# The model takes (raw + shift) / divisor. 272.15 is the authors' number, not the melting point of ice (273.15).
SHIFT = (25.0, 25.0, *[0.0] * 10, -272.15, 0.0, 0.0, 0.0, 0.0)
DIVISOR = (25.0, 25.0, *[1e4] * 10, 35.0, 0.03, 2000.0, 50.0, 1.0)


@keras.saving.register_keras_serializable("zoo")
class PrestoBands(layers.Layer):
    """Scales raw bands as in Presto's training, and replaces the band NDVI by the NDVI of B8 and B4.

    (..., len(bands)) float, raw  ->  (..., len(bands)) float32.

    The scaling is saved in the model's config.

    Args:
        bands: names of the bands in their order, including B4, B8 and NDVI.
        shift: number that is added to each band.
        divisor: number that each shifted band is divided by.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if the three differ in length, or B4, B8 or NDVI is missing.

    Source: Tseng et al. 2023, https://arxiv.org/abs/2304.14065, and its code, https://github.com/nasaharvest/presto.
    """

    def __init__(self, bands=BANDS, shift=SHIFT, divisor=DIVISOR, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})  # bfloat16 would round temperatures to 2 K
        self.bands, self.shift, self.divisor = tuple(bands), tuple(shift), tuple(divisor)
        if not len(self.bands) == len(self.shift) == len(self.divisor):
            lengths = f"{len(self.bands)}, {len(self.shift)} and {len(self.divisor)}"
            raise ValueError(f"PrestoBands: `bands`, `shift` and `divisor` must have equal lengths, got {lengths}.")
        if missing := {"B4", "B8", "NDVI"} - {*self.bands}:
            raise ValueError(f"PrestoBands: `bands` must have B4, B8 and NDVI, missing {', '.join(sorted(missing))}.")

    def call(self, x):
        x = (x + ops.convert_to_tensor(self.shift, x.dtype)) / ops.convert_to_tensor(self.divisor, x.dtype)
        red, infrared, index = (self.bands.index(band) for band in ("B4", "B8", "NDVI"))
        total = x[..., infrared] + x[..., red]
        ndvi = ops.where(total > 0, (x[..., infrared] - x[..., red]) / ops.where(total > 0, total, 1.0), 0.0)
        return ops.concatenate([x[..., :index], ndvi[..., None], x[..., index + 1 :]], axis=-1)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "bands": self.bands, "shift": self.shift, "divisor": self.divisor}
