# Reference values of models with interactions: numeric by numeric, factor by numeric, factor by factor.
# Run in this folder: Rscript interactions.R   (Debian: r-base-core r-cran-survival)
suppressMessages(library(survival))
source_lines <- readLines("make-reference.R")
eval(parse(text = source_lines[grep("^(num|js) ", source_lines)[1]:(grep("^desc <-", source_lines) - 1)]))
polished <- function(formula, data) {
  m <- glm(formula, binomial, data, control = glm.control(1e-15, 60))
  glmr(suppressWarnings(glm(formula, binomial, data, start = coef(m), control = glm.control(1e-300, 4))))   # weights at the very end
}
lmr <- function(m) list(n = nobs(m), names = names(coef(m)), coef = unname(coef(m)), se = unname(sqrt(diag(vcov(m)))),
                        sigma = summary(m)$sigma, r2 = summary(m)$r.squared, df = df.residual(m))
within <- function(m, keep) { i <- match(keep, names(coef(m))); list(n = nobs(m), coef = unname(coef(m)[i]), se = unname(sqrt(diag(vcov(m)))[i]), sigma = summary(m)$sigma) }
l <- read.csv("lung.csv")
l$event <- l$status - 1
l$site <- (seq_len(nrow(l)) - 1) %% 4                # row i (from 0) belongs to site i mod 4
two <- subset(l, ph.ecog < 2)
two$site <- (seq_len(nrow(two)) - 1) %% 4
two$sex <- factor(two$sex); two$ph.ecog <- factor(two$ph.ecog)
three <- transform(subset(l, ph.ecog < 3), sex = factor(sex, levels = c("2", "1")), ph.ecog = factor(ph.ecog))
out <- list(
  linear_factor_by_factor = lmr(lm(wt.loss ~ age + ph.ecog + sex + ph.ecog:sex, three)),
  linear_factor_by_numeric = lmr(lm(wt.loss ~ age + ph.ecog + age:ph.ecog, three)),
  linear_by_site = within(lm(meal.cal ~ age + sex + wt.loss + age:wt.loss + factor(site), l), c("age", "sex", "wt.loss", "age:wt.loss")),
  logistic_factor_by_factor = polished(event ~ age + sex + ph.ecog + sex:ph.ecog, two),
  logistic_numeric = polished(event ~ age + sex + ph.karno + age:sex + age:ph.karno, l),
  cox_by_site = cox(coxph(Surv(time, event) ~ age + sex + ph.ecog + age:sex + sex:ph.ecog + strata(site), two, ties = "breslow", control = tight)))
writeLines(js(out), "interactions.json")
