#' Networks, settings and bundled data
#'
#' `zoo_models()` lists the networks, `zoo_settings()` the settings of a network and of a task, which [zoo_fit()] takes by
#' name, and `zoo_data()` returns a bundled table as a data frame.
#'
#' @param model name of a network; `NULL` for all, or for those of a kind of input such as `"tabular"`.
#' @param task name of a task, such as `"regression"`.
#' @param name name of a bundled table, such as `"penguins"`; `NULL` lists all bundled data.
#' @return A data frame.
#' @examplesIf fieldzoo:::can_run()
#' head(zoo_models()[, c("name", "task", "parameters")])
#' zoo_settings("dnn", "classification")
#' @export
zoo_models <- function(model = NULL) {
  call_python(if (is.null(model)) zoo()$describe() else zoo()$describe(model))
}

#' @rdname zoo_models
#' @export
zoo_settings <- function(model = "dnn", task = "classification") {
  describe <- function(build, names, what) {
    parameters <- python_module("inspect", convert = FALSE)$signature(build)$parameters
    defaults <- vapply(names, function(n) in_r_words(default_text(parameters[n]$default)), "")
    data.frame(setting = names, default = unname(defaults), of = rep(what, length(names)))
  }
  class <- task_class(task)
  build <- if (task == "fine_tuning") zoo()$transfer else call_python(python_module("zoo.registry")$entry(model)$build)
  rbind(describe(class, task_fields(class), task), describe(build, model_arguments(model, task), model))
}

default_text <- function(default) {
  empty <- python_module("inspect", convert = FALSE)$Parameter$empty
  text <- reticulate::py_to_r(reticulate::import_builtins(convert = FALSE)$repr(default))
  if (identical(reticulate::py_id(default), reticulate::py_id(empty))) "" else text
}

#' @rdname zoo_models
#' @export
zoo_data <- function(name = NULL) {
  if (is.null(name)) {
    sets <- call_python(recipes()$sources())
    fields <- c("name", "task", "examples", "classes", "license")
    return(do.call(rbind, lapply(sets, function(set) as.data.frame(set[fields]))))
  }
  contents <- call_python(python_module("recipes.data.bundled.sets")$bundled_set(name)$contents())
  if (!is.data.frame(contents)) {
    stop("zoo_data() reads tables, and ", name, " is none; zoo_fit(\"bundled:", name, "\", ...) trains on it.",
         call. = FALSE)
  }
  has_gaps <- vapply(contents, is.list, logical(1)) # text with NaN between
  contents[has_gaps] <- lapply(contents[has_gaps], function(column) {
    vapply(column, function(v) if (is.character(v)) v else NA_character_, "", USE.NAMES = FALSE)
  })
  text <- vapply(contents, is.character, logical(1))
  contents[text] <- lapply(contents[text], factor)
  attr(contents, "pandas.index") <- NULL
  contents
}

# Whether examples can run: there is a Python with fieldzoo. It starts no Python.
can_run <- function() {
  Sys.getenv("RETICULATE_PYTHON") != "" || reticulate::py_available() || reticulate::virtualenv_exists(ENVIRONMENT)
}
