#' Install fieldzoo's Python, and check it
#'
#' `zoo_install()` makes a Python environment of its own, `r-fieldzoo`, with the versions of NumPy and pandas that the
#' installed reticulate can use; it takes some minutes and 3 GB, once. `zoo_check()` says what is wrong with the Python
#' of this session, and how to mend it.
#'
#' @param source what pip installs: the folder of fieldzoo's Python package, or its name on a package index. The default
#'   is the folder that this package was installed from, if it lies in fieldzoo's, else the name.
#' @param python a Python 3.11 to 3.13; the default is the first one found.
#' @param extras optional parts: `raster` (maps), `serve` (servers), `shap` (SHAP and LIME).
#' @return `zoo_install()` the path of the Python, invisibly; `zoo_check()` `TRUE` or `FALSE`, invisibly.
#' @examples
#' \dontrun{
#' zoo_install()
#' }
#' if (interactive()) zoo_check()
#' @export
zoo_install <- function(source = default_source(), python = find_python(), extras = c("raster", "serve", "shap")) {
  limits <- version_limits(utils::packageVersion("reticulate"))
  path <- reticulate::virtualenv_root()
  folder <- file.path(path, ENVIRONMENT)
  dir.create(path, recursive = TRUE, showWarnings = FALSE)
  run <- function(command, arguments) {
    status <- system2(command, shQuote(arguments))
    if (status != 0) {
      stop("this command failed with status ", status, ": ", paste(command, paste(shQuote(arguments), collapse = " ")),
           ".", call. = FALSE)
    }
  }
  target <- if (length(extras)) paste0(source, "[", paste(extras, collapse = ","), "]") else source
  message("making ", folder, " with ", python)
  run(python, c("-m", "venv", folder))
  of_environment <- file.path(folder, if (.Platform$OS.type == "windows") "Scripts/python.exe" else "bin/python")
  run(of_environment, c("-m", "pip", "install", "--quiet", "--upgrade", "pip"))
  run(of_environment, c("-m", "pip", "install", "--quiet", target, limits))
  message("installed; restart R if Python has started in this session, then library(fieldzoo)")
  invisible(of_environment)
}

# The versions that a reticulate needs, as pip has them; zoo/r_setup.py knows the same limits.
version_limits <- function(version) {
  c(if (version < "1.41") c("numpy<2", "pyarrow<21"), if (version < "1.45") "pandas<3")
}

# The folder of the Python package that `configure` noted, if it is still there, or its name.
default_source <- function() {
  note <- system.file("checkout", package = "fieldzoo")
  folder <- if (note == "") "" else readLines(note, n = 1)
  if (folder != "" && file.exists(file.path(folder, "setup.cfg"))) folder else "fieldzoo"
}

# The first Python of a version that fieldzoo takes and that can make environments.
find_python <- function() {
  test <- "import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))"
  candidates <- unique(Sys.which(c("/usr/bin/python3", "python3", "python3.13", "python3.12", "python3.11", "python")))
  for (python in candidates[candidates != ""]) {
    if (suppressWarnings(system2(python, c("-c", shQuote(test)), stdout = FALSE, stderr = FALSE)) == 0) {
      return(python)
    }
  }
  stop("there is no Python 3.11 to 3.13 that can make environments; on Debian: apt install python3-venv. Else pass its ",
       "path: zoo_install(python = \"/path/to/python3.12\").", call. = FALSE)
}

#' @rdname zoo_install
#' @export
zoo_check <- function() {
  problem <- tryCatch({
    start_python()
    NULL
  }, error = conditionMessage)
  if (!is.null(problem)) {
    message("- ", problem)
    return(invisible(FALSE))
  }
  invisible(call_python(zoo()$r_check()))
}
