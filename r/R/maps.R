#' Maps
#'
#' `predict()` of a fit for a `SpatRaster` of the package terra writes a GeoTIFF on the same grid, in constant memory for
#' rasters of any size, and returns it. A fit of [zoo_fit_raster()] predicts with overlapping tiles; a fit of [zoo_fit()]
#' on a table predicts each cell from the layers that have the names of its columns.
#'
#' CRS, extent and resolution are those of the raster. A cell that is `NA` in a layer is `NA` in the map, unless the fit
#' imputes. Classes are codes from 0 with a table of categories and their names, which terra and QGIS show; layers that
#' are factors are categories of the model. A `SpatRaster` that is not one whole file, such as a crop, is written to a
#' temporary file first.
#'
#' @param object a fit.
#' @param newdata a `SpatRaster`.
#' @param filename the GeoTIFF to write; `NULL` is a temporary file.
#' @param type `"response"` or `"class"` (a layer of classes or of numbers), `"prob"` (a layer for each class), or
#'   `"interval"` (the layers fit, lwr and upr, for numbers).
#' @param overwrite whether to replace `filename`.
#' @param ... for fits of [zoo_fit_raster()] arguments of Python's `predict_raster`: `tile`, `overlap`, `blend`,
#'   `batch_size`.
#' @return A `SpatRaster` of the file.
#' @examplesIf fieldzoo:::can_run() && requireNamespace("terra", quietly = TRUE)
#' elevation <- terra::rast(system.file("ex/elev.tif", package = "terra"))
#' cells <- terra::spatSample(elevation, 200, na.rm = TRUE, xy = TRUE)
#' cells$warm <- factor(ifelse(cells$elevation + rnorm(200, sd = 20) < 350, "warm", "cool"))
#' fit <- zoo_fit(warm ~ elevation, cells, epochs = 5, baselines = FALSE, accelerate = "off", verbose = FALSE)
#' map <- predict(fit, elevation, filename = tempfile(fileext = ".tif"))
#' terra::plot(map)
#' @name predict_raster
NULL

predict_map <- function(fit, raster, filename, type, overwrite = FALSE, ...) {
  needs_package("terra", "A map")
  filename <- if (is.null(filename)) tempfile(fileext = ".tif") else path.expand(filename)
  if (file.exists(filename) && !overwrite) {
    stop(filename, " exists: overwrite = TRUE replaces it.", call. = FALSE)
  }
  if (identical(fit$kind, "table")) {
    return(predict_cells(fit, raster, filename, type))
  }
  if (type == "interval") {
    stop("`type` must be \"response\", \"class\" or \"prob\" for a map of classes, got \"interval\".", call. = FALSE)
  }
  run <- run_of(fit)
  source <- raster_file(raster, run$schema$dtype)
  call_python(recipes()$predict_raster(run, source, filename, probabilities = type == "prob", verbose = FALSE, ...))
  if (type != "prob") {
    write_category_names(filename, fit_classes(fit))
  }
  map <- terra::rast(filename)
  names(map) <- if (type == "prob") fit_classes(fit) else "class"
  map
}

# Returns the path of the file that a SpatRaster is, or of a temporary one with its values.
raster_file <- function(raster, dtype = "float32") {
  source <- terra::sources(raster)
  source <- source[source != ""]
  if (length(source) == 1 && file.exists(source)) {
    file <- terra::rast(source)
    if (terra::nlyr(file) == terra::nlyr(raster) && terra::compareGeom(file, raster, stopOnError = FALSE)) {
      return(source)
    }
  }
  types <- c(uint8 = "INT1U", uint16 = "INT2U", int16 = "INT2S", int32 = "INT4S", float32 = "FLT4S")
  type <- if (dtype %in% names(types)) types[[dtype]] else "FLT4S"
  path <- tempfile(fileext = ".tif")
  has_gaps <- type == "INT1U" && any(terra::global(raster, "isNA")[[1]] > 0)
  if (has_gaps && any(terra::minmax(raster)[2, ] >= 255)) {
    type <- "INT2S"
  }
  terra::writeRaster(raster, path, datatype = type, NAflag = if (type == "INT1U" && has_gaps) 255 else NA)
  path
}

# Names the values from 0 of a raster of classes in FILE.aux.xml, where GDAL keeps them.
write_category_names <- function(filename, classes) {
  escape <- function(text) gsub("<", "&lt;", gsub("&", "&amp;", text, fixed = TRUE), fixed = TRUE)
  names <- paste0("      <Category>", escape(classes), "</Category>")
  writeLines(enc2utf8(c("<PAMDataset>", "  <PAMRasterBand band=\"1\">", "    <CategoryNames>", names,
                        "    </CategoryNames>", "  </PAMRasterBand>", "</PAMDataset>")),
             paste0(filename, ".aux.xml"), useBytes = TRUE)
}

# Writes the predictions of a fit on a table for the cells of a raster, block by block.
predict_cells <- function(fit, raster, filename, type) {
  check_type(fit, type)
  classes <- fit_classes(fit)
  is_class <- length(classes) > 0 && type %in% c("response", "class")
  layers <- if (is_class) "class" else if (type == "prob") classes else if (type == "interval" && length(classes)) classes
            else if (type == "interval") c("fit", "lwr", "upr") else fit_outputs(fit)
  if (type == "interval" && !length(classes) && length(fit_outputs(fit)) > 1) {
    stop("`type` \"interval\" maps one number, got a fit of ", length(fit_outputs(fit)), ".", call. = FALSE)
  }
  variables <- all.vars(stats::delete.response(fit$design$terms))
  check_variables(variables, as.data.frame(raster[1]), environment(fit$design$terms))
  out <- terra::rast(raster, nlyrs = length(layers))
  names(out) <- layers
  raster <- raster[[intersect(names(raster), variables)]]
  terra::readStart(raster)
  on.exit(terra::readStop(raster))
  datatype <- if (is_class) "INT1U" else "FLT4S"
  blocks <- terra::writeStart(out, filename, overwrite = TRUE, datatype = datatype, NAflag = if (is_class) 255 else NaN)
  for (i in seq_along(blocks$row)) {
    cells <- terra::readValues(raster, blocks$row[i], blocks$nrows[i], dataframe = TRUE)
    values <- matrix(NA_real_, nrow(cells), length(layers))
    rows <- if (fit$na_action == "impute") seq_len(nrow(cells)) else which(stats::complete.cases(cells))
    if (length(rows)) {
      predicted <- predict_table(fit, cells[rows, , drop = FALSE], type)
      values[rows, ] <- if (is_class) as.integer(predicted) - 1L else predicted
    }
    terra::writeValues(out, values, blocks$row[i], blocks$nrows[i])
  }
  terra::writeStop(out)
  if (is_class) {
    write_category_names(filename, classes)
  }
  map <- terra::rast(filename)
  names(map) <- layers
  map
}
