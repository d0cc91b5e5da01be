"""The loops behind the compiled leaves (`lab.nn.leaves`), compiled with numba.

A kernel does in one pass over the memory what NumPy does in several, but every operation in NumPy's order
and precision, so that results are equal bit for bit. Kernels see a population, (K, N, D); a single network is
its only member. They check the sizes of what they get, for nobody else does, and return whether these fit: if
not, nothing was done.
"""

import numpy as np
from numba import njit

from lab.nn.standardize import BLOCK

kernel = njit(cache=True, error_model="numpy", nogil=True)


@kernel
def fits(x, per_feature):
    """Whether (D,) or (K, D) belongs to x, (N, D) or (K, N, D) and not empty, and has its dtype."""
    shape = x.shape[:-2] + x.shape[-1:]
    return x.size > 0 and per_feature.dtype == x.dtype and per_feature.shape == shape


# --- affine -------------------------------------------------------------------------------------------


@kernel
def add_to_rows(x, b):
    """x += b, in place; x: (N, D) or (K, N, D), b: (D,) or (K, D)."""
    if not fits(x, b):
        return False
    n, d = x.shape[-2:]
    xs, bs = x.reshape((-1, n, d)), np.atleast_2d(b)
    for k in range(len(xs)):
        for i in range(n):
            for j in range(d):
                xs[k, i, j] += bs[k, j]
    return True


@kernel
def sum_of_rows(x, total):
    """total = the sum over the rows of x, in blocks as in `lab.nn.standardize`."""
    n, d = x.shape[-2:]
    if not fits(x, total) or d < 2:  # NumPy adds up a single column in another order
        return False
    xs, totals = x.reshape((-1, n, d)), np.atleast_2d(total)
    for k in range(len(xs)):
        whole, part = np.zeros(d, x.dtype), np.empty(d, x.dtype)
        for start in range(0, n, BLOCK):
            part[:] = 0
            for i in range(start, min(start + BLOCK, n)):
                for j in range(d):
                    part[j] += xs[k, i, j]
            whole += part
        totals[k] = whole
    return True


# --- batch norm ---------------------------------------------------------------------------------------


@kernel
def standardize_columns(
    x, gamma, beta, eps, dof, keep, add, unbiased, out, x_hat, inv_std, running_mean, running_var
):
    """Batch norm's forward pass in training mode; the last five arguments are written."""
    n, d = x.shape[-2:]
    fit = fits(x, gamma) and fits(x, beta) and fits(x, running_mean) and fits(x, running_var)
    if not fit or n < 2 or d < 2:
        return False
    xs, outs, hats = x.reshape((-1, n, d)), out.reshape((-1, n, d)), x_hat.reshape((-1, n, d))
    gammas, betas, inv_stds = np.atleast_2d(gamma), np.atleast_2d(beta), np.atleast_2d(inv_std)
    means, variances = np.atleast_2d(running_mean), np.atleast_2d(running_var)
    number = x.dtype.type
    one, rows, dof, eps = number(1), number(n), number(dof), number(eps)
    keep, add, unbiased = number(keep), number(add), number(unbiased)
    first, mean, var = np.empty(d, x.dtype), np.empty(d, x.dtype), np.empty(d, x.dtype)
    g, b, part = np.empty(d, x.dtype), np.empty(d, x.dtype), np.empty(d, x.dtype)
    for k in range(len(xs)):
        x_k, out_k, hat, inv = xs[k], outs[k], hats[k], inv_stds[k]
        g[:], b[:] = gammas[k], betas[k]
        mean[:], var[:], first[:] = 0, 0, x_k[0]
        for start in range(0, n, BLOCK):
            part[:] = 0
            for i in range(start, min(start + BLOCK, n)):
                for j in range(d):
                    part[j] += x_k[i, j] - first[j]
            mean += part
        mean /= rows
        for start in range(0, n, BLOCK):
            part[:] = 0
            for i in range(start, min(start + BLOCK, n)):
                for j in range(d):
                    hat[i, j] = x_k[i, j] - first[j] - mean[j]
                    part[j] += hat[i, j] * hat[i, j]
            var += part
        for j in range(d):
            var[j] /= dof
            inv[j] = one / np.sqrt(var[j] + eps)
            means[k, j] = keep * means[k, j] + add * (mean[j] + first[j])
            variances[k, j] = keep * variances[k, j] + add * (var[j] * unbiased)
        for i in range(n):
            for j in range(d):
                hat[i, j] *= inv[j]
                out_k[i, j] = hat[i, j] * g[j] + b[j]
    return True


