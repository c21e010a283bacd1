#' Methods of fitted networks
#'
#' What `summary()`, `plot()` and the other functions of R do with a fit of [zoo_fit()].
#'
#' `summary()` has the metrics of the test split with 95 percent intervals where they have one, the baselines, the coverage of
#' the intervals, and time and energy. `fitted()` and `residuals()` are in the order of the rows of the data and have
#' their names; they cover all rows, of which [zoo_split()] says the split: only those of the test split say how good the
#' network is for new data. Residuals of a classification are the matrix of 0 and 1 for the observed class minus the
#' probabilities, as in `nnet::multinom()`. `anova()` compares the first fit with each other one on the same test split.
#' `coef()` is refused, as the weights of a network have no meaning each.
#'
#' @param object,x,formula a fit of class `fieldzoo`.
#' @param ... further fits for `anova()`; changed arguments for `update()`; else not used.
#' @param split `"test"`, `"validation"` or `"train"`; for `fitted()` and `residuals()` also `"all"`.
#' @param formula. changed formula for `update()`, as [stats::update.formula()] has it.
#' @return `summary()` a list of class `summary.fieldzoo`; `fitted()` and `residuals()` a vector, factor or matrix;
#'   `anova()` a data frame with a row per fit.
#' @examplesIf fieldzoo:::can_run()
#' fit <- zoo_fit(Species ~ ., iris, epochs = 5, learning_rate = 0.01, accelerate = "off", verbose = FALSE)
#' summary(fit)
#' table(fitted(fit), iris$Species)
#' wider <- update(fit, units = c(64, 64), baselines = FALSE)
#' anova(fit, wider)
#' @name methods-fieldzoo
NULL

# Returns the Python run of a fit, or an error that says how to save fits.
run_of <- function(fit) {
  if (!inherits(fit, "fieldzoo")) {
    stop("this must be a fit of zoo_fit(), got ", class(fit)[1], ".", call. = FALSE)
  }
  if (is_empty_pointer(fit$run)) {
    stop("this fit was read by readRDS() or load(), which cannot keep a network. Save fits by zoo_save(fit, \"folder\") ",
         "and read them by zoo_load(\"folder\"); this one must be fitted again: update(fit) does it where the data are.",
         call. = FALSE)
  }
  fit$run
}

is_python <- function(object) inherits(object, "python.builtin.object")

is_empty_pointer <- function(object) !is_python(object) || reticulate::py_is_null_xptr(object)

fit_task <- function(fit) run_of(fit)$data_record$task
fit_classes <- function(fit) as.character(unlist(run_of(fit)$classes))
fit_outputs <- function(fit) as.character(unlist(run_of(fit)$data_record$outputs))
is_class_fit <- function(fit) fit_task(fit) == "classification"
is_regression_fit <- function(fit) fit_task(fit) == "regression"

metrics_of <- function(fit, split) {
  call_python(run_of(fit)$evaluate(split))
}

# The split that says how good a network is: the test split, or the validation split where there is none.
judged_split <- function(fit) {
  data <- run_of(fit)$data
  if (reticulate::py_len(data$test)) "test" else "validation"
}

#' @rdname methods-fieldzoo
#' @export
print.fieldzoo <- function(x, ...) {
  run <- run_of(x)
  cat("Network ", x$settings$model, ", ", x$settings$task, sep = "")
  if (!is.null(x$formula)) {
    cat(":", deparse1(x$formula))
  }
  cat("\n", fit_sizes(run), "\n", sep = "")
  cat(verdict_sentence(x), "\n", sep = "")
  invisible(x)
}

fit_sizes <- function(run) {
  counts <- vapply(c("train", "validation", "test"), function(split) reticulate::py_len(run$data[[split]]), 1)
  sprintf("%s training, %s validation, %s test examples; %s parameters",
          format(counts[1], big.mark = ","), format(counts[2], big.mark = ","), format(counts[3], big.mark = ","),
          format(parameter_count(run), big.mark = ","))
}

parameter_count <- function(run) zoo()$parameters(run$model)[[1]]

verdict_sentence <- function(fit) {
  verdict <- metrics_of(fit, judged_split(fit))$verdict
  if (is.null(verdict)) "" else verdict$sentence
}

