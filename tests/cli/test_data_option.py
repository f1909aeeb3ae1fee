"""``fastcheck check --data``: arrays of a file take the place of what the checked file calls so."""

import json

import numpy as np
import pytest

from fastcheck.cli import main
from tests.cli.files import write

NETWORK = """
    import numpy as np

    X, Y = np.ones((3, 2)), np.zeros((1, 2))
    parameters = {"W1": np.ones((1, 3)), "b1": np.zeros((1, 1))}

    def forward_propagation(X, parameters):
        return parameters["W1"] @ X + parameters["b1"], None

    def compute_cost(A, Y):
        return np.sum((A - Y) ** 2)

    def backward_propagation(X, Y, parameters, A, cache):
        error = 2 * (A - Y) * (1 + (X.shape[1] > 6) * FACTOR)
        return {"dW1": error @ X.T, "db1": np.sum(error, axis=1, keepdims=True)}
"""

RNG = np.random.default_rng(0)

BATCH = {
    "X": RNG.standard_normal((4, 7)),
    "Y": RNG.standard_normal((1, 7)),
    "parameters.W1": RNG.standard_normal((1, 4)),
    "parameters.b1": np.zeros((1, 1)),
}


@pytest.mark.parametrize(("factor", "status"), [(0, 0), (1, 1)])
def test_a_network_is_checked_with_the_data_of_a_file(factor, status, tmp_path, capsys):
    """The wrong one is wrong on batches of more than six alone, of which the file has none."""
    path, kept = (
        str(write(tmp_path, "net.py", NETWORK.replace("FACTOR", str(factor)))),
        tmp_path / "kept.json",
    )
    np.savez(tmp_path / "batch.npz", **BATCH)
    assert main(["check", path]) == 0
    assert main(["check", path, "--data", str(tmp_path / "batch.npz"), "--json", str(kept)]) == status
    (entry,) = json.loads(kept.read_text(encoding="utf-8"))
    assert entry["report"]["blocks"]["W1"]["shape"] == [1, 4]
    assert main(["check", path]) == 0


def test_files_of_one_array_are_called_as_they_are_and_the_last_counts(tmp_path, capsys):
    text = """
        import numpy as np
        w = np.array([1.0, -2.0])
        def cost(w): return np.sum(w**3)
        def gradients(w): return 3 * w**2 + (w.size == 5)
    """
    path = str(write(tmp_path, "file.py", text))
    np.savez(tmp_path / "w.npz", w=np.ones(5))
    np.save(tmp_path / "w.npy", np.ones(4))
    npz, npy = (["--data", str(tmp_path / name)] for name in ("w.npz", "w.npy"))
    assert main(["check", path, *npy]) == main(["check", path, *npz, *npy]) == 0
    assert main(["check", path, *npz]) == main(["check", path, *npy, *npz]) == 1


def test_data_of_which_the_file_does_not_speak_are_told(tmp_path, capsys):
    path = str(write(tmp_path, "net.py", NETWORK.replace("FACTOR", "0")))
    np.savez(tmp_path / "data.npz", X_train=BATCH["X"][:3], Y=BATCH["Y"], parametres=np.ones(2), Z=np.ones(2))
    main(["check", path, "--data", str(tmp_path / "data.npz")])
    out = " ".join(capsys.readouterr().out.split())
    said = "nothing in the file is called so, as the data are."
    assert f"not used parametres: {said} Did you mean parameters?" in out
    assert f"not used Z: {said}" in out
    assert out.count(said) == 2


def test_the_data_are_whole_for_every_file(tmp_path, capsys):
    spoils = (
        "import numpy as np\nx0 = np.ones(2)\ndef f(x):\n    return x @ x\ndef fprime(x):\n    return 2 * x\n"
    )
    first = write(
        tmp_path, "a.py", spoils + "def problem():\n    x0[:] = np.nan\n    return f, np.ones(2), fprime\n"
    )
    second = write(tmp_path, "b.py", spoils)
    np.savez(tmp_path / "data.npz", x0=np.array([1.5, 2.5]))
    assert main(["check", str(first), str(second), "--data", str(tmp_path / "data.npz")]) == 0


@pytest.mark.parametrize("name", ["compute_cost", "np", "_hidden", "__builtins__"])
def test_data_take_the_place_of_no_code(name, tmp_path, capsys):
    path = write(tmp_path, "net.py", NETWORK.replace("FACTOR", "0"))
    np.savez(tmp_path / "data.npz", **{name: np.ones(2)})
    assert main(["check", str(path), "--data", str(tmp_path / "data.npz")]) == 3
    assert f"net.py: expected data beside its code, got some called {name}." in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04", b"\x93NUMPY", b"\x80\x04K\x01."])
def test_data_that_cannot_be_read_are_one_line_and_nothing_is_run(content, tmp_path, capsys):
    path = write(tmp_path, "loud.py", "print('it ran')")
    data = tmp_path / "X.npz"
    if content is not None:
        data.write_bytes(content)
    assert main(["check", str(path), "--data", str(data)]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"fastcheck: {data}: ")
    assert err.count("\n") == 1


def test_objects_are_not_unpickled(tmp_path, capsys):
    class Harm:
        def __reduce__(self):
            return print, ("harm done",)

    path = write(tmp_path, "net.py", NETWORK.replace("FACTOR", "0"))
    np.savez(tmp_path / "data.npz", X=np.array([Harm()], dtype=object))
    np.load(tmp_path / "data.npz", allow_pickle=True)["X"]
    assert "harm done" in capsys.readouterr().out
    assert main(["check", str(path), "--data", str(tmp_path / "data.npz")]) == 3
    out, err = capsys.readouterr()
    assert "harm done" not in out + err
    assert "of objects" in err
