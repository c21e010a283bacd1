# What every test file begins with; and why some tests cannot run on an older reticulate.
library(reticulate)
zoo <- import("zoo")
recipes <- import("recipes")

needs_arrays <- function() {
  testthat::skip_if_not(
    py_numpy_available(),
    "this reticulate passes no arrays to this NumPy: `make r-env` makes a Python where it does"
  )
}

# The message of the error that `call` ends in, or "" where it does not.
message_of <- function(call) tryCatch({ call; "" }, error = conditionMessage)
