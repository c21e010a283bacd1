# Modules of Python, imported at the first use; conditions of Python as those of R.

ENVIRONMENT <- "r-fieldzoo" # the virtual environment that zoo_install() makes
modules <- new.env(parent = emptyenv())

# Returns a Python module. Values are converted to those of R, except for `convert = FALSE`.
python_module <- function(name, convert = TRUE) {
  key <- paste(name, convert)
  if (is.null(modules[[key]])) {
    start_python()
    modules[[key]] <- reticulate::import(name, convert = convert)
  }
  modules[[key]]
}

recipes <- function() python_module("recipes")
zoo <- function() python_module("zoo")

# Chooses the Python of zoo_install() unless another is set, and starts it.
start_python <- function() {
  if (isTRUE(modules$started)) {
    return(invisible())
  }
  if (Sys.getenv("TF_CPP_MIN_LOG_LEVEL") == "") {
    Sys.setenv(TF_CPP_MIN_LOG_LEVEL = "2") # without TensorFlow's start-up notes
  }
  has_python <- Sys.getenv("RETICULATE_PYTHON") != "" || reticulate::py_available()
  if (!has_python && reticulate::virtualenv_exists(ENVIRONMENT)) {
    Sys.setenv(RETICULATE_PYTHON = reticulate::virtualenv_python(ENVIRONMENT))
    has_python <- TRUE
  }
  if (!has_python) {
    stop("there is no Python with fieldzoo. Run fieldzoo::zoo_install() once (some minutes, 3 GB), or set ",
         "RETICULATE_PYTHON to a Python that has it.", call. = FALSE)
  }
  problem <- tryCatch({
    reticulate::py_config()
    if (reticulate::py_module_available("recipes")) NULL else "has no fieldzoo"
  }, error = function(e) paste("does not start:", first_line(conditionMessage(e))))
  if (!is.null(problem)) {
    python <- Sys.getenv("RETICULATE_PYTHON", "of this session")
    stop("the Python ", python, " ", problem, ". Restart R and run fieldzoo::zoo_install(), or fieldzoo::zoo_check() ",
         "to see what is wrong.", call. = FALSE)
  }
  reticulate::import("logging")$getLogger("tensorflow")$setLevel("ERROR") # its notes on tracing are of no use in R
  modules$started <- TRUE
}

first_line <- function(text) strsplit(text, "\n", fixed = TRUE)[[1]][1]

# Evaluates a call of Python: its errors become errors of R without Python's words, its warnings become warnings of R.
call_python <- function(expression) {
  warnings <- python_module("warnings", convert = FALSE)
  caught <- warnings$catch_warnings(record = TRUE)
  records <- caught$`__enter__`()
  warnings$simplefilter("ignore")
  warnings$simplefilter("always", category = reticulate::import_builtins(convert = FALSE)$UserWarning)
  notes <- character()
  value <- tryCatch(expression, error = function(e) e, finally = {
    notes <- as.character(unlist(reticulate::iterate(records, function(record) reticulate::py_str(record$message))))
    caught$`__exit__`(NULL, NULL, NULL)
  })
  if (inherits(value, "error")) {
    stop(python_message(value), call. = FALSE)
  }
  for (note in unique(notes)) {
    warning(in_r_words(note), call. = FALSE)
  }
  value
}

python_message <- function(error) {
  text <- conditionMessage(error)
  text <- sub("\n*Run `reticulate::py_last_error\\(\\)`.*$", "", text)
  text <- sub("^Error in [^\n]*: *\n? *", "", text)
  text <- sub("^[A-Za-z_.]*(Error|Exception): ", "", trimws(text))
  in_r_words(text)
}

# The words of R for those of Python in a message.
in_r_words <- function(text) {
  text <- gsub("x.reshape(N, H, W, C), in R array_reshape(x, c(N, H, W, C)), makes them",
               "reticulate::array_reshape(x, c(N, H, W, C)) makes them", text, fixed = TRUE)
  text <- gsub("missing='drop'", "na.action = na.omit", text, fixed = TRUE)
  text <- gsub("missing='impute'", "na.action = \"impute\"", text, fixed = TRUE)
  text <- gsub("; `columns` names the inputs instead", "; name it in the formula, instead of the dot, to use it", text,
               fixed = TRUE)
  text <- gsub("`drop_columns` leaves it out", "`- column` in the formula leaves it out", text, fixed = TRUE)
  text <- gsub("\\bNone\\b", "NULL", text)
  text <- gsub("\\bTrue\\b", "TRUE", text)
  gsub("\\bFalse\\b", "FALSE", text)
}

# Returns the closest of some names, as a question, or "".
did_you_mean <- function(name, names) {
  if (!length(names)) {
    return("")
  }
  distance <- utils::adist(tolower(name), tolower(names))[1, ]
  best <- which.min(distance)
  if (distance[best] > max(1, nchar(name) / 3)) "" else paste0(" Did you mean `", names[best], "`?")
}

needs_package <- function(package, what) {
  if (!requireNamespace(package, quietly = TRUE)) {
    stop(what, " needs the R package ", package, ": install.packages(\"", package, "\").", call. = FALSE)
  }
}
