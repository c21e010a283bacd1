# What reticulate alone loses: gaps, one row, texts that look like gaps.
round_trip <- function(data) {
  frame <- fieldzoo:::as_pandas(data)
  list(gaps = unlist(reticulate::py_to_r(frame$isna()$sum()$to_dict())), frame = frame)
}

test_that("gaps stay gaps in every kind of column", {
  needs_python()
  data <- data.frame(flag = c(TRUE, NA, FALSE), count = c(1L, NA, 3L), text = c("a", NA, "NA"),
                     level = factor(c("u", "v", NA)), day = as.Date(c("2020-01-01", NA, "2020-01-03")),
                     time = as.POSIXct(c("2020-01-01 12:00", NA, "2020-01-03 12:00"), tz = "UTC"), x = c(1, NaN, 2))
  result <- round_trip(data)
  expect_equal(result$gaps, c(flag = 1, count = 1, text = 1, level = 1, day = 1, time = 1, x = 1))
  expect_equal(as.character(result$frame$iloc[0]$day), "2020-01-01 00:00:00")
})

test_that("one row and no factor levels but its own are read", {
  needs_python()
  row <- round_trip(iris[1, ])$frame
  expect_equal(reticulate::py_to_r(row$shape), list(1L, 5L))
  expect_equal(as.character(row$iloc[0]$Species), "setosa")
})

test_that("integer64 is refused", {
  needs_python()
  data <- data.frame(x = 1:2)
  data$n <- structure(c(1, 2), class = "integer64")
  expect_error(fieldzoo:::as_pandas(data), "as.numeric(n)", fixed = TRUE)
})
