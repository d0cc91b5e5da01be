"""A student's functions through the pipe: called like any others, loaded as a notebook would leave them."""

import os
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from autograde.jail.session import Raised, Session
from lab.check import Stopped

pytestmark = pytest.mark.usefixtures("jailed")


@pytest.fixture
def loaded(tmp_path):
    """Opens a part with these cells loaded; numbers of the cells that are run whole."""
    (tmp_path / "given.py").write_text("def affine_forward(x, w, b):\n    return x @ w + b, (x, w)\n")
    sessions = []

    def load(*cells, whole=(), until=None, **settings):
        sessions.append(Session(tmp_path / "given.py", list(cells), **settings))
        return sessions[-1].part(whole, until)

    yield load
    for session in sessions:
        session.kill()


def values(part, name="layernorm_forward", *arguments):
    return part.functions[name](*arguments)


FORWARD = "def layernorm_forward(*a):\n    return {}, None"


def test_arrays_dicts_and_caches(loaded):
    part = loaded(
        "def batchnorm_forward(x, gamma, beta, bn_param):\n"
        "    bn_param['running_mean'] = x.mean(axis=0); bn_param.pop('old'); bn_param['f'] = print\n"
        "    return x * gamma, lambda d: d + x\n"
        "def batchnorm_backward(dout, cache):\n    return cache(dout), dout.sum(axis=0), [1.0]"
    )
    x, bn_param = np.arange(6.0).reshape(3, 2), {"mode": "train", "old": 1}
    out, cache = part.functions["batchnorm_forward"](x, np.array([1.0, 2]), 0, bn_param)
    assert out.tolist() == [[0, 2], [2, 6], [4, 10]]
    assert bn_param["running_mean"].tolist() == [2, 3]
    assert (sorted(bn_param), bn_param["mode"]) == (["f", "mode", "running_mean"], "train")
    dx, dgamma, ones = part.functions["batchnorm_backward"](np.ones((3, 2)), cache)
    assert (dx.tolist(), dgamma.tolist(), ones) == ((x + 1).tolist(), [3, 3], [1.0])


def test_a_read_only_array_arrives_read_only(loaded):
    part = loaded("def layernorm_forward(x):\n    x += 1\n    return x, None")
    x = np.zeros(2)
    assert part.functions["layernorm_forward"](x)[0].tolist() == [1, 1]
    assert x.tolist() == [0, 0]
    x.flags.writeable = False
    with pytest.raises(Raised, match=r"read-only.*x \+= 1"):
        part.functions["layernorm_forward"](x)


def test_a_network(loaded):
    part = loaded(
        "class FullyConnectedNet:\n"
        "    def __init__(self, hidden_dims, input_dim=4):\n"
        "        self.params = {'W1': np.zeros((input_dim, hidden_dims[0]))}\n"
        "    def loss(self, X, y=None):\n"
        "        return X @ self.params['W1'] if y is None else (1.5, {'W1': self.params['W1']})",
        "import numpy as np",
    )
    net = part.functions["FullyConnectedNet"]([3], input_dim=2)
    assert net.params["W1"].shape == (2, 3)
    net.params["W1"] = np.ones((2, 3))
    assert net.loss(np.ones((1, 2))).tolist() == [[2, 2, 2]]
    loss, gradients = net.loss(np.ones((1, 2)), np.array([0]))
    assert (loss, gradients["W1"].sum()) == (1.5, 6)


@pytest.mark.parametrize(
    ("cells", "value"),
    [
        (["import numpy as np", FORWARD.format("np.sqrt(4)")], 2),
        (["from given import affine_forward", FORWARD.format("affine_forward(*a)[0]")], 11),
        (["half = 0.5\nn = int('3')", FORWARD.format("half * n")], 1.5),
        ([FORWARD.format("helper()"), "def helper():\n    return 7"], 7),
        (["%matplotlib inline\nn = 1\n!ls", FORWARD.format("n")], 1),
        (["%%time\nn = 2", FORWARD.format("n")], 2),
        (["%%bash\nn = 3", "n = 4", FORWARD.format("n")], 4),
        (["n = 1\nn = 1 / 0\nn = undefined", FORWARD.format("n")], 1),
        (["try:\n    import nothing_like_it\nexcept ImportError:\n    n = 6", FORWARD.format("n")], 6),
        (["print('x' * 10**7)", FORWARD.format("5")], 5),
        (["def layernorm_forward(*a):\n    raise NotImplementedError", FORWARD.format("8")], 8),
        (["from lab import layernorm_forward", FORWARD.format("9")], 9),
        (["import warnings; warnings.warn('careful')", FORWARD.format("3")], 3),
        (["exit()", FORWARD.format("4")], 4),
        (["def make(n):\n    return lambda: n", "f, g = make(1), make(6)", FORWARD.format("g()")], 6),
    ],
)
def test_what_the_cells_leave(loaded, cells, value):
    part = loaded(*cells, whole=range(len(cells)))
    assert values(part, "layernorm_forward", np.ones(10), np.ones(10), 1)[0] == value


