# Reference values of `roc`: area under the curve of a score cut into bins with DeLong's standard error, straight from its definition
# over all pairs of patients; calibration by bin; Brier's score. Run in this folder: Rscript roc.R   (base R)
source_lines <- readLines("make-reference.R")
eval(parse(text = source_lines[grep("^(num|js) ", source_lines)[1]:(grep("^tight <-", source_lines) - 1)]))
delong <- function(x, y) {
  psi <- outer(x[y == 1], x[y == 0], function(a, b) (a > b) + (a == b) / 2)
  v10 <- rowMeans(psi); v01 <- colMeans(psi); auc <- mean(psi)
  se <- sqrt(var(v10) / length(v10) + var(v01) / length(v01))
  list(auc = auc, auc_se = se, auc_ci_low = max(0, auc - qnorm(0.975) * se), auc_ci_high = min(1, auc + qnorm(0.975) * se))
}
roc <- function(score, y, cuts, probability = FALSE) {
  keep <- !is.na(score) & !is.na(y); score <- score[keep]; y <- y[keep]
  bin <- findInterval(score, cuts)                       # a bin holds its lower cut
  by <- function(f) as.vector(sapply(0:length(cuts), f))
  out <- c(list(positives = by(function(k) sum(y[bin == k])), negatives = by(function(k) sum(1 - y[bin == k])),
    sensitivity = by(function(k) mean(bin[y == 1] >= k)), specificity = by(function(k) mean(bin[y == 0] < k))),
    delong(bin, y), list(n = length(y), events = sum(y)))
  if (probability) out <- c(out, list(predicted = by(function(k) mean(score[bin == k])), observed = by(function(k) mean(y[bin == k])),
    brier = mean((score - y)^2), brier_scaled = 1 - mean((score - y)^2) / (mean(y) * (1 - mean(y))),
    mean_predicted = mean(score), prevalence = mean(y), observed_expected = sum(y) / sum(score)))
  out
}
l <- read.csv("lung.csv"); died <- l$status - 1
rt <- read.csv("rotterdam.csv"); gb <- read.csv("gbsg.csv")
age <- c(rt$age, gb$age); nodes <- c(rt$nodes, gb$nodes); event <- c(pmax(rt$recur, rt$death), gb$status)
out <- list(
  karno = roc(l$ph.karno, died, c(80, 90)),
  age_far = roc(l$age * 1e6 - 6e7, died, c(-1e7, -5e6, 0, 5e6, 1e7)),
  nodes = roc(nodes, event, c(1, 2, 4, 8, 16)),
  probability = roc((age - 20) / 75, event, (4:16) / 20, TRUE),
  lung_probability = roc((l$age - 30) / 60, died, (4:7) / 10, TRUE))
writeLines(js(out), "roc.json")