@kernel
def scale_columns(x, mean, inv_std, gamma, beta, out, x_hat):
    """Batch norm's forward pass in test mode; the last two arguments are written."""
    if not (fits(x, mean) and fits(x, inv_std) and fits(x, gamma) and fits(x, beta)):
        return False
    n, d = x.shape[-2:]
    xs, outs, hats = x.reshape((-1, n, d)), out.reshape((-1, n, d)), x_hat.reshape((-1, n, d))
    means, inv_stds = np.atleast_2d(mean), np.atleast_2d(inv_std)
    gammas, betas = np.atleast_2d(gamma), np.atleast_2d(beta)
    m, inv = np.empty(d, x.dtype), np.empty(d, x.dtype)
    g, b = np.empty(d, x.dtype), np.empty(d, x.dtype)
    for k in range(len(xs)):
        m[:], inv[:], g[:], b[:] = means[k], inv_stds[k], gammas[k], betas[k]
        for i in range(n):
            for j in range(d):
                hats[k, i, j] = (xs[k, i, j] - m[j]) * inv[j]
                outs[k, i, j] = hats[k, i, j] * g[j] + b[j]
    return True


@kernel
def standardize_columns_backward(dout, x_hat, inv_std, gamma, dof, dx, dgamma, dbeta):
    """Batch norm's closed form; the last three arguments are written."""
    n, d = dout.shape[-2:]
    fit = fits(dout, gamma) and fits(dout, dgamma) and fits(dout, dbeta)
    if not fit or d < 2 or dout.shape != x_hat.shape or dout.itemsize != x_hat.itemsize:
        return False
    douts, hats, dxs = dout.reshape((-1, n, d)), x_hat.reshape((-1, n, d)), dx.reshape((-1, n, d))
    gammas, inv_stds = np.atleast_2d(gamma), np.atleast_2d(inv_std)
    dgammas, dbetas = np.atleast_2d(dgamma), np.atleast_2d(dbeta)
    rows, dof = dout.dtype.type(n), dout.dtype.type(dof)
    slope, mean, scale = np.empty(d, dout.dtype), np.empty(d, dout.dtype), np.empty(d, dout.dtype)
    for k in range(len(douts)):
        dout_k, hat, dx_k, dg, db = douts[k], hats[k], dxs[k], dgammas[k], dbetas[k]
        dg[:], db[:] = 0, 0
        for start in range(0, n, BLOCK):
            mean[:], slope[:] = 0, 0
            for i in range(start, min(start + BLOCK, n)):
                for j in range(d):
                    mean[j] += dout_k[i, j]
                    slope[j] += dout_k[i, j] * hat[i, j]
            db += mean
            dg += slope
        for j in range(d):
            slope[j], mean[j], scale[j] = dg[j] / dof, db[j] / rows, gammas[k, j] * inv_stds[k, j]
        for i in range(n):
            for j in range(d):
                dx_k[i, j] = (dout_k[i, j] - hat[i, j] * slope[j] - mean[j]) * scale[j]
    return True


# --- layer norm ---------------------------------------------------------------------------------------


@kernel
def standardize_rows(x, gamma, beta, eps, dof, out, x_hat, inv_std):
    """Layer norm's forward pass; the last three arguments are written."""
    if not (fits(x, gamma) and fits(x, beta)):
        return False
    n, d = x.shape[-2:]
    xs, outs, hats = x.reshape((-1, n, d)), out.reshape((-1, n, d)), x_hat.reshape((-1, n, d))
    gammas, betas, inv_stds = np.atleast_2d(gamma), np.atleast_2d(beta), inv_std.reshape((-1, n))
    number = x.dtype.type
    one, columns, dof, eps = number(1), number(d), number(dof), number(eps)
    g, b, squares = np.empty(d, x.dtype), np.empty(d, x.dtype), np.empty(d, x.dtype)
    for k in range(len(xs)):
        g[:], b[:] = gammas[k], betas[k]
        for i in range(n):
            row, hat, out_i = xs[k, i], hats[k, i], outs[k, i]
            for j in range(d):
                hat[j] = row[j] - row[0]
            mean = sum_of_row(hat) / columns
            for j in range(d):
                hat[j] -= mean
                squares[j] = hat[j] * hat[j]
            inv = one / np.sqrt(sum_of_row(squares) / dof + eps)
            inv_stds[k, i] = inv
            for j in range(d):
                hat[j] *= inv
                out_i[j] = hat[j] * g[j] + b[j]
    return True


