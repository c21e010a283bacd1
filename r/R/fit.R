#' Fit a neural network
#'
#' Trains a network on a data frame by a formula, on arrays, or on any data source of fieldzoo. The data are split into a
#' training, a validation and a test split; the network is trained on the first, watched on the second, and judged on the
#' third, beside baselines without a network.
#'
#' A response that is a factor, text or `TRUE` and `FALSE` is classified; numbers are a regression, also whole ones, for
#' which `loss = "poisson"` fits counts and `loss = "binary_crossentropy"` proportions. `cbind(a, b) ~ x` predicts
#' several numbers together.
#'
#' Terms are those of [stats::model.frame()]: `log(x)`, `I(x^2)` and `poly(x, 2)` are applied to new data as to the
#' training data, and a transformed response stays transformed in predictions, as in [stats::lm()]. A factor is a
#' category; an ordered factor is its rank; `a:b` of two factors is the factor of their combinations, and with a number
#' it is the product. A network finds interactions by itself, so they are seldom needed. `offset()` is subtracted from
#' the response before the training and added to predictions; it needs the loss mse, mae or huber. With `.` identifiers,
#' dates and constant columns are left out with a warning.
#'
#' @param x a formula such as `species ~ .`; a list of an array of examples and their labels; or a string such as
#'   `"folder:photos"` or `"table:plots.csv?target=species"`.
#' @param data a data frame, tibble, data.table or sf object of points, whose coordinates are then the columns `.x` and
#'   `.y`.
#' @param model name of a network, see [zoo_models()]; for tables `"dnn"`, `"tabm"` or `"ft_transformer"`.
#' @param task name of a task, such as `"classification"`; `NULL` is chosen by the response or the data.
#' @param na.action `"fail"` (or [stats::na.fail()]) refuses gaps, `"omit"` (or [stats::na.omit()], [stats::na.exclude()])
#'   leaves rows out, and `"impute"` fills predictors by the median of the training split, with an indicator. A missing
#'   response is never filled.
#' @param group rows of one group stay in one split: name of a column, a one-sided formula such as `~site`, or a vector.
#' @param block rows of one square of land stay in one split: `list("x", "y", 1000)` with the columns of coordinates and
#'   the side of a square, or the side alone for an sf object.
#' @param weights case weights, 0 or larger: a column as in [stats::lm()], its name, or a vector of numbers. They multiply each row's loss in training and the fit of the baselines; the metrics count each row once.
#' @param seed seed of the split, the weights and the order; the same seed gives the same numbers as in Python.
#'   [set.seed()] has no effect.
#' @param verbose whether to print progress.
#' @param ... settings of the task, of the network and of the reader by name: `epochs`, `batch_size`, `learning_rate`,
#'   `loss`, `class_weight`, `augment`, `patience`, `baselines`, `coverage`; `units`, `dropout`; `validation` and `test`
#'   (fractions of the rows, 0.15 each). [zoo_settings()] lists them. Misspelled ones are an error.
#' @return An object of class `fieldzoo`; see [methods-fieldzoo].
#' @examplesIf fieldzoo:::can_run()
#' fit <- zoo_fit(Species ~ ., iris, epochs = 20, learning_rate = 0.01, baselines = FALSE, verbose = FALSE)
#' fit
#' predict(fit, iris[c(1, 51, 101), ])
#' predict(fit, iris[c(1, 51, 101), ], type = "prob")
#'
#' cars <- zoo_fit(log(mpg) ~ wt + hp + factor(cyl), mtcars, epochs = 20, baselines = FALSE, verbose = FALSE)
#' residuals(cars)[1:3]
#' @export
zoo_fit <- function(x, ...) {
  UseMethod("zoo_fit")
}

#' @rdname zoo_fit
#' @export
zoo_fit.formula <- function(x, data, model = "dnn", task = NULL, na.action = "fail", group = NULL, block = NULL,
                            weights = NULL, seed = 0, verbose = interactive(), ...) {
  call <- match.call()
  if (missing(data)) {
    stop("`data` must be a data frame with the variables of the formula, got none.", call. = FALSE)
  }
  data <- as_plain_table(data)
  weights <- eval(substitute(weights), data, environment(x))
  refuse_settings(...names())
  settings <- list(...)
  design <- read_formula(x, data)
  arguments <- list(model = model, task = task, na.action = na.action, group = group, block = block,
                    weights = weights, seed = seed, verbose = verbose)
  prepared <- prepare_table(data, design, c(arguments, settings))
  class <- if (prepared$task == "multilabel") "classification" else prepared$task
  trained <- train(as_pandas(prepared$table), "table", model, class, settings, prepared$reader, seed, verbose)
  new_fit(trained, call, c(arguments, settings), kind = "table", formula = x, data = data,
          design = design[c("terms", "levels", "is_open")], na_action = na_action_name(na.action),
          row_names = row_names(data))
}

