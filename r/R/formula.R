# Formulas: from a data frame to the columns of the model's inputs and its targets, in training and in prediction.

# Returns what a formula makes of a data frame.
#
# formula: two-sided; functions, I(), interactions, poly() and the like as model.frame() has them, and offset().
# data: plain data frame.
# Returns a list: terms (with what is needed to apply them to new data), inputs (data frame), target (data frame), offset
# (numbers or NULL), levels (of factors in interactions), is_open (whether the formula has a dot).
read_formula <- function(formula, data) {
  check_formula(formula, data)
  is_open <- "." %in% all.vars(formula[[3]])
  response_vars <- all.vars(formula[[2]])
  if (is_open) {
    data <- data[setdiff(names(data), setdiff(c(".x", ".y"), all.vars(formula)))] # of a geometry, which a dot is not
    data <- without_odd_columns(data, setdiff(names(data), response_vars))
  }
  terms <- tryCatch(stats::terms(formula, data = data), error = function(e) {
    stop("the formula cannot be read: ", conditionMessage(e), ".", call. = FALSE)
  })
  if (!length(attr(terms, "term.labels"))) {
    stop("the formula must have a predictor on its right side, got ", deparse1(formula), ".", call. = FALSE)
  }
  if (attr(terms, "intercept") == 0) {
    message("`- 1` and `+ 0` have no effect: a network has biases.")
  }
  frame <- evaluate_terms(terms, data)
  terms <- with_few_objects(attr(frame, "terms"), names(data))
  if (!is_open) {
    refuse_dates(frame[-1])
  }
  target <- response_columns(stats::model.response(frame), deparse1(formula[[2]]))
  design <- list(terms = terms, levels = category_levels(frame), is_open = is_open)
  c(design, list(inputs = design_columns(design, frame), target = target, offset = stats::model.offset(frame)))
}

# Returns the input columns of new data for the design of a fit.
apply_formula <- function(design, data) {
  terms <- stats::delete.response(design$terms)
  check_variables(all.vars(terms), data, environment(terms))
  frame <- evaluate_terms(terms, data)
  list(inputs = design_columns(design, frame), offset = stats::model.offset(frame))
}

check_formula <- function(formula, data) {
  if (length(formula) != 3) {
    stop("the formula must have the response on its left side, such as species ~ ., got ", deparse1(formula), ".",
         call. = FALSE)
  }
  check_variables(setdiff(all.vars(formula), "."), data, environment(formula))
}

# A variable is a column of the data, or an object such as the `degree` in poly(x, degree).
check_variables <- function(variables, data, environment) {
  is_object <- function(v) {
    object <- get0(v, envir = environment, ifnotfound = NULL)
    !is.null(object) && !is.function(object)
  }
  for (variable in setdiff(variables, names(data))) {
    if (!is_object(variable)) {
      stop("`", variable, "` is not in the data.", did_you_mean(variable, names(data)), " It has ",
           paste(head(names(data), 20), collapse = ", "), if (length(data) > 20) ", ...", ".", call. = FALSE)
    }
  }
}

evaluate_terms <- function(terms, data) {
  tryCatch(stats::model.frame(terms, data, na.action = stats::na.pass, drop.unused.levels = FALSE), error = function(e) {
    stop("the formula cannot be applied to the data: ", conditionMessage(e), ".", call. = FALSE)
  })
}

# Terms whose environment has only the objects that they use beside the data, so that they can be saved.
with_few_objects <- function(terms, columns) {
  small <- new.env(parent = globalenv())
  for (name in setdiff(all.names(terms), columns)) {
    place <- environment(terms)
    while (!isNamespace(place) && !identical(place, emptyenv()) && is.null(attr(place, "name"))) {
      if (exists(name, envir = place, inherits = FALSE)) {
        assign(name, get(name, envir = place), envir = small)
        break
      }
      place <- if (identical(place, globalenv())) emptyenv() else parent.env(place)
    }
  }
  attr(terms, ".Environment") <- small
  terms
}

# Leaves out, of the columns of a dot, factors of dates, lists and the like.
without_odd_columns <- function(data, names) {
  odd <- names[vapply(names, function(n) is.list(data[[n]]) || is_date_factor(data[[n]]), logical(1))]
  if (length(odd)) {
    message("left out ", paste0("`", odd, "`", collapse = ", "), ": dates as text, or lists; derive a number, such as ",
            "the day of the year.")
  }
  data[setdiff(names(data), odd)]
}

is_date_factor <- function(x) {
  values <- if (is.factor(x)) levels(x) else if (is.character(x)) unique(x[!is.na(x)]) else character()
  length(values) > 1 && all(grepl("^\\d{1,4}[-/.]\\d{1,2}[-/.]\\d{1,4}([T ]\\d{1,2}:\\d{2}.*)?$", values))
}

refuse_dates <- function(frame) {
  for (name in names(frame)[vapply(frame, inherits, NA, c("Date", "POSIXt"))]) {
    stop("`", name, "` has dates, which are no numbers. Derive one, such as as.numeric(", name, ") for a trend or ",
         "as.numeric(format(", name, ", \"%j\")) for the season; zoo_fit_series() forecasts series.", call. = FALSE)
  }
}

