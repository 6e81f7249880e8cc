# Reference values of `ridge`, by least squares on data with one more row for each coefficient, √penalty · sd in its column (the
# same minimum, without any normal equations), and the variance from the closed form. Run in this folder: Rscript ridge.R   (base R)
source_lines <- readLines("make-reference.R")
eval(parse(text = source_lines[grep("^(num|js) ", source_lines)[1]:(grep("^tight <-", source_lines) - 1)]))
ridge <- function(y, X, penalty, site = NULL) {
  keep <- complete.cases(y, X); y <- y[keep]; X <- X[keep, , drop = FALSE]; n <- length(y); p <- ncol(X)
  group <- if (is.null(site)) rep(1, n) else site[keep]
  centre <- function(v) v - ave(v, group)
  Z <- apply(X, 2, centre); z <- centre(y)
  sd <- sqrt(colSums(Z^2) / n)
  S <- sweep(Z, 2, sd, "/")                              # standardised, so that columns of any scale are alike to qr
  A <- rbind(S, sqrt(penalty) * diag(p))
  b <- qr.solve(A, c(z, rep(0, p)), tol = 1e-14)
  W <- solve(crossprod(A)); edf <- sum(diag(W %*% crossprod(S))) + length(unique(group))
  rss <- sum((z - S %*% b)^2); sigma <- sqrt(rss / (n - edf))
  V <- W %*% crossprod(S) %*% W
  coef <- b / sd; se <- sigma * sqrt(diag(V)) / sd; means <- colMeans(X)
  if (is.null(site)) {
    coef <- c(mean(y) - sum(coef * means), coef)
    se <- c(sigma * sqrt(1 / n + as.numeric(t(means / sd) %*% V %*% (means / sd))), se)
  }
  list(n = n, coef = unname(coef), se = unname(se), edf = edf, df = n - edf, sigma = sigma, r2 = 1 - rss / sum(z^2), gcv = n * rss / (n - edf)^2)
}
l <- read.csv("lung.csv")
l$twin <- l$age + l$sex / 1024; l$same <- l$age; l$tiny <- l$ph.karno * 1e-6; l$large <- l$wt.loss * 1e5
X <- function(...) as.matrix(l[c(...)])
three <- l$ph.ecog != 3 & !is.na(l$ph.ecog)
E <- cbind(age = l$age, e1 = ifelse(is.na(l$ph.ecog), NA, l$ph.ecog == 1), e2 = ifelse(is.na(l$ph.ecog), NA, l$ph.ecog == 2))[three, ]
rt <- read.csv("rotterdam.csv"); gb <- read.csv("gbsg.csv"); keep <- c("age", "pgr", "er", "hormon")
out <- list(
  lung = ridge(l$meal.cal, X("age", "sex", "wt.loss"), 10.5),
  weak = ridge(l$meal.cal, X("age", "sex"), 1e-9),
  strong = ridge(l$meal.cal, X("age", "sex"), 1e6),
  within = ridge(l$meal.cal, X("age", "sex", "wt.loss"), 25, (seq_len(nrow(l)) - 1) %% 4),
  factor = ridge(l$wt.loss[three], E, 3),
  collinear = ridge(l$meal.cal, X("age", "same", "sex"), 5),
  nearly = ridge(l$meal.cal, X("age", "twin"), 0.5),
  extreme = ridge(l$meal.cal, X("age", "tiny", "large"), 2),
  breast = ridge(c(rt$nodes, gb$nodes), as.matrix(rbind(rt[keep], gb[keep])), 100))
writeLines(js(out), "ridge.json")
