# Mean and standard deviation of a column over all sites, with base R.
#
# The column is fixed in the image: base R reads no JSON, and a review of the image then covers it.
# map     count, sum and sum of squares of the rows that have a value: 3 numbers
# reduce  mean and standard deviation: 2 numbers
column <- "age"
entry <- commandArgs(trailingOnly = TRUE)[1]

read_vector <- function(name) scan(file.path("/flamesh", name), quiet = TRUE)
write_vector <- function(values) writeLines(sprintf("%.17g", values), "/flamesh/out/update.txt")

job <- readLines("/flamesh/job.json", warn = FALSE)
if (!any(grepl('"contract":"flamesh-image/1"', job, fixed = TRUE))) stop("this image follows flamesh-image/1")

if (entry == "map") {
  rows <- read.csv("/flamesh/data/rows.csv", check.names = FALSE, na.strings = "")
  x <- as.numeric(rows[[column]])
  x <- x[!is.na(x)]
  write_vector(c(length(x), sum(x), sum(x^2)))
} else {
  total <- read_vector("sum.txt")
  mean <- total[2] / total[1]
  write_vector(c(mean, sqrt((total[3] - total[1] * mean^2) / (total[1] - 1))))
}
