#' Results as tidy tables
#'
#' Methods of the generics of broom: `glance()` has one row with the metrics, `tidy()` a row per predictor with its
#' average effect, and `augment()` the data with predictions, residuals and the split of each row.
#'
#' @param x a fit of [zoo_fit()] on a data frame.
#' @param data the data of the fit.
#' @param newdata new data; predictions only.
#' @param interval `"prediction"` adds the columns `.lower` and `.upper`.
#' @param ... arguments of [zoo_effects()] for `tidy()`; else not used.
#' @return A tibble where tibble is installed, else a data frame.
#' @examplesIf fieldzoo:::can_run() && requireNamespace("generics", quietly = TRUE)
#' fit <- zoo_fit(mpg ~ wt + hp, mtcars, epochs = 10, baselines = FALSE, accelerate = "off", verbose = FALSE)
#' generics::glance(fit)
#' generics::tidy(fit, variables = "wt")
#' head(generics::augment(fit))
#' @name broom
NULL

as_result <- function(table) {
  if (requireNamespace("tibble", quietly = TRUE)) tibble::as_tibble(table) else table
}

#' @rdname broom
#' @exportS3Method generics::tidy
tidy.fieldzoo <- function(x, ...) {
  effects <- as.data.frame(unclass(zoo_effects(x, ...)))
  names <- c(variable = "term", effect = "estimate", std_error = "std.error", p_value = "p.value")
  names(effects) <- ifelse(names(effects) %in% names(names), names[names(effects)], names(effects))
  as_result(effects)
}

#' @rdname broom
#' @exportS3Method generics::glance
glance.fieldzoo <- function(x, ...) {
  split <- judged_split(x)
  metrics <- metrics_of(x, split)
  values <- metric_table(metrics)
  record <- run_of(x)$record
  as_result(data.frame(model = x$settings$model, task = x$settings$task, split = split,
                       as.list(setNames(values$value, values$metric)), nobs = nobs(x),
                       parameters = parameter_count(run_of(x)), epochs = record$epochs_trained,
                       seconds = record$seconds))
}

#' @rdname broom
#' @exportS3Method generics::augment
augment.fieldzoo <- function(x, data = x$data, newdata = NULL, interval = c("none", "prediction"), ...) {
  require_table(x, "augment()")
  interval <- match.arg(interval)
  table <- if (is.null(newdata)) data else as_plain_table(newdata, "newdata")
  is_new <- !is.null(newdata)
  of_type <- function(type) if (is_new) predict(x, table, type = type) else predict_used(x, type)
  result <- table
  names <- row_names(table)
  if (!is.null(names) && is.character(attr(table, "row.names"))) {
    result <- cbind(.rownames = names, result)
  }
  fitted <- of_type("response")
  if (is.matrix(fitted)) {
    result[paste0(".fitted_", colnames(fitted))] <- as.data.frame(fitted)
  } else {
    result$.fitted <- unname(fitted)
  }
  if (is_class_fit(x)) {
    probabilities <- of_type("prob")
    result[paste0(".prob_", colnames(probabilities))] <- as.data.frame(probabilities)
  } else if (!is_new && !is.matrix(fitted)) {
    result$.resid <- unname(response_of(x)[[1]] - fitted)
  }
  if (interval == "prediction") {
    bounds <- of_type("interval")
    if (is_class_fit(x) || is.matrix(fitted)) {
      result[paste0(".set_", colnames(bounds))] <- as.data.frame(bounds)
    } else {
      result$.lower <- unname(bounds[, "lwr"])
      result$.upper <- unname(bounds[, "upr"])
    }
  }
  if (!is_new) {
    result$.split <- unname(zoo_split(x))
  }
  rownames(result) <- NULL
  as_result(result)
}
