# What R's habits used to turn into a wrong answer without a word, or into one that only Python's users can read.
test_that("large counts arrive whole", {
  expect_equal(zoo$macs(zoo$vgg16(c(224, 224, 3), 1000)), 15470264320)
})

test_that("large counts arrive whole in a data frame", {
  needs_arrays()
  expect_gt(zoo$describe("coatnet_7")$parameters, 2^31)
})

test_that("errors count and write as R does", {
  expect_match(message_of(zoo$dnn(4, 3, units = c(8, 2.5))), "`units`[2] must be", fixed = TRUE)
  expect_match(message_of(recipes$Classification(epochs = NULL)), "got NULL", fixed = TRUE)
  expect_match(message_of(recipes$Classification(epochs = NA)), "got TRUE (or NA", fixed = TRUE)
  expect_match(message_of(zoo$resnet51), "Did you mean `resnet56`?", fixed = TRUE)
})

flowers <- transform(iris, Species = factor(Species, levels = c("virginica", "setosa", "versicolor")))

test_that("the levels of a factor are the classes in their own order, in what comes back too", {
  needs_arrays()
  data <- recipes$load(flowers, target = "Species")
  expect_equal(unlist(data$classes), levels(flowers$Species))
  run <- recipes$Classification(epochs = 20, rate = 0.02)$fit("dnn", data, verbose = FALSE, units = 8, l2 = 0)
  said <- factor(levels(flowers$Species)[max.col(run$predict(flowers))], levels = levels(flowers$Species))
  expect_gt(mean(said == flowers$Species), 0.8)
  expect_equal(as.character(run$predict(flowers, labels = TRUE)), as.character(said))
  two <- recipes$load(subset(flowers, Species != "setosa"), target = "Species")
  expect_equal(unlist(two$classes), c("virginica", "versicolor"))
  expect_match(unlist(two$notes), "levels without an example: 'setosa'", fixed = TRUE, all = FALSE)

  # A row alone, gaps, nothing at all
  expect_equal(dim(run$predict(as.list(flowers[1, -5]))), c(1L, 3L))
  gaps <- flowers[1:3, ]
  gaps$Sepal.Width[2] <- NA
  expect_match(message_of(run$predict(gaps, labels = TRUE)), "1 of 3 examples with NaN or NA in the column 'Sepal_Width'",
               fixed = TRUE)
  expect_match(message_of(run$predict(flowers[0, ])), "an example or more, got none", fixed = TRUE)

  # ~ is the home folder, and what is returned is text
  home <- Sys.getenv("HOME")
  page <- run$report("~/fieldzoo-test.html")
  on.exit(unlink(page))
  expect_equal(page, file.path(home, "fieldzoo-test.html"))
  expect_true(file.exists(page))
  expect_match(capture.output(print(run)), "<Run: Classification of dnn on <table", fixed = TRUE, all = FALSE)
})

test_that("integer64, named lists and ambiguous dates are understood or refused", {
  needs_arrays()
  named <- recipes$load(list(x = as.matrix(iris[1:4]), y = iris$Species))
  expect_equal(length(named$train$targets) + length(named$validation$targets) + length(named$test$targets), 150)
  wide <- cbind(flowers, n = structure((1:150) * 5e-324, class = "numeric")) # as integer64 arrives
  expect_match(message_of(recipes$load(wide, target = "Species")), "integer64, of which only the bits", fixed = TRUE)
  months <- data.frame(day = sprintf("01.%02d.2020", 1:12)[rep(1:12, 5)], level = 1:60)
  expect_match(message_of(recipes$load(months, time = "day", target = "level", window = 3)),
               "day and month are ambiguous", fixed = TRUE)
})

test_that("a function of R is not called from a thread of Python", {
  expect_match(message_of(zoo$serving$Server(tempdir(), note = function(sentence) cat(sentence))),
               "`note` must be no function of R", fixed = TRUE)
})
