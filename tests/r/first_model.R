# The README's first model, as an R user writes it: doubles for counts, no integers, named access.
library(reticulate)
zoo <- import("zoo")
recipes <- import("recipes")

model <- zoo$lenet5(c(28, 28, 1), 10)
stopifnot(model$count_params() == 61706)

run <- recipes$Classification(epochs = 2)$fit(model, "bundled:mnist-5k", verbose = FALSE)
accuracy <- run$evaluate("test")$accuracy
stopifnot(is.numeric(accuracy), accuracy > 0.5)

tried <- tryCatch(zoo$lenet5(c(28, 28, 1), 2.5), error = conditionMessage)
stopifnot(grepl("`classes` must be a whole number of at least 1, got 2.5", tried, fixed = TRUE))
cat("accuracy", accuracy, "\n")