@kernel
def standardize_rows_backward(dout, x_hat, inv_std, gamma, dof, dx, dgamma, dbeta):
    """Layer norm's backward pass; the last three arguments are written."""
    n, d = dout.shape[-2:]
    fit = fits(dout, gamma) and fits(dout, dgamma) and fits(dout, dbeta)
    if not fit or d < 2 or dout.shape != x_hat.shape or dout.itemsize != x_hat.itemsize:
        return False
    douts, hats, dxs = dout.reshape((-1, n, d)), x_hat.reshape((-1, n, d)), dx.reshape((-1, n, d))
    gammas, inv_stds = np.atleast_2d(gamma), inv_std.reshape((-1, n))
    dgammas, dbetas = np.atleast_2d(dgamma), np.atleast_2d(dbeta)
    columns, dof = dout.dtype.type(d), dout.dtype.type(dof)
    g, dx_hat, products = np.empty(d, dout.dtype), np.empty(d, dout.dtype), np.empty(d, dout.dtype)
    dg_part, db_part = np.empty(d, dout.dtype), np.empty(d, dout.dtype)
    for k in range(len(douts)):
        dg, db = dgammas[k], dbetas[k]
        g[:] = gammas[k]
        dg[:], db[:], dg_part[:], db_part[:] = 0, 0, 0, 0
        for i in range(n):
            row, hat, dx_i, inv = douts[k, i], hats[k, i], dxs[k, i], inv_stds[k, i]
            for j in range(d):
                db_part[j] += row[j]
                dg_part[j] += row[j] * hat[j]
                dx_hat[j] = row[j] * g[j]
                products[j] = dx_hat[j] * hat[j]
            slope, mean = sum_of_row(products) / dof, sum_of_row(dx_hat) / columns
            for j in range(d):
                dx_i[j] = (dx_hat[j] - hat[j] * slope - mean) * inv
            if (i + 1) % BLOCK == 0 or i + 1 == n:
                dg += dg_part
                db += db_part
                dg_part[:], db_part[:] = 0, 0
    return True


@kernel
def sum_of_row(row):
    """The sum of a contiguous row, in blocks as in `lab.nn.standardize`."""
    total = row.dtype.type(0)
    for start in range(0, len(row), BLOCK):
        total += sum_of_block(row[start : start + BLOCK])
    return total


@kernel
def sum_of_block(row):
    """row.sum() as NumPy does it for up to 128 neighbours in memory: as eight sums."""
    n, total = len(row), row.dtype.type(0)
    end = n - n % 8
    if end:
        a, b, c, d, e, f, g, h = row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7]
        for i in range(8, end, 8):
            a += row[i]
            b += row[i + 1]
            c += row[i + 2]
            d += row[i + 3]
            e += row[i + 4]
            f += row[i + 5]
            g += row[i + 6]
            h += row[i + 7]
        total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(end, n):
        total += row[i]
    return total


# --- activation and loss ------------------------------------------------------------------------------


@kernel
def cut(x, out):
    """out = x where it is positive or isn't a number, else 0."""
    xs, outs = x.ravel(), out.ravel()
    zero = x.dtype.type(0)
    for i in range(len(xs)):
        outs[i] = zero if xs[i] <= zero else xs[i]


@kernel
def cut_backward(dout, x, dx):
    """dx = dout where x is positive, else 0 * dout, which keeps what isn't finite."""
    if dout.shape != x.shape or dout.itemsize != x.itemsize:
        return False
    douts, xs, dxs = dout.ravel(), x.ravel(), dx.ravel()
    zero = x.dtype.type(0)
    for i in range(len(xs)):
        dxs[i] = douts[i] if xs[i] > zero else douts[i] * zero
    return True


@kernel
def shift_rows(x, shifted):
    """shifted = x - x.max(axis=-1)."""
    columns = x.shape[-1]
    xs, shifted_rows = x.reshape((-1, columns)), shifted.reshape((-1, columns))
    for i in range(len(xs)):
        greatest = xs[i, 0]
        for j in range(1, columns):
            if not xs[i, j] <= greatest:  # also when it isn't a number
                greatest = xs[i, j]
        for j in range(columns):
            shifted_rows[i, j] = xs[i, j] - greatest


@kernel
def softmax_rows(exp, shifted, y, total, chosen, dx):
    """The softmax's gradient from the exponentials of the shifted scores; the last three are written.
    Returns whether all labels are classes."""
    n, columns = exp.shape[-2:]
    exps, shifted_rows, dxs = (
        exp.reshape((-1, n, columns)),
        shifted.reshape((-1, n, columns)),
        dx.reshape((-1, n, columns)),
    )
    totals, chosens = np.atleast_2d(total), np.atleast_2d(chosen)
    rows, one = exp.dtype.type(n), exp.dtype.type(1)
    for k in range(len(exps)):
        for i in range(n):
            if not 0 <= y[i] < columns:
                return False
            whole = sum_of_block(exps[k, i])
            totals[k, i], chosens[k, i] = whole, shifted_rows[k, i, y[i]]
            for j in range(columns):
                dxs[k, i, j] = exps[k, i, j] / whole
            dxs[k, i, y[i]] -= one
            for j in range(columns):
                dxs[k, i, j] /= rows
    return True


# --- optimizer ----------------------------------------------------------------------------------------


@kernel
def adam(params, gradient, m, v, rate, epsilon, beta1, beta2):
    """One update of flat vectors; see `lab.nn.optim.Adam`."""
    number = params.dtype.type
    rate, epsilon, beta1, beta2 = number(rate), number(epsilon), number(beta1), number(beta2)
    for i in range(len(params)):
        first = m[i] * beta1 + gradient[i]
        second = v[i] * beta2 + gradient[i] * gradient[i]
        m[i], v[i] = first, second
        params[i] -= first / (np.sqrt(second) + epsilon) * rate
