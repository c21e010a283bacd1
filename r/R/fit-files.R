#' Fit networks to photos, series and satellite images
#'
#' The data are read by Python, batch by batch, so a folder or an image may be larger than the memory.
#'
#' @param folder a folder with one folder of images per class, or with the folders train, val and test.
#' @param formula for a series `flow ~ .` or `flow ~ rain + flow`: the numbers to forecast, and the columns whose past is
#'   known; the dot is all numeric columns, the response among them. For an image `labels ~ .`, where `labels` is a
#'   `SpatRaster` of terra or the path of a file with the class of each pixel, on the same grid; the right side names
#'   bands.
#' @param data a data frame with a row per time (and group), or the path of a table.
#' @param time name of the column of times: `Date`, `POSIXct` or text that begins with the year.
#' @param window number of rows of the past in an example.
#' @param horizon number of steps to forecast.
#' @param group name of the column that names the series of each row.
#' @param image a `SpatRaster`, or the path of a file or folder.
#' @param tile side of the tiles that the image is cut into, in pixels.
#' @param model name of a network: for photos `"efficientnet_lite0"` with pretrained weights, or `"cnn"`; for series
#'   `"lstm"`, `"gru"`, `"tempcnn"`; for images `"unet"`.
#' @param task name of a task; for photos `NULL` is `"fine_tuning"` for networks with pretrained weights, else
#'   `"classification"`.
#' @param seed seed of the split, the weights and the order.
#' @param verbose whether to print progress.
#' @param ... settings of the task, the network and the reader, as [zoo_fit()] has them, such as `epochs`,
#'   `quantiles = c(0.1, 0.5, 0.9)` for the intervals of a forecast, `calendar = "day_of_year"`, or `input_shape`.
#' @return An object of class `fieldzoo`.
#' @examplesIf fieldzoo:::can_run()
#' river <- data.frame(day = as.Date("2020-01-01") + 0:299, flow = 10 + sin(0:299 / 9) + rnorm(300, sd = 0.1))
#' fit <- zoo_fit_series(flow ~ ., river, time = "day", window = 14, horizon = 3, units = 8, epochs = 3, verbose = FALSE)
#' predict(fit, river)
#' @name zoo_fit_files
NULL

#' @rdname zoo_fit_files
#' @export
zoo_fit_images <- function(folder, model = "efficientnet_lite0", task = NULL, seed = 0, verbose = interactive(), ...) {
  if (!is.character(folder) || !dir.exists(folder)) {
    stop("`folder` must be a folder with one folder of images per class, got ", format(folder)[1],
         ". An array of images is fitted by zoo_fit(list(x, y), model = \"cnn\").", call. = FALSE)
  }
  if (is.null(task)) {
    start_python()
    bundled <- names(zoo()$BUNDLED)
    task <- if (is.character(model) && model %in% bundled) "fine_tuning" else "classification"
  }
  zoo_fit(paste0("folder:", escape_source(folder)), model = model, task = task, seed = seed, verbose = verbose, ...)
}

# A path as the part of a source string, in which ? begins the options.
escape_source <- function(path) gsub("?", "%3F", normalizePath(path), fixed = TRUE)

#' @rdname zoo_fit_files
#' @export
zoo_fit_series <- function(formula, data, time, window, horizon = 1, group = NULL, model = "lstm", seed = 0,
                           verbose = interactive(), ...) {
  call <- match.call()
  settings <- list(...)
  if (is.character(data)) {
    source <- path.expand(data)
    data <- call_python(python_module("recipes.data.tables.table_files")$read_frame(source)[[1]])
  } else {
    data <- as_plain_table(data)
    source <- as_pandas(data)
  }
  check_formula(formula, data)
  if (!time %in% names(data)) {
    stop("`time` must name the column of times, got `", time, "`.", did_you_mean(time, names(data)), call. = FALSE)
  }
  for (side in list(formula[[2]], formula[[3]])) {
    if (!all(all.names(side) %in% c(names(data), ".", "+", "cbind"))) {
      stop("the formula of a series must have columns and + only, got ", deparse1(side), "; add transformed columns to ",
           "the data.", call. = FALSE)
    }
  }
  predictors <- all.vars(formula[[3]])
  reader <- list(time = time, target = as.list(all.vars(formula[[2]])), window = window, horizon = as.list(horizon))
  reader$group <- group
  if (!"." %in% predictors) {
    reader$columns <- as.list(predictors)
  }
  task <- if ("task" %in% names(settings)) settings$task else "forecasting"
  settings$task <- NULL
  trained <- train(source, "series", model, task, settings, reader, seed, verbose)
  arguments <- list(time = time, window = window, horizon = horizon, group = group, model = model, seed = seed,
                    verbose = verbose)
  new_fit(trained, call, c(arguments, settings), kind = "series", formula = formula)
}

#' @rdname zoo_fit_files
#' @export
zoo_fit_raster <- function(formula, image, tile = 128, model = "unet", seed = 0, verbose = interactive(), ...) {
  call <- match.call()
  if (length(formula) != 3) {
    stop("the formula must have the labels on its left side, such as labels ~ ., got ", deparse1(formula), ".",
         call. = FALSE)
  }
  labels <- eval(formula[[2]], environment(formula))
  settings <- list(...)
  reader <- list(tile = tile)
  if (inherits(labels, "SpatRaster")) {
    needs_package("terra", "A SpatRaster")
    categories <- terra::levels(labels)[[1]]
    if (is.data.frame(categories) && !"classes" %in% names(settings)) {
      reader$classes <- as.list(paste0(categories[[2]], "=", categories[[1]]))
    }
    labels <- raster_file(labels, if (terra::minmax(labels)[2, 1] < 255) "uint8" else "int32")
  }
  if (inherits(image, "SpatRaster")) {
    needs_package("terra", "A SpatRaster")
    image <- raster_file(image)
  }
  for (path in c(image, labels)) {
    if (!is.character(path) || !file.exists(path)) {
      stop("image and labels must be SpatRasters or paths of files, got ", format(path)[1], ".", call. = FALSE)
    }
  }
  reader$labels <- normalizePath(labels)
  bands <- all.vars(formula[[3]])
  if (!"." %in% bands) {
    reader$bands <- as.list(bands)
  }
  source <- paste0("raster:", escape_source(image))
  query <- paste0("labels=", utils::URLencode(reader$labels, reserved = TRUE))
  trained <- train(paste0(source, "?", query), "raster", model, "segmentation", settings,
                   reader[names(reader) != "labels"], seed, verbose)
  arguments <- list(tile = tile, model = model, seed = seed, verbose = verbose)
  new_fit(trained, call, c(arguments, settings), kind = "raster", formula = formula)
}