# Returns the table that Python reads for a formula, the options of its reader, and the task.
prepare_table <- function(data, design, arguments) {
  target <- design$target
  task <- if (is.null(arguments$task)) task_of_response(target, arguments$loss) else arguments$task
  if (!is.null(design$offset)) {
    target <- subtract_offset(target, design$offset, task, arguments$loss)
  }
  grouping <- group_and_block(data, cbind(design$inputs, target), arguments$group, arguments$block, arguments$weights)
  reader <- c(grouping$options, list(target = as.list(names(target)), missing = missing_policy(arguments$na.action),
                                     seed = arguments$seed))
  if (!design$is_open) {
    reader$columns <- as.list(names(design$inputs))
  }
  reader$task <- if (task %in% c("multilabel", "regression", "classification")) task
  list(table = grouping$table, reader = reader, task = task)
}

#' @rdname zoo_fit
#' @export
zoo_fit.list <- function(x, model, task = NULL, seed = 0, verbose = interactive(), ...) {
  call <- match.call()
  settings <- list(...)
  arguments <- list(x = x, model = model, task = task, seed = seed, verbose = verbose)
  if (length(x) != 2 || is.null(dim(x[[1]]))) {
    stop("`x` must be a list of an array of examples and their labels, list(x, y), got a list of ", length(x), ".",
         call. = FALSE)
  }
  images <- x[[1]]
  y <- x[[2]]
  shape <- if (is.factor(y) || is.character(y)) length(y) else if (is.null(dim(y))) length(y) else dim(y)[1]
  if (dim(images)[1] != shape) {
    stop("the array and the labels must have as many examples, got ", dim(images)[1], " and ", shape,
         "; the first dimension of the array counts the examples.", call. = FALSE)
  }
  if (is.null(task) && !is.factor(y) && !is.character(y) && all(y == round(y))) {
    stop("the labels must be a factor for classes, got whole numbers from ", min(y), " to ", max(y),
         ": list(x, factor(y)); or say task = \"regression\".", call. = FALSE)
  }
  task <- if (is.null(task)) if (is.numeric(y)) "regression" else "classification" else task
  reader <- list(seed = seed)
  if (is.character(y)) {
    y <- factor(y)
  }
  if (is.factor(y)) {
    y <- droplevels(y)
    reader$classes <- as.list(levels(y))
    y <- as.integer(y) - 1L
  }
  source <- reticulate::tuple(images, as.array(y)) # NumPy sees R's array without a copy
  trained <- train(source, "arrays", model, task, settings, reader, seed, verbose)
  new_fit(trained, call, c(arguments, settings), kind = "arrays")
}

#' @rdname zoo_fit
#' @export
zoo_fit.character <- function(x, model, task = NULL, seed = 0, verbose = interactive(), ...) {
  settings <- list(...)
  trained <- train(x, NULL, model, task, settings, list(seed = seed), seed, verbose)
  arguments <- list(x = x, model = model, task = task, seed = seed, verbose = verbose)
  new_fit(trained, match.call(), c(arguments, settings), kind = "source")
}

#' @rdname zoo_fit
#' @export
zoo_fit.default <- function(x, ...) {
  stop("`x` must be a formula, list(array, labels) or a string such as \"folder:photos\", got ", class(x)[1],
       if (is.data.frame(x)) ": zoo_fit(species ~ ., data)" else "", ".", call. = FALSE)
}

# arguments: those of zoo_fit() by name, which update() changes.
new_fit <- function(trained, call, arguments, ...) {
  structure(list(run = trained$run, call = call, arguments = arguments, settings = trained$settings, ...),
            class = "fieldzoo")
}

