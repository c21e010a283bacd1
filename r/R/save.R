#' Save and export fits
#'
#' `zoo_save()` writes a fit into a folder, and `zoo_load()` reads it, also a run that Python or the command line saved.
#' [saveRDS()] cannot keep a network. `zoo_export()` writes a model for TensorFlow Serving, which needs neither R nor
#' fieldzoo and is checked to predict as `predict()` does, and `zoo_report()` a page on the fit.
#'
#' @param fit a fit.
#' @param folder folder to write or read.
#' @param overwrite whether to replace another fit in the folder.
#' @param data whether to save the data too, which `summary()`, `residuals()` and the like need after `zoo_load()`;
#'   predictions do not.
#' @param file path of an HTML file.
#' @return `zoo_save()`, `zoo_export()` and `zoo_report()` the path, invisibly; `zoo_load()` the fit.
#' @examplesIf fieldzoo:::can_run()
#' fit <- zoo_fit(mpg ~ log(wt) + hp, mtcars, epochs = 5, baselines = FALSE, accelerate = "off", verbose = FALSE)
#' folder <- tempfile()
#' zoo_save(fit, folder)
#' again <- zoo_load(folder)
#' all.equal(predict(again, mtcars), predict(fit, mtcars))
#' @export
zoo_save <- function(fit, folder, overwrite = FALSE, data = TRUE) {
  run <- run_of(fit)
  folder <- path.expand(folder)
  if (file.exists(file.path(folder, "run.json")) && !overwrite) {
    stop(folder, " has a fit: overwrite = TRUE replaces it.", call. = FALSE)
  }
  call_python(run$save(folder))
  kept <- unclass(fit)
  kept$run <- NULL
  if (!data) {
    kept["data"] <- list(NULL)
    kept["row_names"] <- list(NULL)
  }
  if (!is.null(kept$formula)) {
    environment(kept$formula) <- if (is.null(kept$design)) globalenv() else environment(kept$design$terms)
  }
  if (identical(fit$kind, "arrays") || identical(fit$kind, "series")) {
    kept$arguments$x <- NULL
  }
  saveRDS(kept, file.path(folder, "fieldzoo.rds"))
  invisible(folder)
}

#' @rdname zoo_save
#' @export
zoo_load <- function(folder) {
  start_python()
  folder <- path.expand(folder)
  file <- file.path(folder, "fieldzoo.rds")
  if (!file.exists(file)) { # of Python or the command line
    run <- call_python(recipes()$load_run(folder))
    task <- names(tasks())[vapply(tasks(), function(class) class$`__name__`, "") ==
                             run$task$`__class__`$`__name__`]
    return(new_fit(list(run = run, settings = list(task = task, model = run$record$model)), call = NULL, list(),
                   kind = "source"))
  }
  kept <- readRDS(file)
  source <- NULL
  if (identical(kept$kind, "table") && !is.null(kept$data)) {
    source <- suppressWarnings(table_source(kept))
  }
  kept$run <- call_python(recipes()$load_run(folder, source))
  structure(kept, class = "fieldzoo")
}

# Reads the data of a saved fit again, with the same split.
table_source <- function(fit) {
  design <- suppressMessages(read_formula(fit$formula, fit$data))
  prepared <- prepare_table(fit$data, design, fit$arguments)
  options <- fit$arguments[names(fit$arguments) %in% c("validation", "test")]
  call_python(do.call(recipes()$load, c(list(as_pandas(prepared$table)), prepared$reader, options)))
}

#' @rdname zoo_save
#' @export
zoo_export <- function(fit, folder) {
  export <- call_python(run_of(fit)$export(path.expand(folder)))
  message("the exported model differs from predict() by at most ", format(export$difference, digits = 2))
  invisible(export$path)
}

#' @rdname zoo_save
#' @export
zoo_report <- function(fit, file) {
  invisible(call_python(run_of(fit)$report(path.expand(file))))
}