#' @rdname methods-fieldzoo
#' @export
summary.fieldzoo <- function(object, split = judged_split(object), ...) {
  run <- run_of(object)
  metrics <- metrics_of(object, split)
  record <- run$record
  structure(list(
    formula = object$formula, settings = object$settings, sizes = fit_sizes(run), split = split,
    metrics = metric_table(metrics), verdict = metrics$verdict$sentence, confusion = confusion_of(metrics, object),
    baselines = baseline_table(record$baselines), baselines_title = record$baselines$title,
    against_baselines = record$baselines$sentence,
    diagnosis = unlist(call_python(run$diagnose())), split_description = run$data_record$split_description,
    notes = unlist(run$data_record$notes),
    cost = c(seconds = record$seconds, kWh = record$energy$kWh, epochs = record$epochs_trained)
  ), class = "summary.fieldzoo")
}

# Returns a data frame with a row per metric: value, low and high of its interval, and the baseline's.
metric_table <- function(metrics) {
  numbers <- Filter(function(m) is.numeric(m) && length(m) == 1, metrics)
  numbers <- numbers[setdiff(names(numbers), "examples")]
  interval <- function(name) {
    bounds <- metrics[[paste0(name, "_interval")]]
    if (length(bounds) == 2) as.numeric(bounds) else c(NA_real_, NA_real_)
  }
  bounds <- vapply(names(numbers), interval, numeric(2))
  of_baseline <- vapply(names(numbers), function(n) {
    value <- metrics$baseline[[n]]
    if (is.null(value)) NA_real_ else as.numeric(value)
  }, numeric(1))
  data.frame(metric = names(numbers), value = vapply(numbers, as.numeric, 1), low = bounds[1, ], high = bounds[2, ],
             baseline = of_baseline, row.names = NULL)
}

confusion_of <- function(metrics, fit) {
  if (is.null(metrics$confusion)) {
    return(NULL)
  }
  counts <- do.call(rbind, lapply(metrics$confusion, unlist))
  classes <- fit_classes(fit)
  dimnames(counts) <- list(observed = classes, predicted = classes)
  counts
}

baseline_table <- function(baselines) {
  methods <- baselines$methods
  if (is.null(methods)) {
    return(NULL)
  }
  values <- lapply(methods, function(m) unlist(Filter(function(v) is.numeric(v) && length(v) == 1, m$metrics)))
  shared <- Reduce(intersect, lapply(values, names))
  table <- t(vapply(values, function(v) v[shared], numeric(length(shared))))
  colnames(table) <- shared
  table
}

#' @export
print.summary.fieldzoo <- function(x, digits = 3, ...) {
  cat("Network ", x$settings$model, ", ", x$settings$task, sep = "")
  if (!is.null(x$formula)) {
    cat(":", deparse1(x$formula))
  }
  cat("\n", x$sizes, "\n", x$split_description, "\n\n", sep = "")
  cat("Metrics on the ", x$split, " split (baseline: without predictors; low and high: 95 % interval)\n", sep = "")
  table <- x$metrics
  shown <- format(table[-1], digits = digits)
  shown[is.na(table[-1])] <- ""
  print(data.frame(shown, row.names = table$metric))
  if (!is.null(x$confusion) && nrow(x$confusion) <= 12) {
    cat("\n")
    print(x$confusion)
  }
  if (!is.null(x$baselines)) {
    cat("\n", if (is.null(x$baselines_title)) "Baselines without a network" else x$baselines_title, "\n", sep = "")
    print(x$baselines, digits = digits)
  }
  for (line in c(x$verdict, x$against_baselines, x$diagnosis)) {
    cat("\n", paste(strwrap(line, width = 0.9 * getOption("width"), exdent = 2), collapse = "\n"), sep = "")
  }
  cat(sprintf("\n\n%d epochs, %.1f seconds, %.2g kWh\n", as.integer(x$cost[["epochs"]]), x$cost[["seconds"]],
              x$cost[["kWh"]]))
  invisible(x)
}

#' @rdname methods-fieldzoo
#' @export
coef.fieldzoo <- function(object, ...) {
  stop("coef() is not defined for networks, whose weights have no meaning each. zoo_effects(fit) has the average effect ",
       "of each predictor, and zoo_importance(fit) how much the predictions need it.", call. = FALSE)
}

