# Reference values of every analysis on three more data sets: colon, flchain and birthwt, from the tables beside this file.
# The formulas are those of the other scripts here, which are read up to where they write.
# Run in this folder: Rscript public-data.R   (Debian: r-base-core r-cran-survival)
suppressMessages(library(survival))
script <- function(file) {
  lines <- readLines(file); end <- grep("^out <- list", lines)[1] - 1
  e <- new.env(); eval(parse(text = lines[1:end]), e); e
}
base <- script("make-reference.R"); more <- script("more-reference.R"); summaries <- script("summaries-reference.R")
crosstab <- script("crosstab.R"); rate <- script("rates.R"); r_roc <- script("roc.R"); curves <- script("survival.R")
r_ridge <- script("ridge.R"); r_glm <- script("glm.R")

colon <- read.csv("colon.csv"); colon <- subset(colon, etype == 2)          # deaths; the other rows are recurrences
colon$rx <- factor(colon$rx, levels = c("Obs", "Lev", "Lev+5FU")); colon$part <- (seq_len(nrow(colon)) - 1) %% 7
colon$differ_f <- factor(colon$differ, levels = c(2, 1, 3))
birthwt <- read.csv("birthwt.csv"); birthwt$race <- factor(birthwt$race)
flchain <- read.csv("flchain.csv"); flchain$sex <- factor(flchain$sex)
flchain$band <- cut(flchain$age, c(0, 60, 70, 80, 200), labels = c("50-59", "60-69", "70-79", "80+"), right = FALSE)
alive <- subset(flchain, futime > 0)                                        # person-time is above 0
alive$log_futime <- log(alive$futime / 365.25)
events <- function(d, event, time) { d$event <- d[[event]]; d$time <- d[[time]]; d }
# `ends` of survival are where the analysis ends the intervals that it releases of that grid: it merges those with small counts
control <- glm.control(1e-15, 60)
logistic <- function(f, d) more$glmp(more$polish(do.call(glm, list(f, binomial, d, control = control))))
matrix_of <- function(d, ...) as.matrix(d[c(...)])

