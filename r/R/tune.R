#' Choose settings
#'
#' Trains a fit again with each combination of settings, and returns the one with the lowest loss on the validation split.
#' The test split is not used, so it still says how good the result is.
#'
#' @param fit a fit of [zoo_fit()].
#' @param ... settings, each with the values to try: a vector, or a list where a value has several numbers, such as
#'   `learning_rate = c(0.001, 0.01), units = list(64, c(64, 64))`.
#' @return The best fit, with a data frame `$tuning` of all combinations and their loss.
#' @examplesIf fieldzoo:::can_run()
#' fit <- zoo_fit(mpg ~ wt + hp, mtcars, epochs = 10, baselines = FALSE, accelerate = "off", verbose = FALSE)
#' best <- zoo_tune(fit, learning_rate = c(0.001, 0.01))
#' best$tuning
#' @export
zoo_tune <- function(fit, ...) {
  run_of(fit)
  choices <- list(...)
  if (!length(choices)) {
    stop("zoo_tune() needs a setting or more with values to try, such as learning_rate = c(0.001, 0.01).", call. = FALSE)
  }
  check_names(choices)
  grid <- expand.grid(lapply(choices, seq_along))
  best <- NULL
  losses <- numeric(nrow(grid))
  for (i in seq_len(nrow(grid))) {
    settings <- Map(function(values, index) values[[index]], choices, grid[i, ])
    tried <- suppressWarnings(suppressMessages(do.call(update, c(list(fit), settings))))
    history <- call_python(run_of(tried)$data_frame("history"))
    if (is.null(history$val_loss)) {
      stop("zoo_tune() needs a validation split: validation = 0.15.", call. = FALSE)
    }
    losses[i] <- history$val_loss[nrow(history)]
    if (is.null(best) || losses[i] < min(losses[seq_len(i - 1)])) {
      best <- tried
    }
  }
  text <- function(value) paste(format(value), collapse = ", ")
  shown <- Map(function(values, index) vapply(values[index], text, ""), choices, grid)
  best$tuning <- data.frame(shown, validation_loss = losses)
  best
}
