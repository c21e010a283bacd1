library(testthat)
library(fieldzoo)

test_check("fieldzoo")