#' @rdname methods-fieldzoo
#' @export
formula.fieldzoo <- function(x, ...) x$formula

#' @rdname methods-fieldzoo
#' @export
nobs.fieldzoo <- function(object, ...) {
  sum(vapply(c("train", "validation", "test"), function(s) reticulate::py_len(run_of(object)$data[[s]]), 1))
}

#' @rdname methods-fieldzoo
#' @export
update.fieldzoo <- function(object, formula., ...) {
  arguments <- object$arguments
  if (!is.null(object$formula)) {
    arguments <- c(list(x = object$formula, data = object$data), arguments)
  }
  if (!missing(formula.)) {
    if (is.null(object$formula)) {
      stop("update() changes a formula, and this fit has none.", call. = FALSE)
    }
    arguments$x <- stats::update.formula(expand_dot(object), formula.)
  }
  changes <- list(...)
  arguments[names(changes)] <- changes
  do.call(zoo_fit, arguments)
}

# The formula of a fit with the columns that its dot stood for.
expand_dot <- function(fit) {
  if (fit$design$is_open) stats::formula(stats::terms(fit$formula, data = fit$data)) else fit$formula
}

#' @rdname methods-fieldzoo
#' @export
str.fieldzoo <- function(object, ...) {
  cat("fieldzoo fit:", object$settings$task, "by", object$settings$model)
  if (!is.null(object$formula)) {
    cat(",", deparse1(object$formula))
  }
  cat("\n")
}

#' @rdname methods-fieldzoo
#' @importFrom stats anova
#' @export
anova.fieldzoo <- function(object, ...) {
  fits <- list(object, ...)
  if (length(fits) < 2 || !all(vapply(fits, inherits, NA, "fieldzoo"))) {
    stop("anova() compares two fits of zoo_fit() or more, anova(first, second), got ", length(fits), ".", call. = FALSE)
  }
  split <- judged_split(object)
  first <- run_of(object)
  targets <- first$data[[split]]$targets
  if (!reticulate::py_has_attr(first$task, "headline_metric")) {
    stop("anova() compares classifications and regressions, got ", fit_task(object), ".", call. = FALSE)
  }
  rows <- lapply(fits[-1], function(fit) {
    run <- run_of(fit)
    has_same_rows <- identical(split_names(run, split), split_names(first, split))
    if (!has_same_rows || !identical(run$data[[split]]$targets, targets)) {
      stop("anova() needs fits that were tested on the same rows: the same data, response, na.action, seed, group and ",
           "block.", call. = FALSE)
    }
    verdict <- call_python(first$task$verdict(first$data, split, targets, first$predict_split(split),
                                              baseline = run$predict_split(split), baseline_name = "the other fit"))
    data.frame(metric = verdict$metric, value = verdict$baseline, difference = verdict$difference,
               low = verdict$interval[[1]], high = verdict$interval[[2]], first_is = verdict$result)
  })
  reference <- rows[[1]]
  reference$value <- reference$value + reference$difference
  reference[c("difference", "low", "high", "first_is")] <- NA
  table <- do.call(rbind, c(list(reference), rows))
  structure(table, fits = vapply(fits, fit_label, ""), examples = length(split_names(first, split)), split = split,
            class = c("comparison.fieldzoo", "data.frame"))
}

#' @export
print.comparison.fieldzoo <- function(x, digits = 3, ...) {
  cat(sprintf("Difference between fit 1 and each other one on %d %s examples, with its 95 %% interval\n",
              attr(x, "examples"), attr(x, "split")))
  cat(sprintf("Fit %d: %s\n", seq_along(attr(x, "fits")), attr(x, "fits")), sep = "")
  shown <- format(as.data.frame(unclass(x)), digits = digits)
  shown[is.na(x)] <- ""
  print(shown)
  invisible(x)
}

fit_label <- function(fit) {
  if (is.null(fit$formula)) fit$settings$model else paste0(fit$settings$model, ": ", deparse1(fit$formula))
}

split_names <- function(run, split) as.character(unlist(run$data[[split]]$names))