@pytest.mark.parametrize(
    "left",
    [
        "fig, ax = plt.subplots(); ax.plot(x, label='x'); plt.legend(); plt.savefig('x.png'); plt.show()",
        "_, axes = plt.subplots(2, 3); axes[0, 1].imshow(x); [ax.axis('off') for ax in axes.flat]",
        "import seaborn as sns; sns.heatmap(x); plt.rcParams['font.size'] = 7",
        "from mpl_toolkits.axes_grid1 import ImageGrid; ImageGrid(plt.figure(), 111, (2, 2))",
        "from IPython.display import display as show; show(x); get_ipython().run_line_magic('who', '')",
        "from tqdm.auto import tqdm, trange; x = np.stack([x[i] for i in tqdm(trange(len(x)))])",
        "print('here', file=open('log.txt', 'a')); open('x.bin', 'wb').write(x.tobytes())",
        "import pathlib; pathlib.Path('debug').mkdir(); pathlib.Path('debug/x.txt').write_text('here')",
        "os.makedirs('debug/1', exist_ok=True); np.save('debug/1/x.npy', x); np.savez('x.npz', x=x)",
        "np.savetxt('x.txt', x); np.savetxt(pathlib.Path('x.csv'), x, delimiter=',')",
        "import json, pickle; json.dump({'x': 1}, open('x.json', 'w')); pickle.dump(x, open('x', 'wb'))",
        "import logging; logging.basicConfig(filename='log'); logging.warning('here')",
        "seen = []; t = threading.Thread(target=seen.append, args=(x,)); t.start(); t.join(); x = seen[0]",
        "with futures.ThreadPoolExecutor(4) as pool: x = np.stack(list(pool.map(np.array, x)))",
        "pool = futures.ProcessPoolExecutor(); done = futures.as_completed([pool.submit(np.array, x)]);"
        " x = next(done).result(); pool.shutdown()",
        "with ThreadPool(2) as pool: x = np.stack(pool.map(np.array, x))",
        "import multiprocessing as mp; p = mp.Pool(); x = np.stack(p.starmap(np.add, [(a, 0) for a in x]))",
    ],
)
def test_what_was_left_in_a_function_does_nothing(loaded, left):
    part = loaded(
        "import os, pathlib, threading\nimport numpy as np\nimport matplotlib.pyplot as plt\n"
        "from concurrent import futures\nfrom multiprocessing.pool import ThreadPool",
        f"def layernorm_forward(x):\n    {left}\n    return x, None",
    )
    assert part.problems == []
    assert values(part, "layernorm_forward", np.arange(6.0).reshape(3, 2))[0].tolist() == [
        [0, 1],
        [2, 3],
        [4, 5],
    ]


@pytest.mark.parametrize(
    ("left", "error"),
    [
        ("plt.mean(x) + x", "TypeError"),
        ("np.add(x, plt.x)", "TypeError"),
        ("sum(plt.x)[0]", "TypeError"),
        ("open('given.py.txt').read()", "FileNotFoundError"),
        ("os.open('x', os.O_CREAT | os.O_WRONLY)", "OSError"),
        ("__import__('_thread').start_new_thread(print, ())", "RuntimeError"),
        ("futures.ThreadPoolExecutor().submit(len, 3).result()", "TypeError"),
        ("__import__('scipy')", "ModuleNotFoundError"),
    ],
)
def test_a_stand_in_gives_nothing_that_counts(loaded, left, error):
    part = loaded(
        "import os\nimport numpy as np\nimport matplotlib.pyplot as plt\nfrom concurrent import futures",
        f"def layernorm_forward(x):\n    return {left}, None",
    )
    with pytest.raises(Raised, match=error):
        values(part, "layernorm_forward", np.ones((3, 2)))


def test_only_definitions_of_other_cells_are_run(loaded):
    """A training loop in an added cell isn't; the same loop in the answer's own cell is."""
    endless = "def train():\n    while True: pass\nrun = train()\nwhile True: pass\n"
    part = loaded(endless, FORWARD.format("1"), whole=[1])
    assert values(part)[0] == 1
    with pytest.raises(Stopped, match="Loading the cells didn't come to an end"):
        loaded(endless, FORWARD.format("1"), whole=[0], seconds_per_call=0.5)


def test_what_a_later_cell_sets_stays(loaded):
    """Assignments that call own code come last, so they only fill in what nothing else defines."""
    part = loaded("def make():\n    return 1", "n = make()", "n = 2", FORWARD.format("n"), whole=[3])
    assert values(part)[0] == 2


COUNTED = (
    "def layernorm_forward(*a):\n    layernorm_forward.calls += 1\n    return layernorm_forward.calls, None"
)


