#' Predictions
#'
#' Predicts for new data, whose columns are matched by name, in any order. A level that the training did not have is
#' named in a warning and has no effect on the prediction; a gap is an error, unless the fit imputes.
#'
#' @param object a fit.
#' @param newdata a data frame for a formula; an array; paths of images; a `SpatRaster` of terra, see
#'   [predict_raster]; the path of a table with the columns of the fit. Without it the data of the fit are predicted.
#' @param type `"response"` (the class as a factor, or the numbers), `"class"`, `"prob"` (a matrix of probabilities), or
#'   `"interval"`: for numbers `fit`, `lwr` and `upr`, between which the truth is in 90 percent of new examples that are like
#'   those of the training; for classes a logical matrix of the classes that are possible to that extent.
#'   [zoo_fit()] with `coverage = 0.95` changes the 90 percent.
#' @param filename for a raster, the file to write.
#' @param ... arguments of [predict_raster] for a raster.
#' @return A vector, factor or matrix, with the names of the rows where they have any.
#' @examplesIf fieldzoo:::can_run()
#' fit <- zoo_fit(mpg ~ wt + hp, mtcars, epochs = 10, baselines = FALSE, accelerate = "off", verbose = FALSE,
#'                validation = 0.4)
#' predict(fit, mtcars[1:3, ])
#' predict(fit, mtcars[1:3, ], type = "interval")
#' @export
predict.fieldzoo <- function(object, newdata, type = c("response", "class", "prob", "interval"), filename = NULL, ...) {
  if (length(type) == 1 && !type %in% c("response", "class", "prob", "interval")) {
    stop("`type` must be \"response\", \"class\", \"prob\" or \"interval\", got \"", type, "\".", call. = FALSE)
  }
  type <- match.arg(type)
  run <- run_of(object)
  if (missing(newdata)) {
    if (is.null(object$data)) {
      stop("`newdata` must be given: a fit of files or arrays keeps no data.", call. = FALSE)
    }
    newdata <- object$data
  }
  if (inherits(newdata, "SpatRaster")) {
    return(predict_map(object, newdata, filename, type, ...))
  }
  check_type(object, type)
  if (identical(object$kind, "table")) {
    return(predict_table(object, newdata, type))
  }
  format_predictions(object, predict_outputs(run, as_model_input(newdata), type, object), type)
}

# Rows of a table that are predicted in one call: memory of Python is constant for any number of rows.
CHUNK_ROWS <- 100000L

predict_table <- function(fit, newdata, type) {
  run <- run_of(fit)
  if (is.character(newdata)) {
    newdata <- call_python(python_module("recipes.data.tables.table_files")$read_frame(newdata)[[1]])
  }
  newdata <- as_plain_table(newdata, "newdata")
  if (!nrow(newdata)) {
    stop("`newdata` must have a row or more, got none.", call. = FALSE)
  }
  starts <- seq(1L, nrow(newdata), by = CHUNK_ROWS)
  predict_rows <- function(rows) {
    design <- apply_formula(fit$design, rows)
    outputs <- predict_outputs(run, as_pandas(design$inputs), type, fit)
    if (is.null(design$offset)) outputs else outputs + design$offset
  }
  parts <- lapply(starts, function(start) {
    stop <- min(start + CHUNK_ROWS - 1L, nrow(newdata))
    predict_rows(if (length(starts) == 1) newdata else newdata[start:stop, , drop = FALSE])
  })
  outputs <- if (length(parts) == 1) parts[[1]] else bind_rows(parts)
  format_predictions(fit, outputs, type, row_names(newdata))
}

# The names of rows, NULL where they are only numbers from 1.
row_names <- function(data) if (.row_names_info(data) > 0L) row.names(data)

bind_rows <- function(parts) {
  if (length(dim(parts[[1]])) == 2) {
    return(do.call(rbind, parts))
  }
  names <- dim(parts[[1]])[-1] # intervals: rows x outputs x 2
  flat <- do.call(rbind, lapply(parts, function(p) matrix(p, nrow = dim(p)[1])))
  array(flat, c(nrow(flat), names))
}

check_type <- function(fit, type) {
  task <- fit_task(fit)
  if (type %in% c("class", "prob") && !length(fit_classes(fit))) {
    stop("`type` must be \"response\" or \"interval\" for a ", task, ", which has no classes, got \"", type, "\".",
         call. = FALSE)
  }
  if (type == "interval" && !task %in% c("regression", "classification")) {
    stop("`type` \"interval\" is for classification and regression, got ", task,
         if (task == "forecasting") ": zoo_fit_series(..., quantiles = c(0.1, 0.5, 0.9)) predicts quantiles", ".",
         call. = FALSE)
  }
}

as_model_input <- function(newdata) {
  if (is.data.frame(newdata)) as_pandas(as_plain_table(newdata, "newdata"))
  else if (is.character(newdata)) as.list(path.expand(newdata))
  else newdata
}

# Returns what the run predicts: (N, classes), (N, outputs), or (N, outputs, 2) for intervals.
predict_outputs <- function(run, inputs, type, fit) {
  call_python(
    if (type != "interval") run$predict(inputs)
    else if (is_class_fit(fit)) run$predict_set(inputs)
    else run$predict_interval(inputs)
  )
}

