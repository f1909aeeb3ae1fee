"""Linear algebra of PyTorch: functions, and matrices at which they are smooth."""

import torch
from sample_arrays import normal, positive, square

MATRICES = {
    "inverse": (torch.linalg.inv, square(2, 3, 3)),
    "solve": (torch.linalg.solve, square(3, 3), normal(3, 2)),
    "solve of a vector": (torch.linalg.solve, square(3, 3), normal(3)),
    "solve from the right": (lambda a, b: torch.linalg.solve(a, b, left=False), square(3, 3), normal(2, 3)),
    "cholesky": (lambda a: torch.linalg.cholesky(a @ a.T), square(3, 3)),
    "upper cholesky": (lambda a: torch.linalg.cholesky(a @ a.T, upper=True), square(3, 3)),
    "cholesky_solve": (lambda b, a: torch.cholesky_solve(b, a.tril()), normal(3, 2), square(3, 3)),
    "cholesky_inverse": (lambda a: torch.cholesky_inverse(a.tril()), square(3, 3)),
    "det": (torch.linalg.det, square(2, 3, 3)),
    "slogdet": (lambda a: torch.linalg.slogdet(a).logabsdet, square(3, 3)),
    "logdet": (torch.logdet, square(3, 3)),
    "eigh": (lambda a: torch.linalg.eigh(a + a.T), normal(3, 3)),
    "eigvalsh": (lambda a: torch.linalg.eigvalsh(a + a.T), normal(3, 3)),
    "qr": (torch.linalg.qr, normal(4, 3)),
    "qr of a wide matrix": (torch.linalg.qr, normal(3, 4)),
    "svd": (lambda a: torch.linalg.svd(a, full_matrices=False), normal(4, 3)),
    "svdvals": (torch.linalg.svdvals, normal(3, 4)),
    "lu": (lambda a: torch.linalg.lu(a)[1:], normal(2, 3, 3)),
    "lu of a tall matrix": (lambda a: torch.linalg.lu(a)[1:], normal(4, 3)),
    "lu of a wide matrix": (torch.linalg.lu_factor, normal(3, 4)),
    "lu_solve": (
        lambda a, b: torch.linalg.lu_solve(*torch.linalg.lu_factor(a), b),
        square(3, 3),
        normal(3, 2),
    ),
    "lu_solve with the transpose": (
        lambda a, b: torch.linalg.lu_solve(*torch.linalg.lu_factor(a), b, adjoint=True, left=False),
        square(3, 3),
        normal(2, 3),
    ),
    "triangular solve": (
        lambda a, b: torch.linalg.solve_triangular(a.triu(), b, upper=True),
        square(3, 3),
        normal(3, 2),
    ),
    "triangular solve from the right": (
        lambda a, b: torch.linalg.solve_triangular(
            a.tril(-1), b, upper=False, left=False, unitriangular=True
        ),
        square(3, 3),
        normal(2, 3),
    ),
    "pinv": (torch.linalg.pinv, normal(4, 3)),
    "lstsq": (lambda a, b: torch.linalg.lstsq(a, b).solution, normal(4, 3), normal(4, 2)),
    "matrix_exp": (torch.linalg.matrix_exp, normal(2, 3, 3)),
    "cross": (torch.linalg.cross, normal(2, 3), positive(2, 3)),
}
