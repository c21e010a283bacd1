# Loaded before every test file.
library(reticulate)
zoo <- import("zoo")
recipes <- import("recipes")

needs_arrays <- function() {
  testthat::skip_if_not(
    py_numpy_available(),
    "this reticulate passes no arrays to this NumPy: `make r-env` makes a Python where it does"
  )
}

# Returns the message of the error of `call`, or "" if there is none.
message_of <- function(call) tryCatch({ call; "" }, error = conditionMessage)
