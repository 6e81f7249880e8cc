# Reference values of compare-means, correlation, pca, moments, histogram and quantiles, with base R alone, from the tables beside
# this file. Run in this folder: Rscript summaries-reference.R   (Debian: r-base-core)
source_lines <- readLines("make-reference.R")
eval(parse(text = source_lines[grep("^num ", source_lines)[1]:(grep("^tight ", source_lines) - 1)]))

l <- read.csv("lung.csv", check.names = FALSE)
l$late <- l$time + 1e6                              # far from zero, as dates are
l$tiny <- l$age * 1e-9                              # as concentrations are
l$large <- l$meal.cal * 4096                        # in one model with tiny
three <- subset(l, !is.na(ph.ecog) & ph.ecog < 3)
keep <- c("age", "nodes", "pgr", "er", "hormon")
bc <- rbind(read.csv("rotterdam.csv")[keep], read.csv("gbsg.csv")[keep])

# t-tests and analyses of variance; Cohen's d by its definition
two <- function(x, g, equal) {
  t <- t.test(x ~ g, var.equal = equal)
  list(difference = unname(t$estimate[1] - t$estimate[2]), se = t$stderr, ci_low = t$conf.int[1], ci_high = t$conf.int[2],
       t = unname(t$statistic), df = unname(t$parameter), p = t$p.value)
}
cohen <- function(x, g) {
  s <- split(x, g); n <- sapply(s, length); v <- sapply(s, var)
  unname((mean(s[[1]]) - mean(s[[2]])) / sqrt(sum((n - 1) * v) / (sum(n) - 2)))
}
compare <- function(x, g) {
  g <- factor(g[!is.na(x)]); x <- x[!is.na(x)]
  a <- anova(lm(x ~ g)); w <- oneway.test(x ~ g)
  out <- list(
    anova = list(f = a[1, 4], df1 = a[1, 1], df2 = a[2, 1], p = a[1, 5], ss_between = a[1, 2], ss_within = a[2, 2],
                 eta_squared = a[1, 2] / sum(a[, 2])),
    welch_anova = list(f = unname(w$statistic), df1 = unname(w$parameter[1]), df2 = unname(w$parameter[2]), p = w$p.value))
  if (nlevels(g) == 2) out <- c(list(welch = two(x, g, FALSE), student = c(two(x, g, TRUE), list(cohens_d = cohen(x, g)))), out)
  out
}

# Pearson's r of complete cases; lists are row by row, the pairs i < j
pearson <- function(d) {
  d <- d[complete.cases(d), ]; p <- ncol(d)
  tests <- unlist(lapply(1:(p - 1), function(i) lapply((i + 1):p, function(j) cor.test(d[[i]], d[[j]]))), recursive = FALSE)
  take <- function(f) unname(sapply(tests, f))
  list(n = nrow(d), mean = unname(sapply(d, mean)), sd = unname(sapply(d, sd)), r = take(function(t) t$estimate),
       ci_low = take(function(t) t$conf.int[1]), ci_high = take(function(t) t$conf.int[2]),
       t = take(function(t) t$statistic), df = nrow(d) - 2, p = take(function(t) t$p.value))
}
# every component with its largest loading positive
components <- function(d, scale) {
  d <- d[complete.cases(d), ]; pc <- prcomp(d, scale. = scale)
  signs <- apply(pc$rotation, 2, function(v) sign(v[which.max(abs(v))]))
  v <- pc$sdev^2
  list(n = nrow(d), center = unname(colMeans(d)), sdev = pc$sdev, eigenvalues = v, proportion = v / sum(v), cumulative = cumsum(v) / sum(v),
       rotation = as.vector(sweep(pc$rotation, 2, signs, "*")))   # component after component
}

# e1071's type 3 (b1 and b2), and types 1 and 2 for the text of the specification
shape <- function(x) {
  x <- x[!is.na(x)]; n <- length(x); m <- function(k) mean((x - mean(x))^k)
  g1 <- m(3) / m(2)^1.5; g2 <- m(4) / m(2)^2 - 3
  list(n = n, mean = mean(x), variance = var(x), sd = sd(x), skewness = g1 * ((n - 1) / n)^1.5,
       kurtosis = (g2 + 3) * (1 - 1 / n)^2 - 3)
}
by <- function(f, x, g) { s <- split(x, g); setNames(lapply(s, f), names(s)) }

# [a, b), the last bin closed: hist(right = FALSE)
bins <- function(x, breaks) {
  x <- x[!is.na(x)]; inside <- x[x >= breaks[1] & x <= breaks[length(breaks)]]
  list(breaks = breaks, counts = hist(inside, breaks, right = FALSE, plot = FALSE)$counts,
       below = sum(x < breaks[1]), above = sum(x > breaks[length(breaks)]), n = length(x))
}

# the smallest value that a share p of the values does not exceed
inverse <- function(x) { p <- c(.1, .25, .5, .75, .9); setNames(as.list(unname(quantile(x, p, type = 1, na.rm = TRUE))), p) }

out <- list(
  quantiles = list(age = inverse(l$age), wt.loss = inverse(l$wt.loss), tenth = inverse(l$age / 10), nodes = inverse(bc$nodes), pgr = inverse(bc$pgr)),
  compare = list(age_by_sex = compare(l$age, l$sex), meal.cal_by_sex = compare(l$meal.cal, l$sex), late_by_sex = compare(l$late, l$sex),
                 wt.loss_by_ecog = compare(three$wt.loss, three$ph.ecog), tiny_by_ecog = compare(three$tiny, three$ph.ecog),
                 nodes_by_hormon = compare(bc$nodes, bc$hormon), pgr_by_hormon = compare(bc$pgr, bc$hormon)),
  correlation = list(lung = pearson(l[c("age", "ph.karno", "meal.cal", "wt.loss")]), awkward = pearson(l[c("late", "tiny", "large", "sex")]),
                     breast = pearson(bc[c("age", "nodes", "pgr", "er")])),
  pca = list(lung = components(l[c("age", "ph.karno", "pat.karno", "meal.cal", "wt.loss")], TRUE),
             lung_covariance = components(l[c("age", "ph.karno", "pat.karno", "meal.cal", "wt.loss")], FALSE),
             awkward = components(l[c("late", "tiny", "large", "wt.loss")], TRUE),
             breast = components(bc[c("age", "nodes", "pgr", "er")], TRUE), breast_covariance = components(bc[c("age", "nodes", "pgr", "er")], FALSE)),
  moments = list(age = shape(l$age), meal.cal = shape(l$meal.cal), wt.loss = shape(l$wt.loss), late = shape(l$late), tiny = shape(l$tiny),
                 age_by_sex = by(shape, l$age, l$sex), wt.loss_by_ecog = by(shape, three$wt.loss, three$ph.ecog),
                 nodes = shape(bc$nodes), pgr = shape(bc$pgr), pgr_by_hormon = by(shape, bc$pgr, bc$hormon)),
  histogram = list(age = bins(l$age, seq(35, 85, 5)), age_wide = bins(l$age, c(50, 60, 70, 80)), meal.cal = bins(l$meal.cal, seq(0, 3000, 500)),
                   age_1 = bins(l$age[l$sex == 1], seq(50, 70, 5)), age_2 = bins(l$age[l$sex == 2], seq(50, 70, 5)),
                   nodes = bins(bc$nodes, c(0, 1, 4, 10, 20, 60))))
writeLines(js(out), "summaries.json")
