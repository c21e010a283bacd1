#' What a network has learned
#'
#' `zoo_importance()` says how much worse the predictions become when the values of a variable are shuffled between rows.
#' `zoo_profile()` shows how the prediction changes with a variable: averaged over the rows (`"pdp"`, partial
#' dependence), for each row (`"ice"`), or accumulated from local differences (`"ale"`), which is right also where
#' variables depend on each other. `zoo_effects()` has the average change of the prediction per unit of a number, and for
#' a factor the difference of each level from the first one. All describe the network, not nature.
#'
#' `std_dev` is the standard deviation of an effect between rows: that of a straight line is 0.
#'
#' The standard errors of `zoo_importance()` are those of the mean over shuffles; those of `zoo_effects()` are over rows,
#' and say nothing on the network's own uncertainty, unless `bootstrap` is set: then that many networks are trained on
#' rows drawn with replacement, and the standard error is the standard deviation of their effects.
#'
#' @param fit a fit of [zoo_fit()] on a data frame.
#' @param variables names of variables of the formula; `NULL` for all.
#' @param variable name of one variable.
#' @param split rows that are used: `"test"`, `"validation"`, `"train"` or `"all"`.
#' @param repeats number of shuffles of each variable.
#' @param type `"pdp"`, `"ice"` or `"ale"`.
#' @param grid number of values of a number at which the prediction is computed, at quantiles.
#' @param rows largest number of rows that are used, drawn with the seed.
#' @param bootstrap number of networks to train for standard errors and p-values, such as 30; 0 for none.
#' @param step change of a number over which the effect is computed, in its standard deviations.
#' @param seed of the random numbers.
#' @return A data frame. `importance` is the increase of the log loss, or of the root mean squared error in the unit of
#'   the response. Effects and profiles of classes are probabilities, with a row for each class.
#' @references Fisher, Rudin, Dominici 2019, https://jmlr.org/papers/v20/18-760.html (importance); Friedman 2001,
#'   https://doi.org/10.1214/aos/1013203451 (partial dependence); Goldstein et al. 2015,
#'   https://doi.org/10.1080/10618600.2014.907095 (ICE); Apley, Zhu 2020, https://doi.org/10.1111/rssb.12377 (ALE).
#' @examplesIf fieldzoo:::can_run()
#' fit <- zoo_fit(mpg ~ wt + hp + factor(cyl), mtcars, epochs = 20, baselines = FALSE, accelerate = "off",
#'                verbose = FALSE)
#' zoo_importance(fit, split = "all")
#' zoo_effects(fit)
#' head(zoo_profile(fit, "wt", "ale"))
#' @name understand
NULL

#' @rdname understand
#' @export
zoo_importance <- function(fit, variables = NULL, split = "test", repeats = 10, seed = 0) {
  variables <- used_variables(fit, variables)
  rows <- rows_of(fit, split)
  data <- fit$data[rows, , drop = FALSE]
  response <- response_of(fit)[rows, , drop = FALSE]
  base <- mean_loss(fit, outputs_for(fit, data), response)
  n <- nrow(data)
  losses <- with_seed(seed, lapply(variables, function(variable) {
    order <- unlist(lapply(seq_len(repeats), function(i) sample.int(n)))
    shuffled <- data[rep(seq_len(n), repeats), , drop = FALSE]
    shuffled[[variable]] <- data[[variable]][order]
    outputs <- outputs_for(fit, shuffled)
    vapply(seq_len(repeats), function(i) {
      mean_loss(fit, outputs[(i - 1) * n + seq_len(n), , drop = FALSE], response)
    }, 1)
  }))
  result <- data.frame(
    variable = variables, importance = vapply(losses, mean, 1) - base,
    std_error = vapply(losses, sd, 1) / sqrt(repeats), metric = if (is_class_fit(fit)) "log loss" else "RMSE"
  )
  result <- result[order(-result$importance), ]
  rownames(result) <- NULL
  structure(result, class = c("importance.fieldzoo", "data.frame"))
}

#' @rdname understand
#' @export
zoo_profile <- function(fit, variable, type = c("pdp", "ice", "ale"), grid = 20, rows = 300, seed = 0) {
  type <- match.arg(type)
  variable <- used_variables(fit, variable)
  if (length(variable) != 1) {
    stop("`variable` must be one variable, got ", length(variable), ".", call. = FALSE)
  }
  data <- sample_rows(fit, rows, seed)
  x <- fit$data[[variable]]
  values <- if (is_category(fit, variable)) level_values(x) else grid_values(x, grid)
  result <- if (type == "ale") accumulated_effects(fit, data, variable, values) else
    dependence(fit, data, variable, values, type)
  structure(result, class = c("profile.fieldzoo", "data.frame"), variable = variable, type = type,
            response = response_label(fit), observed = if (!is_category(fit, variable)) data[[variable]])
}