# Trains a network and returns list(run, settings).
#
# source: what recipes.load takes, as a Python object or a string.
# kind: name of the reader whose options are accepted; NULL for that of the string.
# settings: of the task, the reader and the network, by name.
# reader: options of the reader that are set.
train <- function(source, kind, model, task, settings, reader, seed, verbose) {
  start_python()
  check_names(settings)
  if (!is.character(model) && !is_python(model)) {
    stop("`model` must be the name of a network, such as \"dnn\", got ", class(model)[1], ".", call. = FALSE)
  }
  options <- call_python(reader_options(kind, source))
  task_fields <- if (is.null(task)) all_task_fields() else task_fields(task_class(task))
  of_model <- model_arguments(model, task)
  unknown <- setdiff(names(settings), c(task_fields, options, of_model))
  if (length(unknown)) {
    stop("unknown setting `", unknown[1], "`.", did_you_mean(unknown[1], c(task_fields, options, of_model)),
         " zoo_settings(\"", if (is.character(model)) model else "dnn", "\"",
         if (!is.null(task)) paste0(", \"", task, "\""), ") lists those of the network and the task.", call. = FALSE)
  }
  settings <- lapply(settings, named_as_list)
  is_reader <- names(settings) %in% setdiff(options, task_fields)
  is_task <- names(settings) %in% task_fields
  data <- call_python(do.call(recipes()$load, c(list(source), reader, settings[is_reader])))
  task <- if (is.null(task)) task_of_data(data$task) else task
  class <- task_class(task)
  run <- call_python({
    trainer <- do.call(class, c(settings[is_task], list(seed = seed)))
    arguments <- list(trainer, model, data, verbose = isTRUE(verbose))
    do.call(recipes()$fit, c(arguments, settings[!is_reader & !is_task]))
  })
  list(run = run, settings = list(task = task, model = if (is.character(model)) model else "keras.Model"))
}

check_names <- function(settings) {
  if (length(settings) && (is.null(names(settings)) || any(names(settings) == ""))) {
    stop("settings must have names, such as epochs = 20, got one without.", call. = FALSE)
  }
}

# A vector with names as a list, as a vector loses its names in Python.
named_as_list <- function(value) if (is.atomic(value) && !is.null(names(value))) as.list(value) else value

reader_options <- function(kind, source) {
  if (identical(kind, "arrays")) {
    reader <- python_module("recipes.data.source_spec", convert = FALSE)
    options <- reader$reader_options(python_module("recipes.data.arrays", convert = FALSE)$read_arrays)
  } else {
    readers <- python_module("recipes.data.readers", convert = FALSE)
    spec <- if (is.null(kind)) readers$parse_source(source)
    options <- if (is.null(kind)) readers$option_types(spec$reader, spec$source) else readers$option_types(kind, "")
  }
  as.character(reticulate::iterate(options, reticulate::py_to_r))
}

tasks <- function() python_module("recipes.tasks")$TASKS

task_class <- function(task) {
  classes <- tasks()
  if (!is.character(task) || length(task) != 1 || !task %in% names(classes)) {
    stop("`task` must be one of ", paste(names(classes), collapse = ", "), ", got ", format(task), ".",
         if (is.character(task)) did_you_mean(task[1], names(classes)), call. = FALSE)
  }
  classes[[task]]
}

task_fields <- function(class) {
  vapply(python_module("dataclasses")$fields(class), function(field) field$name, "")
}

all_task_fields <- function() unique(unlist(lapply(tasks(), task_fields)))

model_arguments <- function(model, task) {
  if (!is.character(model)) {
    return(character())
  }
  if (identical(task, "fine_tuning")) {
    build <- zoo()$transfer
  } else {
    build <- call_python(python_module("zoo.registry")$entry(model)$build)
  }
  parameters <- python_module("inspect", convert = FALSE)$signature(build)$parameters
  names <- as.character(reticulate::iterate(parameters, reticulate::py_to_r))
  setdiff(names, c("outputs", "classes", "name", "backbone")) # which the data decide
}

# The task that a data set is for.
task_of_data <- function(name) {
  for (task in names(tasks())) {
    if (task != "fine_tuning" && name %in% unlist(tasks()[[task]]$data_tasks)) {
      return(task)
    }
  }
  stop("there is no task for ", name, ".", call. = FALSE)
}

