"""A new image for a trained model, read in the bands and the depth of the training images."""

from recipes.data.images.image_decoding import DARK, FIRST_OF_SEVERAL, read_image
from recipes.data.images.image_files import fit_image, read_pixels
from recipes.data.images.tiff_images import ALPHA_AS_BAND, COLORS_ORDERED
from recipes.data.rasters.geotiff import alpha_notes, open_raster, raster_info, read_window
from zoo.inputs import match_bands

TIFF_SUFFIXES = (".tif", ".tiff")
RASTER_ONLY = (".vrt", ".jp2", ".img")  # formats of rasters that are no image files


def read_image_for(schema, path, notes=None):
    """Returns the pixels (H, W, C) of an image file in the bands and the depth of the training images.

    Args:
        schema: `InputSchema` of the trained model.
        path: of the file.
        notes: list that sentences on its bands are added to, or None.
    Raises:
        ValueError: naming the file, if it cannot be read, or its bands or depth differ.
    """
    if path.suffix.lower() in RASTER_ONLY or any(band.number for band in schema.bands):
        pixels = read_bands(path, schema, notes)
    elif path.suffix.lower() == ".npy":
        pixels = read_pixels(path)
    else:
        return _read_photo(schema, path, notes)
    if pixels.shape[-1] != schema.shape[-1] or pixels.dtype.name != schema.dtype:
        raise ValueError(
            f"the image must have {schema.shape[-1]} bands of {schema.dtype}, as in training, got {pixels.shape[-1]} "
            f"of {pixels.dtype.name} in {path}."
        )
    return pixels


def _read_photo(schema, path, notes):
    image = read_image(path)
    if notes is not None:
        notes += [f"{path}: read {conversion}" for conversion in image.conversions if conversion in FIRST_OF_SEVERAL]
        notes += [f"{path}: {conversion}" for conversion in image.conversions if conversion.endswith(ALPHA_AS_BAND)]
        if image.pixels.dtype == "uint16" and schema.dtype == "uint8" and image.pixels.max() < DARK:
            notes.append(f"{path}: the 16-bit image is dark, as its largest value is below {DARK:,} of 65,535")
        if not schema.band_names and schema.shape[-1] == 3 and image.colors not in ((), (0, 1, 2)):
            notes.append(f"{path}: {COLORS_ORDERED}")
    if schema.band_names:
        is_raster = path.suffix.lower() in TIFF_SUFFIXES and not image.is_photo
        names = raster_info(path, caller="predict").descriptions if is_raster else ("",) * image.pixels.shape[-1]
        numbers, of_bands = match_bands(schema, names, path)
        if notes is not None:
            notes += of_bands
        image = image._replace(pixels=image.pixels[..., [n - 1 for n in numbers]], bands=schema.band_names)
    return fit_image(image, path, schema.shape[-1], schema.dtype, schema.band_names, schema.missing == "pad")


def read_bands(path, schema, notes=None):
    """Returns the pixels (H, W, C) of a raster, in the bands that the model was trained on."""
    raster = raster_info(path, caller="predict")
    numbers, of_bands = match_bands(schema, raster.descriptions, path)
    if notes is not None:
        notes += of_bands
    raster = raster_info(path, numbers, caller="predict")
    if notes is not None:
        notes += alpha_notes(raster, "predict")
    with open_raster(path, caller="predict") as file:
        return read_window(file, raster, 0, 0, raster.height, raster.width)[0]