#' @rdname understand
#' @export
zoo_effects <- function(fit, variables = NULL, bootstrap = 0, step = 0.1, rows = 1000, seed = 0) {
  variables <- used_variables(fit, variables)
  data <- sample_rows(fit, rows, seed)
  effects <- do.call(rbind, lapply(variables, function(v) average_effects(fit, data, v, step)))
  if (bootstrap == 0) {
    return(structure(effects, class = c("effects.fieldzoo", "data.frame"), bootstrap = 0))
  }
  if (bootstrap < 2 || bootstrap != round(bootstrap)) {
    stop("`bootstrap` must be a whole number of at least 2, or 0, got ", format(bootstrap), ".", call. = FALSE)
  }
  used <- which(!is.na(zoo_split(fit)))
  draws <- vapply(seq_len(bootstrap), function(i) {
    drawn <- with_seed(seed + i, sample(used, replace = TRUE))
    changes <- list(data = fit$data[drawn, , drop = FALSE], seed = fit$arguments$seed + i, baselines = FALSE,
                    verbose = FALSE)
    if (length(fit$arguments$group) == nrow(fit$data)) {
      changes$group <- fit$arguments$group[drawn]
    }
    refit <- suppressWarnings(suppressMessages(do.call(update, c(list(fit), changes))))
    do.call(rbind, lapply(variables, function(v) average_effects(refit, data, v, step)))$effect
  }, numeric(nrow(effects)))
  effects$std_error <- apply(matrix(draws, nrow(effects)), 1, sd)
  effects$statistic <- effects$effect / effects$std_error
  effects$p_value <- 2 * stats::pnorm(-abs(effects$statistic))
  structure(effects, class = c("effects.fieldzoo", "data.frame"), bootstrap = bootstrap)
}

# The variables of the right side of the formula, those asked for or all of them.
used_variables <- function(fit, variables) {
  require_table(fit, "this")
  all <- intersect(all.vars(stats::delete.response(fit$design$terms)), names(fit$data))
  all <- all[vapply(all, function(v) is_used(fit, v), NA)]
  for (variable in setdiff(variables, all)) {
    stop("`", variable, "` is no variable of the formula.", did_you_mean(variable, all), " It has ",
         paste(all, collapse = ", "), ".", call. = FALSE)
  }
  if (is.null(variables)) all else variables
}

# Whether the network has an input of a variable; of a dot some columns are left out.
is_used <- function(fit, variable) {
  sources <- vapply(run_of(fit)$schema$columns, function(column) column$source, "")
  factors <- attr(fit$design$terms, "factors")
  of_variable <- vapply(rownames(factors), function(v) variable %in% all.vars(str2lang(v)), NA)
  labels <- colnames(factors)[colSums(factors[of_variable, , drop = FALSE]) > 0]
  has_input <- function(label) any(startsWith(sources, label)) || grepl(":", label, fixed = TRUE)
  any(vapply(gsub("`", "", labels, fixed = TRUE), has_input, NA))
}

rows_of <- function(fit, split) {
  splits <- zoo_split(fit)
  if (!split %in% c("all", levels(splits))) {
    stop("`split` must be \"test\", \"validation\", \"train\" or \"all\", got \"", split, "\".", call. = FALSE)
  }
  rows <- which(if (split == "all") !is.na(splits) else splits %in% split)
  if (length(rows) < 2) {
    stop("the ", split, " split has ", length(rows), " rows; choose another by split = \"all\".", call. = FALSE)
  }
  rows
}

sample_rows <- function(fit, count, seed) {
  used <- rows_of(fit, "all")
  if (length(used) > count) {
    used <- sort(with_seed(seed, sample(used, count)))
  }
  fit$data[used, , drop = FALSE]
}

# Evaluates an expression with a seed, and leaves R's random numbers as they were.
with_seed <- function(seed, expression) {
  old <- get0(".Random.seed", envir = globalenv(), inherits = FALSE)
  on.exit({
    if (is.null(old)) rm(".Random.seed", envir = globalenv()) else assign(".Random.seed", old, envir = globalenv())
  })
  set.seed(seed)
  expression
}

# Probabilities, or numbers, as a matrix with a column for each class or response.
outputs_for <- function(fit, data) {
  outputs <- suppressWarnings(predict_table(fit, data, if (is_class_fit(fit)) "prob" else "response"))
  if (!is.matrix(outputs)) {
    outputs <- matrix(outputs, ncol = 1)
  }
  colnames(outputs) <- if (is_class_fit(fit)) fit_classes(fit) else fit_outputs(fit)
  outputs
}