# Names and levels of the variables of a model frame that are categories.
category_levels <- function(frame) {
  is_category <- vapply(frame, function(x) (is.factor(x) && !is.ordered(x)) || is.character(x), logical(1))
  lapply(frame[is_category], function(x) if (is.factor(x)) levels(x) else sort(unique(x)))
}

# Returns the data frame of inputs: a column per term, several for matrices and for interactions with factors.
design_columns <- function(design, frame) {
  factors <- attr(design$terms, "factors")
  labels <- attr(design$terms, "term.labels")
  variables <- rownames(factors)
  columns <- list()
  for (label in labels) {
    parts <- lapply(variables[factors[, label] > 0], function(v) variable_columns(frame[[v]], v))
    for (part in parts[-1]) {
      parts[[1]] <- interact(parts[[1]], part, design$levels)
    }
    columns <- c(columns, if (length(parts) == 1 || length(parts[[1]]) > 1) parts[[1]] else setNames(parts[[1]], label))
  }
  structure(columns, class = "data.frame", row.names = seq_len(nrow(frame)), names = make.unique(names(columns)))
}

# Returns the columns of one variable of the model frame as a named list.
variable_columns <- function(x, name) {
  if (is_date_factor(x)) {
    stop("`", name, "` has dates as text: each would be a category of its own. Use a number, such as ",
         "as.numeric(format(as.Date(", name, "), \"%j\")), the day of the year.", call. = FALSE)
  }
  if (inherits(x, c("Date", "POSIXt"))) {
    return(setNames(list(x), name)) # a dot's dates are left out where the table is read
  }
  if (is.ordered(x)) {
    return(setNames(list(as.integer(x)), name)) # the rank keeps the order
  }
  if (is.matrix(x)) {
    suffixes <- if (is.null(colnames(x))) seq_len(ncol(x)) else colnames(x)
    return(setNames(lapply(seq_len(ncol(x)), function(i) x[, i]), paste0(name, suffixes)))
  }
  if (is.list(x)) {
    stop("`", name, "` must be a vector, got a list.", call. = FALSE)
  }
  if (is.object(x) && !is.factor(x) && !inherits(x, "AsIs") && is.numeric(x) && !inherits(x, "integer64")) {
    x <- as.numeric(x) # units, difftime and the like
  }
  setNames(list(if (inherits(x, "AsIs")) unclass(x) else x), name)
}

# Returns the columns of a product of two sets of columns: of two factors a factor, of a factor and a number a number for
# each level.
interact <- function(first, second, levels) {
  is_category <- function(x) is.factor(x) || is.character(x)
  columns <- list()
  for (a in names(first)) {
    for (b in names(second)) {
      x <- first[[a]]
      y <- second[[b]]
      name <- paste(a, b, sep = ":")
      if (is_category(x) && is_category(y)) {
        joined <- paste(x, y, sep = ":")
        joined[is.na(x) | is.na(y)] <- NA
        columns[[name]] <- joined
      } else if (is_category(x) || is_category(y)) {
        category <- if (is_category(x)) x else y
        number <- as.numeric(if (is_category(x)) y else x)
        variable <- if (is_category(x)) a else b
        for (level in levels[[variable]]) {
          is_level <- as.character(category) == level
          columns[[sub(variable, paste0(variable, level), name, fixed = TRUE)]] <- ifelse(is_level, number, 0)
        }
      } else {
        columns[[name]] <- as.numeric(x) * as.numeric(y)
      }
    }
  }
  columns
}

# Returns the response as a data frame of target columns.
response_columns <- function(response, name) {
  if (is.null(response)) {
    stop("the formula must have a response on its left side.", call. = FALSE)
  }
  if (inherits(response, "Surv")) {
    stop("a response of survival times is not fitted; the response must be numbers or a factor.", call. = FALSE)
  }
  if (is.matrix(response)) {
    names <- colnames(response)
    names <- if (is.null(names)) paste0(name, seq_len(ncol(response))) else names
    columns <- lapply(seq_len(ncol(response)), function(i) as.vector(response[, i]))
    return(structure(columns, class = "data.frame", row.names = seq_len(nrow(response)), names = names))
  }
  if (is.character(response) || is.logical(response)) {
    message("`", name, "` is ", if (is.character(response)) "text" else "TRUE and FALSE",
            ", so its values are the classes; factor(", name, ", levels = ...) chooses their order.")
    response <- factor(response)
  }
  if (inherits(response, c("Date", "POSIXt"))) {
    stop("`", name, "` must be numbers or a factor, got dates: as.numeric(", name, ").", call. = FALSE)
  }
  if (is_date_factor(response)) {
    stop("`", name, "` must be numbers or a factor of classes, got dates as text: as.numeric(as.Date(", name, ")).",
         call. = FALSE)
  }
  if (is.factor(response) && "NA" %in% levels(response)) {
    stop("a class of `", name, "` is called NA, as gaps are in Python; give it another name.", call. = FALSE)
  }
  response <- if (is.factor(response)) factor(response, ordered = FALSE) else as.vector(unclass(response))
  structure(list(response), class = "data.frame", row.names = seq_along(response), names = name)
}
