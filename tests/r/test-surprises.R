# R's conventions that once gave a silently wrong result, or an error message only Python users understand.
test_that("large counts are exact", {
  expect_equal(zoo$macs(zoo$vgg16(c(224, 224, 3), 1000)), 15470264320)
})

test_that("large counts are exact in a data frame", {
  needs_arrays()
  expect_gt(zoo$describe("coatnet_7")$parameters, 2^31)
})

test_that("errors use R's indices and R's notation", {
  expect_match(message_of(zoo$dnn(4, 3, units = c(8, 2.5))), "`units`[2] must be", fixed = TRUE)
  expect_match(message_of(recipes$Classification(epochs = NULL)), "got NULL", fixed = TRUE)
  expect_match(message_of(recipes$Classification(epochs = NA)), "got TRUE (or NA", fixed = TRUE)
  expect_match(message_of(zoo$resnet51), "Did you mean `resnet56`?", fixed = TRUE)
})

flowers <- transform(iris, Species = factor(Species, levels = c("virginica", "setosa", "versicolor")))

test_that("the classes are the levels of a factor in their order, in results too", {
  needs_arrays()
  data <- recipes$load(flowers, target = "Species")
  expect_equal(unlist(data$classes), levels(flowers$Species))
  run <- recipes$Classification(epochs = 20, learning_rate = 0.02)$fit("dnn", data, verbose = FALSE, units = 8, l2 = 0)
  predicted <- factor(levels(flowers$Species)[max.col(run$predict(flowers))], levels = levels(flowers$Species))
  expect_gt(mean(predicted == flowers$Species), 0.8)
  expect_equal(as.character(run$predict(flowers, labels = TRUE)), as.character(predicted))
  two <- recipes$load(subset(flowers, Species != "setosa"), target = "Species")
  expect_equal(unlist(two$classes), c("virginica", "versicolor"))
  expect_match(unlist(two$notes), "levels without an example: 'setosa'", fixed = TRUE, all = FALSE)

  # One row, missing values, no rows
  expect_equal(dim(run$predict(as.list(flowers[1, -5]))), c(1L, 3L))
  gaps <- flowers[1:3, ]
  gaps$Sepal.Width[2] <- NA
  expect_match(message_of(run$predict(gaps, labels = TRUE)), "got 1 of 3 rows with a gap, the first in row 2",
               fixed = TRUE)
  expect_match(message_of(run$predict(flowers[0, ])), "the table has no rows", fixed = TRUE)

  # ~ is the home folder, and the returned path is a string
  home <- Sys.getenv("HOME")
  page <- run$report("~/fieldzoo-test.html")
  on.exit(unlink(page))
  expect_equal(page, file.path(home, "fieldzoo-test.html"))
  expect_true(file.exists(page))
  expect_match(capture.output(print(run)), "<Run: Classification of dnn on <table", fixed = TRUE, all = FALSE)
})

test_that("named lists are accepted; integer64 and ambiguous dates raise", {
  needs_arrays()
  named <- recipes$load(list(x = as.matrix(iris[1:4]), y = iris$Species))
  expect_equal(length(named$train$targets) + length(named$validation$targets) + length(named$test$targets), 150)
  wide <- cbind(flowers, n = structure((1:150) * 5e-324, class = "numeric")) # as integer64 arrives
  expect_match(message_of(recipes$load(wide, target = "Species")), "integer64, of which only the bits", fixed = TRUE)
  months <- data.frame(day = sprintf("01.%02d.2020", 1:12)[rep(1:12, 5)], level = 1:60)
  expect_match(message_of(recipes$load(months, time = "day", target = "level", window = 3)),
               "day and month are ambiguous", fixed = TRUE)
})

test_that("an R function as a callback of a Python thread raises", {
  expect_match(message_of(zoo$serving$Server(tempdir(), note = function(sentence) cat(sentence))),
               "`note` must not be an R function", fixed = TRUE)
})