response_label <- function(fit) if (is_class_fit(fit)) "probability" else paste(fit_outputs(fit), collapse = ", ")

mean_loss <- function(fit, outputs, response) {
  if (is_class_fit(fit)) {
    observed <- match(as.character(response[[1]]), fit_classes(fit))
    return(-mean(log(pmax(outputs[cbind(seq_along(observed), observed)], 1e-7))))
  }
  sqrt(mean((as.matrix(response) - outputs)^2))
}

# Whether the formula takes a variable as a category, be it by factor(x).
is_category <- function(fit, variable) {
  if (!is.numeric(fit$data[[variable]])) {
    return(TRUE)
  }
  classes <- attr(fit$design$terms, "dataClasses")[-1]
  with_variable <- vapply(names(classes), function(v) variable %in% all.vars(str2lang(v)), NA)
  any(with_variable) && all(classes[with_variable] %in% c("factor", "ordered", "character", "logical"))
}

# Quantiles of numbers.
grid_values <- function(x, count) {
  unique(as.numeric(quantile(x, seq(0, 1, length.out = count), na.rm = TRUE, type = 1)))
}

# The values of a category that the data have, in the order of its levels.
level_values <- function(x) {
  if (!is.factor(x)) {
    return(sort(unique(x[!is.na(x)])))
  }
  factor(levels(droplevels(x)), levels = levels(x), ordered = is.ordered(x))
}

# Partial dependence and individual conditional expectation: every row with every value of the grid, in one prediction.
dependence <- function(fit, data, variable, values, type) {
  n <- nrow(data)
  repeated <- data[rep(seq_len(n), length(values)), , drop = FALSE]
  repeated[[variable]] <- rep(values, each = n)
  outputs <- outputs_for(fit, repeated)
  shown <- if (is_category(fit, variable)) factor(values, levels = values) else values
  tables <- lapply(colnames(outputs), function(name) {
    predicted <- matrix(outputs[, name], n)
    if (type == "pdp") {
      return(data.frame(value = shown, response = name, prediction = colMeans(predicted)))
    }
    data.frame(row = rep(row.names(data), length(values)), value = rep(shown, each = n), response = name,
               prediction = as.vector(predicted))
  })
  do.call(rbind, tables)
}

# Accumulated local effects of a number: mean differences within the intervals of the grid, summed and centered.
accumulated_effects <- function(fit, data, variable, values) {
  x <- data[[variable]]
  if (is_category(fit, variable) || length(values) < 2) {
    stop("type = \"ale\" needs a number with two values or more, got `", variable, "`: type = ",
         "\"pdp\".", call. = FALSE)
  }
  bin <- pmin(findInterval(x, values, left.open = TRUE, rightmost.closed = TRUE), length(values) - 1)
  bin <- pmax(bin, 1)
  ends <- data[rep(seq_len(nrow(data)), 2), , drop = FALSE]
  ends[[variable]] <- c(values[bin], values[bin + 1])
  outputs <- outputs_for(fit, ends)
  n <- nrow(data)
  differences <- outputs[n + seq_len(n), , drop = FALSE] - outputs[seq_len(n), , drop = FALSE]
  counts <- tabulate(bin, length(values) - 1)
  tables <- lapply(colnames(outputs), function(name) {
    local <- vapply(seq_along(counts), function(b) if (counts[b]) mean(differences[bin == b, name]) else 0, 1)
    accumulated <- c(0, cumsum(local))
    middle <- (accumulated[-1] + accumulated[-length(accumulated)]) / 2
    data.frame(value = values, response = name, prediction = accumulated - sum(counts * middle) / n)
  })
  do.call(rbind, tables)
}

# Average change of the prediction per unit of a number, or between the first and another level.
average_effects <- function(fit, data, variable, step) {
  x <- data[[variable]]
  n <- nrow(data)
  is_number <- !is_category(fit, variable)
  values <- if (!is_number) level_values(fit$data[[variable]])
  change <- if (is_number) step * sd(x, na.rm = TRUE) else 1
  versions <- if (is_number) list(x - change / 2, x + change / 2)
              else lapply(seq_along(values), function(i) rep(values[i], n))
  repeated <- data[rep(seq_len(n), length(versions)), , drop = FALSE]
  repeated[[variable]] <- do.call(c, versions)
  outputs <- outputs_for(fit, repeated)
  base <- outputs[seq_len(n), , drop = FALSE]
  tables <- lapply(seq_along(versions)[-1], function(i) {
    effects <- (outputs[(i - 1) * n + seq_len(n), , drop = FALSE] - base) / change
    contrast <- if (is_number) "per unit" else paste(values[i], "-", values[1])
    data.frame(variable = variable, contrast = contrast, response = colnames(outputs), effect = colMeans(effects),
               std_dev = apply(effects, 2, sd), std_error = apply(effects, 2, sd) / sqrt(n), row.names = NULL)
  })
  do.call(rbind, tables)
}

