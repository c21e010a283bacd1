skip_if_not_installed("terra")

# A small raster with gaps, and cells of it.
elevation <- function() {
  map <- terra::rast(nrows = 30, ncols = 40, xmin = 0, xmax = 4000, ymin = 0, ymax = 3000, crs = "EPSG:25832")
  map <- c(terra::init(map, "x"), terra::init(map, "row"))
  names(map) <- c("height", "row")
  map$height[1:50] <- NA
  map
}

test_that("a map of a table's fit keeps grid, CRS and gaps, and names the classes", {
  needs_python()
  map <- elevation()
  cells <- na.omit(as.data.frame(map))[seq(1, 1100, by = 9), ]
  cells$zone <- factor(ifelse(cells$height > 2000, "high", "low"))
  fit <- quick_fit(zone ~ height + row, cells)
  file <- tempfile(fileext = ".tif")
  zones <- predict(fit, map, filename = file)
  expect_true(terra::compareGeom(zones, map))
  expect_equal(as.vector(is.na(terra::values(zones))), as.vector(is.na(terra::values(map$height))))
  expect_equal(terra::levels(terra::rast(file))[[1]][[2]], c("high", "low"))
  whole <- na.omit(as.data.frame(map))
  expect_equal(as.character(na.omit(as.data.frame(zones))[[1]]), as.character(predict(fit, whole)))
  probabilities <- predict(fit, map, type = "prob")
  expect_equal(names(probabilities), c("high", "low"))
  expect_error(predict(fit, map, filename = file), "overwrite = TRUE", fixed = TRUE)
  expect_error(predict(fit, map$height), "`row` is not in the data")
})

test_that("a segmentation of a SpatRaster is a map with its CRS and categories", {
  needs_python()
  skip_if_not(reticulate::py_module_available("rasterio"), "needs the Python package rasterio")
  image <- elevation()
  image$height[1:50] <- 0
  land <- image$height > 2000
  levels(land) <- data.frame(id = 0:1, class = c("plain", "hill"))
  fit <- zoo_fit_raster(land ~ ., image, tile = 8, epochs = 1, filters = c(4, 8), batch_size = 4, verbose = FALSE)
  map <- predict(fit, image)
  expect_true(terra::compareGeom(map, image))
  expect_equal(terra::levels(map)[[1]][[2]], c("plain", "hill"))
  expect_equal(dim(predict(fit, terra::crop(image, terra::ext(0, 1600, 0, 1600)))), c(16, 16, 1))
})