task_of_response <- function(target, loss) {
  if (length(target) == 1 && is.factor(target[[1]])) {
    return("classification")
  }
  y <- target[[1]]
  values <- sort(unique(y[!is.na(y)]))
  if (is.null(loss) && length(target) == 1 && length(values) > 1 && length(values) <= 20 &&
        all(values == seq_along(values) - 1 + values[1]) && values[1] %in% 0:1) {
    message("`", names(target), "` has the whole numbers ", values[1], " to ", values[length(values)],
            ", which are fitted as numbers. If they are classes, write factor(", names(target),
            "); if they are counts, loss = \"poisson\".")
  }
  "regression"
}

subtract_offset <- function(target, offset, task, loss) {
  if (task != "regression" || !is.null(loss) && !loss %in% c("mse", "mae", "huber")) {
    stop("offset() needs a regression with the loss mse, mae or huber, got ", if (task != "regression") task else loss,
         ". For counts per effort, take the logarithm of the effort as a predictor: + log(effort).", call. = FALSE)
  }
  target[] <- lapply(target, function(y) y - offset)
  target
}

refuse_settings <- function(names) {
  reasons <- c(
    subset = "pass the rows: data[rows, ]",
    missing = "na.action says what becomes of gaps",
    target = "the formula names the response",
    columns = "the formula names the predictors",
    drop_columns = "write - column in the formula",
    bootstrap = "zoo_effects(fit, bootstrap = 30) and predict(fit, type = \"interval\") say how sure the network is"
  )
  for (name in intersect(names, names(reasons))) {
    stop("`", name, "` is not a setting: ", reasons[[name]], ".", call. = FALSE)
  }
}

na_action_name <- function(action) {
  known <- list(fail = stats::na.fail, omit = stats::na.omit, exclude = stats::na.exclude)
  for (name in names(known)) {
    if (identical(action, known[[name]]) || identical(action, name) || identical(action, paste0("na.", name))) {
      return(name)
    }
  }
  if (!identical(action, "impute")) {
    stop("`na.action` must be \"fail\", \"omit\", \"exclude\" or \"impute\", got ", format(action)[1], ".", call. = FALSE)
  }
  "impute"
}

missing_policy <- function(action) {
  switch(na_action_name(action), fail = "error", omit = "drop", exclude = "drop", impute = "impute")
}

# Returns the table with the columns that the split needs, and the reader's options `group`, `block`, `weight`,
# `drop_columns`.
group_and_block <- function(data, table, group, block, weights) {
  options <- list()
  add <- function(name, argument) {
    if (!name %in% names(data)) {
      stop("`", argument, "` must name a column of the data, got `", name, "`.", did_you_mean(name, names(data)),
           call. = FALSE)
    }
    if (!name %in% names(table)) {
      table[[name]] <<- data[[name]]
      options$drop_columns <<- c(options$drop_columns, list(name))
    }
  }
  if (inherits(group, "formula")) {
    group <- all.vars(group)
  }
  if (length(group) == 1) {
    add(group, "group")
    options$group <- group
    options$drop_columns <- setdiff(options$drop_columns, group)
  } else if (length(group)) {
    if (length(group) != nrow(table)) {
      stop("`group` must be a column or a label for each of ", nrow(table), " rows, got ", length(group), ".",
           call. = FALSE)
    }
    options$group <- as.list(as.character(group))
  }
  if (length(block) == 1 && all(c(".x", ".y") %in% names(data))) {
    block <- list(".x", ".y", block)
  }
  if (length(block)) {
    if (length(block) != 3 || is.na(suppressWarnings(as.numeric(block[[3]])))) {
      stop("`block` must be list(\"x\", \"y\", size): two columns of coordinates and the side of a square in their ",
           "unit, got ", deparse1(block), ".", call. = FALSE)
    }
    add(block[[1]], "block")
    add(block[[2]], "block")
    options$block <- list(block[[1]], block[[2]], as.numeric(block[[3]]))
  }
  if (is.character(weights) && length(weights) == 1) {
    add(weights, "weights")
    options$weight <- weights
    options$drop_columns <- setdiff(options$drop_columns, weights)
  } else if (length(weights)) {
    if (!is.numeric(weights) || length(weights) != nrow(table)) {
      stop("`weights` must be a column or a number for each of ", nrow(table), " rows, got ", length(weights), " of ",
           class(weights)[1], ".", call. = FALSE)
    }
    table[[".weights"]] <- weights
    options$weight <- ".weights"
  }
  options$drop_columns <- if (length(options$drop_columns)) as.list(unlist(options$drop_columns))
  list(table = table, options = options)
}
