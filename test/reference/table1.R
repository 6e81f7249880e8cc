# Reference values of `table1`, as the R package tableone computes them (1 p by oneway.test(var.equal = TRUE) and chisq.test; 2 standardised mean
# differences of Austin 2009, of factors of Yang and Dalton 2012, averaged over pairs of groups), by base R formulas: tableone is not in Debian.
# Run in this folder: Rscript table1.R   (Debian: r-base-core)
source_lines <- readLines("make-reference.R")
eval(parse(text = source_lines[grep("^(num|js) ", source_lines)[1]:(grep("^tight <-", source_lines) - 1)]))
pairs_mean <- function(groups, d) mean(apply(combn(length(groups), 2), 2, function(i) d(groups[[i[1]]], groups[[i[2]]])))
column <- function(x, g) {
  ok <- !is.na(x) & !is.na(g); x <- x[ok]; g <- g[ok]
  a <- oneway.test(x ~ g, var.equal = TRUE)
  of <- function(x) list(n = length(x), mean = mean(x), variance = var(x), sd = sd(x))
  list(describe = c(of(x), list(missing = sum(!ok), by = lapply(split(x, g), of))),
       comparison = list(test = "anova", statistic = unname(a$statistic), df1 = unname(a$parameter[1]), df2 = unname(a$parameter[2]), p = a$p.value, p_welch = oneway.test(x ~ g)$p.value,
                         smd = pairs_mean(split(x, g), function(x, y) abs(mean(x) - mean(y)) / sqrt((var(x) + var(y)) / 2))))
}
distance <- function(x, y) {
  p <- prop.table(table(x))[-1]; q <- prop.table(table(y))[-1]
  S <- (diag(p, length(p)) - outer(p, p) + diag(q, length(q)) - outer(q, q)) / 2
  sqrt(as.numeric(t(p - q) %*% solve(S) %*% (p - q)))
}
factor_of <- function(x, g) {
  ok <- !is.na(x) & !is.na(g); x <- factor(x[ok]); g <- factor(g[ok]); t <- table(x, g)
  plain <- suppressWarnings(chisq.test(t, correct = FALSE)); two <- all(dim(t) == 2)
  cell <- function(n, of) list(n = n, percent = 100 * n / of)
  list(missing = sum(!ok), factors = lapply(split(x, x), function(l) cell(length(l), sum(ok))),
       factors_by = lapply(setNames(levels(x), levels(x)), function(l) lapply(setNames(levels(g), levels(g)), function(h) cell(t[l, h], sum(t[, h])))),
       comparison = c(list(test = "chisq", statistic = unname(plain$statistic), df1 = unname(plain$parameter), p = plain$p.value, smd = pairs_mean(split(x, g), distance)),
                      if (two) list(p_yates = chisq.test(t)$p.value, p_fisher = fisher.test(t)$p.value)))
}
lung <- read.csv("lung.csv"); lung$ecog <- ifelse(lung$ph.ecog == 3, NA, lung$ph.ecog)
out <- list(
  by_sex = c(lapply(lung[c("age", "wt.loss", "meal.cal")], column, lung$sex), lapply(lung[c("ecog", "status")], factor_of, lung$sex)),
  by_ecog = c(lapply(lung[c("age", "wt.loss")], column, lung$ecog), lapply(lung[c("sex", "status")], factor_of, lung$ecog)))
writeLines(js(out), "table1.json")