#' @export
print.effects.fieldzoo <- function(x, digits = 3, ...) {
  count <- attr(x, "bootstrap")
  cat("Average conditional effects; standard errors ",
      if (count) sprintf("of %d networks on resampled rows", count) else "over rows, without the network's uncertainty",
      "\n", sep = "")
  print(format(as.data.frame(unclass(x)), digits = digits), row.names = FALSE)
  invisible(x)
}

#' Attributions
#'
#' Explains single predictions: how much each predictor of a table, or each pixel of an image, contributed to the logit of
#' a class or to the number that was predicted.
#'
#' @param fit a fit on a table, or on an array of images.
#' @param newdata the examples to explain: a data frame or an array.
#' @param method a method of Python's `zoo.explain`: `"shap_values"` (needs the Python package shap), `"lime"` (images
#'   only), `"integrated_gradients"`, `"gradcam"` (images), `"occlusion"`, `"saliency"`, ...
#' @param class name of the class to explain; `NULL` for the predicted one.
#' @param background number of training examples that `"shap_values"` compares with.
#' @param ... arguments of the method.
#' @return For a table a matrix with a row per example and a column per predictor; the columns of a factor are added up.
#'   For images an array of maps.
#' @examplesIf fieldzoo:::can_run()
#' fit <- zoo_fit(Species ~ ., iris, epochs = 10, learning_rate = 0.01, baselines = FALSE,
#'                accelerate = "off", verbose = FALSE)
#' zoo_explain(fit, iris[c(1, 51), ], "integrated_gradients")
#' @export
zoo_explain <- function(fit, newdata, method = "shap_values", class = NULL, background = 50, ...) {
  run <- run_of(fit)
  classes <- fit_classes(fit)
  if (!is.null(class) && !class %in% classes) {
    stop("`class` must be one of ", paste(classes, collapse = ", "), ", got ", class, ".", did_you_mean(class, classes),
         call. = FALSE)
  }
  is_table <- run$schema$kind == "table"
  prepared <- prepared_inputs(fit, newdata)
  target <- if (!is.null(class)) match(class, classes) - 1 else if (!length(classes)) 0
  arguments <- list(...)
  if (method == "shap_values" && is.null(arguments$background)) {
    arguments$background <- call_python({
      prediction <- python_module("recipes.prediction.predict")
      prediction$preprocess_batch(run, run$data$train$head(as.integer(background)))
    })
  }
  explain <- python_module("zoo.explain")
  reasons <- call_python(explain$methods(run$model)) # why a method does not apply, "" if it does
  methods <- names(reasons)[reasons == ""]
  if (!method %in% methods) {
    stop("`method` must be one of ", paste(methods, collapse = ", "), ", got ", method,
         if (method %in% names(reasons)) paste0(" (", in_r_words(reasons[[method]]), ")"), ".",
         did_you_mean(method, methods), call. = FALSE)
  }
  arguments <- c(list(run$model, prepared), if (!is.null(target)) list(target = target), arguments)
  values <- call_python(do.call(explain[[method]], arguments))
  if (!is_table) {
    return(values)
  }
  features <- unlist(python_module("recipes.data.preprocessing")$feature_names(run$schema))
  sources <- sub(" (= .*|is missing)$", "", features)
  columns <- unique(sources)
  joined <- vapply(columns, function(c) rowSums(values[, sources == c, drop = FALSE]), numeric(nrow(values)))
  matrix(joined, nrow(values), dimnames = list(if (is.data.frame(newdata)) row_names(newdata), columns))
}

# The model's inputs for new data.
prepared_inputs <- function(fit, newdata) {
  run <- run_of(fit)
  if (identical(fit$kind, "table")) {
    newdata <- apply_formula(fit$design, as_plain_table(newdata, "newdata"))$inputs
  }
  inputs <- if (is.data.frame(newdata)) as_pandas(newdata) else newdata
  call_python({
    matched <- python_module("zoo.inputs", convert = FALSE)$match(run$schema, inputs)
    python_module("recipes.prediction.predict")$preprocess_batch(run, matched$batch)
  })
}
