# Data frames as Python has them, without the conversions of reticulate that lose values.

# Returns a data frame of R's own kind, from a tibble, a data.table, an sf object of points or a data frame.
as_plain_table <- function(data, argument = "data") {
  if (inherits(data, "sf")) {
    needs_package("sf", "A table with geometries")
    data <- with_coordinates(data)
  }
  if (is.matrix(data) || is.array(data)) {
    stop("`", argument, "` must be a data frame, got a ", if (is.matrix(data)) "matrix" else "array",
         ": as.data.frame(x). An array of images is fitted by zoo_fit(list(x, y), model = ...).", call. = FALSE)
  }
  if (!is.data.frame(data)) {
    stop("`", argument, "` must be a data frame, got ", class(data)[1], ".", call. = FALSE)
  }
  names <- names(data)
  if (anyDuplicated(names)) {
    stop("`", argument, "` must have distinct names of columns, got `", names[anyDuplicated(names)], "` twice.",
         call. = FALSE)
  }
  as.data.frame(data, stringsAsFactors = FALSE)
}

# The points of an sf object as columns .x and .y, in map units.
with_coordinates <- function(data) {
  if (!all(sf::st_geometry_type(data) == "POINT")) {
    stop("`data` must have points as geometries, got ", as.character(sf::st_geometry_type(data)[1]),
         ": sf::st_centroid(data).", call. = FALSE)
  }
  points <- sf::st_coordinates(data)
  data <- sf::st_drop_geometry(data)
  data$.x <- points[, 1]
  data$.y <- points[, 2]
  data
}

# Returns a pandas data frame: factors and text as categories, NA as a gap in every kind of column, dates as times in UTC.
# Its index is `rows`.
as_pandas <- function(data, rows = seq_len(nrow(data))) {
  pandas <- python_module("pandas", convert = FALSE)
  columns <- lapply(names(data), function(name) as_pandas_column(data[[name]], name, pandas))
  names(columns) <- names(data)
  frame <- pandas$DataFrame(columns, index = pandas$Index(array(as.integer(rows))))
  reticulate::py_set_attr(frame, "attrs", list(exact_gaps = TRUE))
  frame
}

as_pandas_column <- function(x, name, pandas) {
  if (inherits(x, "integer64")) {
    stop("`", name, "` must have numbers of R, got integer64: as.numeric(", name, ").", call. = FALSE)
  }
  if (is.character(x)) {
    x <- factor(x)
  }
  if (is.factor(x)) {
    codes <- as.integer(x) - 1L
    codes[is.na(codes)] <- -1L
    return(pandas$Categorical$from_codes(array(codes), categories = as.list(levels(x))))
  }
  if (inherits(x, "Date") || inherits(x, "POSIXt")) {
    seconds <- if (inherits(x, "Date")) as.numeric(x) * 86400 else as.numeric(as.POSIXct(x))
    return(pandas$to_datetime(array(seconds), unit = "s"))
  }
  if (is.logical(x) || (is.integer(x) && anyNA(x))) {
    x <- as.double(x) # NA of these has no value in Python
  }
  if (!is.numeric(x) || !is.null(dim(x)) && length(dim(x)) > 1) {
    stop("`", name, "` must be numbers, text, a factor, dates or TRUE and FALSE, got ", class(x)[1], ".", call. = FALSE)
  }
  array(as.vector(x))
}
