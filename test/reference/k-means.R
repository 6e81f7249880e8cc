# Reference values of `k-means`: Lloyd's iterations from given centres, as many as the federated run makes (its gate may end them), by R's kmeans.
# Run in this folder: Rscript k-means.R   (Debian: r-base-core)
source_lines <- readLines("make-reference.R")
eval(parse(text = source_lines[grep("^(num|js) ", source_lines)[1]:(grep("^tight <-", source_lines) - 1)]))
named <- function(m) lapply(setNames(seq_len(nrow(m)), seq_len(nrow(m))), function(i) as.list(m[i, ]))
clusters <- function(x, centres, most) lapply(setNames(seq_len(most), seq_len(most)), function(i) {
  k <- suppressWarnings(kmeans(x, centres, iter.max = i, algorithm = "Lloyd"))
  list(size = k$size, withinss = k$withinss, centers = named(k$centers), totss = k$totss, tot_withinss = k$tot.withinss, betweenss = k$betweenss)
})
rotterdam <- read.csv("rotterdam.csv"); gbsg <- read.csv("gbsg.csv"); keep <- c("age", "nodes", "pgr")
x <- as.matrix(rbind(rotterdam[keep], gbsg[keep])); z <- scale(x)
lung <- read.csv("lung.csv"); l <- as.matrix(na.omit(lung[c("age", "ph.karno")]))
far <- l; far[, "age"] <- far[, "age"] + 1e6
out <- list(
  scaled = clusters(z, rbind(c(-1, 0, 0), c(1, 0, 0), c(0, 1.5, -0.5)), 10),
  plain = clusters(x[, 1:2], rbind(c(40, 2), c(65, 2), c(55.5, 10)), 10),
  lung = clusters(l, rbind(c(50, 90), c(70, 70)), 10),
  far = clusters(far, rbind(c(1000050, 90), c(1000070, 70)), 1))
writeLines(js(out), "k-means.json")