# Returns predictions in the form of a type, with the names of the rows.
format_predictions <- function(fit, outputs, type, rows = NULL) {
  classes <- fit_classes(fit)
  if (length(dim(outputs)) < 2 || is.data.frame(outputs)) {
    return(outputs)
  }
  if (length(dim(outputs)) == 3 && type == "interval") {
    return(format_intervals(fit, outputs, rows))
  }
  if (length(dim(outputs)) > 2) {
    return(outputs) # a class for every pixel and the like
  }
  if (length(classes) && fit_task(fit) %in% c("classification", "multilabel")) {
    if (type %in% c("prob", "interval") || fit_task(fit) == "multilabel") {
      dimnames(outputs) <- list(rows, classes)
      return(outputs)
    }
    predicted <- factor(classes[max.col(outputs, ties.method = "first")], levels = classes)
    return(if (is.null(rows)) predicted else setNames(predicted, rows))
  }
  names <- fit_outputs(fit)
  if (ncol(outputs) == 1) {
    return(setNames(outputs[, 1], rows))
  }
  dimnames(outputs) <- list(rows, if (length(names) == ncol(outputs)) names)
  outputs
}

format_intervals <- function(fit, outputs, rows) {
  names <- fit_outputs(fit)
  middle <- function(i) (outputs[, i, 1] + outputs[, i, 2]) / 2
  columns <- lapply(seq_len(dim(outputs)[2]), function(i) {
    interval <- cbind(fit = middle(i), lwr = outputs[, i, 1], upr = outputs[, i, 2])
    if (length(names) > 1) {
      colnames(interval) <- paste(names[i], colnames(interval))
    }
    interval
  })
  result <- do.call(cbind, columns)
  rownames(result) <- rows
  result
}

#' @rdname methods-fieldzoo
#' @export
fitted.fieldzoo <- function(object, split = "all", ...) {
  require_table(object, "fitted()")
  select_rows(object, predict_used(object, "response"), split)
}

#' @rdname methods-fieldzoo
#' @export
residuals.fieldzoo <- function(object, split = "all", ...) {
  require_table(object, "residuals()")
  response <- response_of(object)
  if (is_class_fit(object)) {
    observed <- outer(as.character(response[[1]]), fit_classes(object), "==") * 1
    values <- observed - predict_used(object, "prob")
  } else {
    predicted <- predict_used(object, "response")
    values <- if (length(response) == 1) response[[1]] - predicted else as.matrix(response) - predicted
  }
  select_rows(object, values, split)
}

#' Split of each row
#'
#' @param fit a fit of [zoo_fit()] on a data frame.
#' @return A factor with the levels train, validation and test, in the order of the rows of the data; `NA` for rows with
#'   gaps that were left out.
#' @examplesIf fieldzoo:::can_run()
#' fit <- zoo_fit(mpg ~ wt, mtcars, epochs = 2, baselines = FALSE, accelerate = "off", verbose = FALSE)
#' table(zoo_split(fit))
#' @export
zoo_split <- function(fit) {
  require_table(fit, "zoo_split()")
  splits <- c("train", "validation", "test")
  run <- run_of(fit)
  result <- factor(rep(NA, nrow(fit$data)), levels = splits)
  for (split in splits) {
    result[as.integer(split_names(run, split))] <- split
  }
  setNames(result, fit$row_names)
}

require_table <- function(fit, what) {
  run_of(fit)
  if (!identical(fit$kind, "table")) {
    stop(what, " needs a fit of a formula and a data frame.", call. = FALSE)
  }
}

response_of <- function(fit) {
  frame <- evaluate_terms(fit$design$terms, fit$data)
  suppressMessages(response_columns(stats::model.response(frame), deparse1(fit$formula[[2]])))
}

# Predictions for the rows of the data that the fit used, NA for the others.
predict_used <- function(fit, type) {
  used <- which(!is.na(zoo_split(fit)))
  if (length(used) == nrow(fit$data)) {
    return(suppressWarnings(predict(fit, fit$data, type = type)))
  }
  predicted <- suppressWarnings(predict(fit, fit$data[used, , drop = FALSE], type = type))
  index <- rep(NA_integer_, nrow(fit$data))
  index[used] <- seq_along(used)
  if (is.matrix(predicted)) {
    predicted <- predicted[index, , drop = FALSE]
    rownames(predicted) <- fit$row_names
    predicted
  } else {
    setNames(predicted[index], fit$row_names)
  }
}

# Rows of a split; na.omit leaves out the rows with gaps, na.exclude keeps them as NA.
select_rows <- function(fit, values, split) {
  splits <- zoo_split(fit)
  if (!split %in% c("all", levels(splits))) {
    stop("`split` must be \"all\", \"train\", \"validation\" or \"test\", got \"", split, "\".", call. = FALSE)
  }
  rows <- if (split != "all") which(splits == split) else if (fit$na_action == "omit") which(!is.na(splits)) else TRUE
  if (is.matrix(values)) values[rows, , drop = FALSE] else values[rows]
}
