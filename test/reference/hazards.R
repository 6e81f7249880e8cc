# Reference values of tests of proportional hazards (cox.zph), of `cox-pooled` on times rounded up to a grid, and of `log-rank`.
# Run in this folder: Rscript hazards.R   (Debian: r-base-core r-cran-survival)
suppressMessages(library(survival))
source_lines <- readLines("make-reference.R")
eval(parse(text = source_lines[grep("^(num|js) ", source_lines)[1]:(grep("^glmr <-", source_lines) - 1)]))

l <- lung
largest <- c(1, 12, 13, 3, 11, 22, 16)
l$site <- ifelse(l$inst %in% largest, sprintf("inst-%02d", l$inst), "others")
l$event <- l$status - 1
three <- transform(subset(l, ph.ecog < 3), ph.ecog = factor(ph.ecog))
two <- transform(subset(l, ph.ecog < 2), sex = factor(sex), ph.ecog = factor(ph.ecog))
two$site <- (seq_len(nrow(two)) - 1) %% 4                # row i (from 0) belongs to site i mod 4
rt <- with(rotterdam, data.frame(site = "rotterdam", age, nodes, pgr, er, hormon, time = pmin(rtime, dtime), event = pmax(recur, death)))
gb <- with(gbsg, data.frame(site = "gbsg", age, nodes, pgr, er, hormon, time = rfstime, event = status))
bc <- rbind(rt, gb)

# The rows of R's table by name: of terms, and below a term of several columns those of its coefficients.
zph <- function(m, transform) {
  rows <- function(t) { names <- rownames(t); r <- lapply(seq_along(names), function(i) list(chisq = t[i, 1], df = t[i, 2], p = t[i, 3])); setNames(r, names) }
  terms <- rows(cox.zph(m, transform)$table)
  c(terms[sapply(terms, function(t) t$df > 1) & names(terms) != "GLOBAL"], rows(cox.zph(m, transform, terms = FALSE)$table))
}
fit <- function(f, d) eval(bquote(coxph(.(f), .(substitute(d)), ties = "breslow", control = tight)))  # cox.zph looks the data up again
tested <- function(m, transform) c(cox(m), list(zph = zph(m, transform), zph_transform = transform))

# `ends` are the ends of the intervals that the analysis leaves of the grid, in intervals.
survival_lines <- readLines("survival.R")
eval(parse(text = survival_lines[grep("^rounded ", survival_lines):(grep("^half ", survival_lines) - 1)]))
pooled <- function(d, f, width, intervals, ends, transform) {
  r <<- rounded(d, width, ends, intervals)
  c(list(ends = ends), tested(fit(update(f, Surv(time, event) ~ .), r), transform))
}
months <- c(3, 6, 9, 11, 15, 18, 19, 21, 22, 24:27, 29, 31:33, 36, 37, 39, 41, 43, 45, 48, 49, 51, 53, 54, 56, 57, 59:62, 64, 66, 67, 69, 71, 73, 75, 77, 79, 81, 83, 85, 87, 89,
            91, 94, 96, 98, 100, 102, 104, 106, 107, 109, 111, 113, 115, 117, 119, 120)

ranks <- function(f, d) {
  t <- survdiff(f, d)
  sums <- function(x) unname(if (is.matrix(x)) rowSums(x) else x)
  df <- sum(sums(t$exp) > 0) - 1
  list(size = unname(c(t$n)), observed = sums(t$obs), expected = sums(t$exp), chisq = t$chisq, df = df, p = pchisq(t$chisq, df, lower.tail = FALSE))
}

by_site <- fit(Surv(time, event) ~ age + sex + ph.ecog + strata(site), three)
crossed <- fit(Surv(time, event) ~ age + sex + ph.ecog + age:sex + sex:ph.ecog + strata(site), two)
breast <- fit(Surv(time, event) ~ age + hormon + nodes + strata(site), bc)
out <- list(
  lung_identity = tested(by_site, "identity"),
  lung_log = tested(by_site, "log"),
  interactions = tested(crossed, "log"),
  breast = tested(breast, "identity"),
  ranks = list(
    lung = ranks(Surv(time, event) ~ sex + strata(site), l),
    lung_within = ranks(Surv(time, event) ~ sex + strata(site, ward), transform(l, ward = (seq_len(nrow(l)) - 1) %% 2)),
    lung_three = ranks(Surv(time, event) ~ ph.ecog + strata(site), three),
    lung_one = ranks(Surv(time, event) ~ sex, l),
    breast = ranks(Surv(time, event) ~ hormon + strata(site), bc),
    breast_nodes = ranks(Surv(time, event) ~ nodes + strata(six), subset(transform(bc, six = (seq_len(nrow(bc)) - 1) %% 6), nodes <= 4))),
  pooled = list(
    lung_identity = pooled(l, ~ age + sex + ph.ecog, 30, 36, c(6, 8, 10, 13, 19, 35), "identity"),
    lung_log = pooled(l, ~ age + sex + ph.ecog, 30, 36, c(6, 8, 10, 13, 19, 35), "log"),
    lung_km = pooled(l, ~ age + sex + ph.ecog, 30, 36, c(6, 8, 10, 13, 19, 35), "km"),
    factor = pooled(three, ~ age + sex + ph.ecog, 90, 5, c(2, 3, 4, 5), "km"),
    interaction = pooled(subset(l, ph.ecog < 3), ~ age + sex + ph.ecog + age:sex, 90, 12, c(2, 3, 4, 6, 12), "log"),
    one = pooled(l, ~ age, 30, 36, c(3, 6, 8, 10, 13, 19, 35), "km"),
    breast = pooled(bc, ~ age + hormon + nodes, 180, 40, c(1:23, 25, 27, 29, 40), "km"),
    months = pooled(bc, ~ age + hormon + nodes, 30.4375, 120, months, "log"),
    skewed = pooled(bc, ~ age + nodes + pgr + er, 180, 40, c(1:23, 25, 27, 29, 40), "identity")))
writeLines(js(out), "hazards.json")
