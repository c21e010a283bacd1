read <- function(formula, data) suppressMessages(fieldzoo:::read_formula(formula, data))

test_that("terms become columns, which new data repeat", {
  design <- read(log(mpg) ~ wt + I(hp^2) + factor(cyl) + wt:qsec + poly(disp, 2), mtcars)
  expect_named(design$inputs, c("wt", "I(hp^2)", "factor(cyl)", "poly(disp, 2)1", "poly(disp, 2)2", "wt:qsec"))
  expect_equal(design$inputs$`wt:qsec`, mtcars$wt * mtcars$qsec)
  expect_equal(design$target$`log(mpg)`, log(mtcars$mpg))
  again <- fieldzoo:::apply_formula(design, mtcars[1:3, ])$inputs
  expect_equal(again, design$inputs[1:3, ], ignore_attr = TRUE)
})

test_that("interactions of factors are those of a model frame", {
  data <- made_table()
  data$wet <- factor(rep(c("dry", "wet", NA), 30))
  two <- read(y ~ region:wet, data)$inputs
  expect_equal(two[[1]][1:3], c("NA:dry", "EU:wet", NA))
  slopes <- read(y ~ region:x, data)$inputs
  expect_named(slopes, c("regionAS:x", "regionEU:x", "regionNA:x"))
  expect_equal(slopes[[2]], ifelse(data$region == "EU", data$x, 0))
  expect_named(read(y ~ region * x, data)$inputs[1:2], c("region", "x"))
})

test_that("an ordered factor is its rank", {
  data <- data.frame(y = 1:3, size = factor(c("s", "l", "m"), levels = c("s", "m", "l"), ordered = TRUE))
  expect_equal(read(y ~ size, data)$inputs$size, c(1, 3, 2))
})

test_that("responses have the classes of their levels", {
  data <- made_table()
  expect_error(read(region ~ x, data), "is called NA")
  data$kind <- rep(c("b", "a", "c"), 30)
  expect_message(fieldzoo:::read_formula(kind ~ x, data), "is text, so its values are the classes")
  expect_equal(levels(read(kind ~ x, data)$target[[1]]), c("a", "b", "c"))
  expect_equal(levels(read(I(x) > 0 ~ region, data)$target[[1]]), c("FALSE", "TRUE"))
  expect_named(read(cbind(x, y) ~ region, data)$target, c("x", "y"))
})

test_that("formulas that cannot be fitted are refused with what to write", {
  data <- made_table()
  data$day <- as.Date("2020-01-01") + seq_len(nrow(data))
  data$day_text <- factor(format(data$day))
  expect_error(read(y ~ rejion, data), "`rejion` is not in the data. Did you mean `region`?", fixed = TRUE)
  expect_error(read(z ~ x, data), "`z` is not in the data")
  expect_error(read(~x, data), "the response on its left side")
  expect_error(read(y ~ 1, data), "must have a predictor")
  expect_error(read(y ~ x + day, data), "`day` has dates, which are no numbers")
  expect_error(read(y ~ x + day_text, data), "`day_text` has dates as text")
  expect_error(read(day ~ x, data), "as.numeric(day)", fixed = TRUE)
  expect_error(read(y ~ I(list(1)), data), "cannot be applied|must be a vector")
  expect_message(fieldzoo:::read_formula(y ~ x - 1, data), "no effect")
  expect_message(fieldzoo:::read_formula(y ~ ., data), "left out `day_text`")
})

test_that("tables of every kind are read, and a matrix is refused", {
  skip_if_not_installed("tibble")
  expect_identical(class(fieldzoo:::as_plain_table(tibble::as_tibble(iris))), "data.frame")
  expect_error(fieldzoo:::as_plain_table(as.matrix(iris)), "got a matrix: as.data.frame(x)", fixed = TRUE)
  expect_error(fieldzoo:::as_plain_table(setNames(iris, rep("a", 5))), "got `a` twice")
  skip_if_not_installed("data.table")
  expect_identical(class(fieldzoo:::as_plain_table(data.table::as.data.table(iris))), "data.frame")
})