out <- list(
  describe = list(birthwt = list(lwt = summaries$shape(birthwt$lwt), bwt = summaries$shape(birthwt$bwt)),
    bwt_by_race = summaries$by(summaries$shape, birthwt$bwt, birthwt$race),
    flchain = list(kappa = summaries$shape(flchain$kappa), lambda = summaries$shape(flchain$lambda), creatinine = summaries$shape(flchain$creatinine)),
    creatinine_by_sex = summaries$by(summaries$shape, flchain$creatinine, flchain$sex),
    nodes_by_rx = summaries$by(summaries$shape, colon$nodes, colon$rx)),
  compare = list(bwt_by_smoke = summaries$compare(birthwt$bwt, birthwt$smoke), bwt_by_race = summaries$compare(birthwt$bwt, birthwt$race),
    nodes_by_rx = summaries$compare(colon$nodes, colon$rx), creatinine_by_sex = summaries$compare(flchain$creatinine, flchain$sex)),
  histogram = list(lwt = summaries$bins(birthwt$lwt, seq(80, 200, 20)), age = summaries$bins(colon$age, seq(30, 80, 10)),
    kappa = summaries$bins(flchain$kappa, c(0, 0.5, 1, 1.5, 2, 3, 5))),
  quantiles = list(age = summaries$inverse(flchain$age), creatinine = summaries$inverse(flchain$creatinine), nodes = summaries$inverse(colon$nodes)),
  table = list(rx_status = base$tab(colon$rx, colon$status), smoke_low = base$tab(birthwt$smoke, birthwt$low),
    smoke_low_tests = do.call(crosstab$fourfold, as.list(as.vector(t(table(birthwt$smoke, birthwt$low)))))$result),
  correlation = list(birthwt = summaries$pearson(birthwt[c("age", "lwt", "bwt")]), flchain = summaries$pearson(flchain[c("age", "kappa", "lambda", "creatinine")])),
  pca = list(birthwt = summaries$components(birthwt[c("age", "lwt", "bwt")], TRUE),
    flchain = summaries$components(flchain[c("age", "kappa", "lambda", "creatinine")], TRUE)),
  linear = list(birthwt = more$full(lm(bwt ~ age + lwt + race + smoke + ht + ui, birthwt)),
    flchain = more$full(lm(lambda ~ age + creatinine + sex + kappa, flchain)),
    colon_by_part = more$lmr(lm(time ~ age + nodes + rx + factor(part), colon), c("age", "nodes", "rxLev", "rxLev+5FU"))),
  ridge = list(birthwt = r_ridge$ridge(birthwt$bwt, matrix_of(birthwt, "age", "lwt", "smoke", "ht"), 12.5),
    flchain = r_ridge$ridge(flchain$lambda, matrix_of(flchain, "age", "creatinine", "kappa"), 100)),
  logistic = list(birthwt = logistic(low ~ age + lwt + race + smoke + ui, birthwt), colon = logistic(status ~ age + nodes + rx, colon),
    flchain = logistic(death ~ age + sex + kappa + lambda + creatinine, flchain)),
  glm = list(visits = r_glm$fit(ftv ~ age + lwt + smoke, poisson, birthwt), visits_quasi = r_glm$fit(ftv ~ age + lwt + smoke, quasipoisson, birthwt),
    deaths = r_glm$fit(death ~ age + sex + kappa + offset(log(futime)), poisson, alive),
    weight = r_glm$fit(bwt ~ age + lwt + race + smoke, Gamma("log"), birthwt), weight_inverse = r_glm$fit(bwt ~ age + lwt + smoke, Gamma, birthwt),
    creatinine = r_glm$fit(creatinine ~ age + sex + kappa, Gamma("log"), flchain), lambda_inverse = r_glm$fit(lambda ~ age + sex + kappa, Gamma, flchain, c(1 / mean(flchain$lambda), 0, 0, 0)),
    time_by_extent = r_glm$fit(time ~ age + rx + offset(log(extent)), Gamma("log"), colon),
    low_probit = r_glm$fit(low ~ age + lwt + smoke, binomial("probit"), birthwt), low_quasi = r_glm$fit(low ~ age + lwt + smoke, quasibinomial, birthwt),
    death_cloglog = r_glm$fit(death ~ age + sex + offset(log_futime), binomial("cloglog"), alive),
    colon_probit = r_glm$fit(status ~ age + nodes + rx, binomial("probit"), colon), colon_cloglog = r_glm$fit(status ~ age + nodes + rx, binomial("cloglog"), colon)),
  cox = list(colon_by_part = more$coxp(coxph(Surv(time, status) ~ age + nodes + rx + strata(part), colon, ties = "breslow", control = base$tight)),
    colon_differ_by_part = more$coxp(coxph(Surv(time, status) ~ age + differ_f + strata(part), colon, ties = "breslow", control = base$tight))),
  mh = list(colon = crosstab$mh(colon$surg, colon$status, colon$part), birthwt = crosstab$mh(birthwt$smoke, birthwt$low, (seq_len(nrow(birthwt)) - 1) %% 4)),
  rates = list(flchain = rate$rates(events(flchain, "death", "futime"), "band", c(4000, 3000, 2000, 1000), c(5, 15, 40, 110.5), 20, 365250),
    flchain_f = rate$rates(events(subset(flchain, sex == "F"), "death", "futime"), "band", c(4000, 3000, 2000, 1000), c(5, 15, 40, 110.5), 20, 365250)),
  survival = list(colon = curves$case(events(colon, "status", "time"), NULL, 365, 8, c(1, 5, 6, 7, 8), 2190),
    colon_by_rx = curves$case(events(colon, "status", "time"), "rx", 730, 4, c(3, 4), 2190)),
  roc = list(nodes = r_roc$roc(colon$nodes, colon$status, c(2, 4, 8)), age = r_roc$roc(flchain$age, flchain$death, seq(55, 90, 5)),
    probability = r_roc$roc(flchain$flc.grp / 10 - 0.05, flchain$death, (1:9) / 10, TRUE)))
writeLines(base$js(out), "public-data.json")
