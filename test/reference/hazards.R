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

by_site <- fit(Surv(time, event) ~ age + sex + ph.ecog + strata(site), three)
crossed <- fit(Surv(time, event) ~ age + sex + ph.ecog + age:sex + sex:ph.ecog + strata(site), two)
breast <- fit(Surv(time, event) ~ age + hormon + nodes + strata(site), bc)
out <- list(
  lung_identity = tested(by_site, "identity"),
  lung_log = tested(by_site, "log"),
  interactions = tested(crossed, "log"),
  breast = tested(breast, "identity"))
writeLines(js(out), "hazards.json")
