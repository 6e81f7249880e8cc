"""Logistic regression over all sites by Newton's method, with the standard library of Python only.

parameters: {"outcome": column, "is": value that counts as 1, "covariates": [numeric columns]}
map     count of rows, gradient and Hessian (lower triangle) at the coefficients of the round before, summed over rows
reduce  the coefficients after one Newton step
With p coefficients (an intercept and the covariates) map gives 1 + p + p(p+1)/2 numbers, and reduce p.
"""
import csv
import json
import math
import sys

FOLDER = "/flamesh/"


def read_vector(name):
    with open(FOLDER + name) as file:
        return [float(line) for line in file]


def write_vector(values):
    with open(FOLDER + "out/update.txt", "w") as file:
        file.writelines(repr(float(value)) + "\n" for value in values)


def complete_rows(outcome, level, covariates):
    """Rows without a missing value: the outcome as 0 or 1, and the covariates after a 1 for the intercept."""
    with open(FOLDER + "data/rows.csv", newline="") as file:
        for row in csv.DictReader(file):
            if all(row[name] != "" for name in [outcome, *covariates]):
                yield row[outcome] == level, [1.0] + [float(row[name]) for name in covariates]


def map_rows(parameters, coefficients):
    covariates = parameters["covariates"]
    size = 1 + len(covariates)
    beta = coefficients or [0.0] * size
    count = 0
    gradient = [0.0] * size
    hessian = [[0.0] * size for _ in range(size)]
    for event, x in complete_rows(parameters["outcome"], parameters["is"], covariates):
        chance = 1 / (1 + math.exp(-sum(b * value for b, value in zip(beta, x))))
        count += 1
        for i in range(size):
            gradient[i] += (event - chance) * x[i]
            for j in range(i + 1):
                hessian[i][j] += chance * (1 - chance) * x[i] * x[j]
    print("rows used:", count)
    return [count, *gradient, *(hessian[i][j] for i in range(size) for j in range(i + 1))]


def solve(matrix, vector):
    """Gauss with pivots."""
    size = len(vector)
    rows = [row[:] + [value] for row, value in zip(matrix, vector)]
    for i in range(size):
        pivot = max(range(i, size), key=lambda k: abs(rows[k][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for k in range(i + 1, size):
            factor = rows[k][i] / rows[i][i]
            rows[k] = [a - factor * b for a, b in zip(rows[k], rows[i])]
    solution = [0.0] * size
    for i in reversed(range(size)):
        rest = sum(rows[i][j] * solution[j] for j in range(i + 1, size))
        solution[i] = (rows[i][size] - rest) / rows[i][i]
    return solution


def reduce_sum(parameters, coefficients, total):
    size = 1 + len(parameters["covariates"])
    beta = coefficients or [0.0] * size
    gradient, triangle = total[1 : 1 + size], iter(total[1 + size :])
    hessian = [[0.0] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1):
            hessian[i][j] = hessian[j][i] = next(triangle)
    return [b + step for b, step in zip(beta, solve(hessian, gradient))]


def main():
    with open(FOLDER + "job.json") as file:
        job = json.load(file)
    if job["contract"] != "flamesh-image/1":
        sys.exit("this image follows flamesh-image/1")
    state = read_vector("state.txt")
    if sys.argv[1] == "map":
        write_vector(map_rows(job["parameters"], state))
    else:
        write_vector(reduce_sum(job["parameters"], state, read_vector("sum.txt")))


main()