@pytest.mark.parametrize(
    "later",
    [
        "layernorm_forward.calls = 6",
        "setattr(layernorm_forward, 'calls', 6)",
        "def make(n):\n    return n\nlayernorm_forward.calls = make(6)",
        "layernorm_forward.calls = N\nN = 6\nlayernorm_forward.calls = N",
    ],
)
def test_what_a_later_cell_attaches_to_a_function_stays(loaded, later):
    assert values(loaded(COUNTED, later, whole=[0]))[0] == 7


def test_what_a_later_cell_attaches_to_a_class_stays(loaded):
    part = loaded(
        "class FullyConnectedNet:\n    def __init__(self, sizes=SIZES):\n        self.params = {}",
        "def loss(self, X):\n    return len(self.params) + 3",
        "FullyConnectedNet.loss = loss",
        "SIZES = (2, 3)",  # the cells were run in another order
        whole=[0],
    )
    assert part.functions["FullyConnectedNet"]().loss(np.ones(1)) == 3


@pytest.mark.parametrize(("until", "value"), [(None, 1), (1, 2)])
def test_cells_up_to_the_check_count_and_what_stands_behind_it_replaces_nothing(loaded, until, value):
    part = loaded(*(FORWARD.format(n) for n in (1, 2, 3)), whole=[0], until=until)
    assert values(part)[0] == value


def test_problems_name_the_cell_and_the_line(loaded):
    part = loaded("x = 1\n\nx = (", "n = 1\nn / 0", "print 'two'", whole=[1])
    assert [(cell, line) for cell, line, _ in part.problems] == [(0, 3), (2, 1), (1, 2)]
    assert "SyntaxError" in part.problems[0][2]
    assert "ZeroDivisionError: division by zero (in `n / 0`)" in part.problems[2][2]


def test_the_lab_is_not_there(loaded):
    part = loaded("from lab import batchnorm_forward\nfrom lab.nn import *\nimport lab")
    assert part.functions == {}


def test_parts_know_nothing_of_each_other(tmp_path):
    (tmp_path / "given.py").write_text("")
    cell = "import builtins\ndef layernorm_forward():\n    builtins.n = getattr(builtins, 'n', 0) + 1\n"
    with Session(tmp_path / "given.py", [cell + "    return builtins.n, None"]) as session:
        for _ in range(2):
            with session.part() as part:
                assert part.functions["layernorm_forward"]()[0] == 1


def test_the_time_of_a_submission_is_limited(tmp_path):
    (tmp_path / "given.py").write_text("")
    cell = "import time\ndef layernorm_forward():\n    time.sleep(0.3)\n    return 1, None"
    with Session(tmp_path / "given.py", [cell], seconds=1) as session:
        part = session.part()
        calls = (part.functions["layernorm_forward"]() for _ in range(5))
        with pytest.raises(Stopped, match=r"time that one submission has is over|didn't come to an end"):
            list(calls)


def test_a_forged_answer_is_refused(loaded):
    """The student's code finds the pipe and writes what looks like a frame."""
    part = loaded(
        "import os, struct, json\n"
        "def layernorm_forward():\n"
        "    text = json.dumps({'id': 'x', 'value': 1, 'changed': [], 'arrays': 0}).encode()\n"
        "    for f in range(3, 10):\n"
        "        try: os.write(f, struct.pack('>Q', len(text)) + text)\n"
        "        except OSError: pass\n"
        "    return 1, None"
    )
    with pytest.raises(Stopped, match="broke the connection"):
        part.functions["layernorm_forward"]()


def test_a_flood_is_cut_off(loaded):
    part = loaded("import numpy as np\ndef layernorm_forward():\n    return np.zeros(10**7 + 1), None")
    with pytest.raises(Stopped, match="bytes where"):
        part.functions["layernorm_forward"]()


ASLEEP = """
import sys
sys.path.insert(0, {root!r})
from autograde.jail.session import Session
part = Session("given.py", ["import time\\ndef layernorm_forward(): time.sleep(600)"], jailed={jailed}).part()
print("ready", flush=True)
part.functions["layernorm_forward"]()
"""


@pytest.mark.parametrize("jailed", [True, False])
def test_a_worker_ends_with_a_judge_that_is_killed(tmp_path, jailed):
    (tmp_path / "given.py").write_text("")
    command = [sys.executable, "-c", ASLEEP.format(root=os.getcwd(), jailed=jailed)]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as judge:
        assert judge.stdout.readline() == "ready\n"
        workers = psutil.Process(judge.pid).children(recursive=True)
        judge.kill()
        assert psutil.wait_procs(workers, timeout=60)[1] == []
    assert len(workers) >= 2


def test_what_the_judge_does_in_between_is_not_the_students_time(loaded):
    part = loaded(FORWARD.format("1"), seconds=1.5)
    time.sleep(2)
    assert values(part)[0] == 1


def test_a_part_whose_process_has_gone_is_not_tried_again(loaded):
    part = loaded("import os\ndef layernorm_forward():\n    os._exit(1)")
    with pytest.raises(Stopped, match="ended the process"):
        values(part)
    with pytest.raises(Stopped, match="not tried"):
        values(part)
