# Serves a trained model over HTTP as in production: TensorFlow Serving's REST interface takes the columns of a data
# frame as JSON. The development server is a child process and ends with this script.
#
#   RETICULATE_PYTHON=.venv-r/bin/python Rscript examples/r/serve.R [epochs] [httr2 or base]
Sys.unsetenv("LD_LIBRARY_PATH") # R's value, which the server must not inherit
library(reticulate)
recipes <- import("recipes")
subprocess <- import("subprocess")
arguments <- commandArgs(TRUE)
epochs <- as.numeric(c(arguments, 60)[1])
client <- if (length(arguments) > 1) arguments[2] else if (requireNamespace("httr2", quietly = TRUE)) "httr2" else "base"

run <- recipes$Classification(epochs = epochs, batch_size = 16, learning_rate = 3e-3)$fit(
  "dnn", "bundled:penguins", verbose = FALSE, units = c(32, 16), l2 = 1e-3
)
export <- run$export("served/penguins")
cat("served/penguins differs from the model by", export$difference, "at most\n")

# Port 0 is any free port; the server prints its address as soon as it listens
server <- subprocess$Popen(
  c(import("sys")$executable, "-m", "recipes", "serve", "served", "--port", "0", "--grpc-port", "0"),
  stdout = subprocess$PIPE, text = TRUE
)

# Sends a list to `path` and returns the response, or stops with the server's error message
post_httr2 <- function(path, body) {
  request <- httr2::req_body_json(httr2::request(paste0("http://", host, ":", port, path)), body, digits = 15)
  response <- httr2::req_perform(httr2::req_error(request, is_error = function(response) FALSE))
  list(status = httr2::resp_status(response), body = httr2::resp_body_string(response))
}
post_base <- function(path, body) {
  body <- jsonlite::toJSON(body, auto_unbox = TRUE, digits = 15)
  connection <- socketConnection(host, port, open = "r+b", blocking = TRUE, timeout = 60)
  on.exit(close(connection))
  head <- c(paste("POST", path, "HTTP/1.0"), paste("Host:", host), "Content-Type: application/json",
            paste("Content-Length:", nchar(body, "bytes")), "", "")
  writeBin(charToRaw(paste0(paste(head, collapse = "\r\n"), body)), connection)
  lines <- readLines(connection, warn = FALSE)
  blank <- match("", lines)
  list(status = as.integer(strsplit(lines[1], " ")[[1]][2]), body = paste(lines[-seq_len(blank)], collapse = "\n"))
}
post <- function(path, body) {
  response <- if (client == "httr2") post_httr2(path, body) else post_base(path, body)
  content <- jsonlite::fromJSON(response$body)
  if (response$status != 200) stop("the server returned ", response$status, ": ", content$error, call. = FALSE)
  content
}

tryCatch({
  address <- strsplit(trimws(server$stdout$readline()), "\t")[[1]][1]
  host <- sub(":.*", "", sub("http://", "", address, fixed = TRUE))
  port <- as.integer(sub(".*:", "", address))
  status <- jsonlite::fromJSON(readLines(url(paste0("http://", host, ":", port, "/v1/models/penguins")), warn = FALSE))
  cat("version", status$model_version_status$version, "is", status$model_version_status$state, "by", client, "\n")

  # Each column of the data frame is an input of shape (N, 1), by its name
  birds <- data.frame(
    island = c("Torgersen", "Biscoe"), bill_length_mm = c(39, 50), bill_depth_mm = c(18.5, 15),
    flipper_length_mm = c(185, 222), body_mass_g = c(3700, 5500), sex = c("female", "male")
  )
  outputs <- post("/v1/models/penguins:predict", list(inputs = lapply(birds, as.matrix)))$outputs
  stopifnot(all.equal(outputs$probabilities, run$predict(birds), tolerance = 1e-5))
  print(cbind(birds[, c("island", "body_mass_g")], predicted = outputs$classes[, 1]))

  # A wrong request has an error message
  message <- tryCatch(post("/v1/models/penguins:predict", list(inputs = lapply(birds[, -1], as.matrix))), error = conditionMessage)
  cat("without an island,", message, "\n")
}, finally = {
  server$terminate()
  server$wait()
})

cat("probabilities", format(outputs$probabilities[1, 1], digits = 15), format(outputs$probabilities[2, 3], digits = 15), "\n")
