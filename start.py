"""Sets the lab up and starts it, with the standard library alone.

    python3 start.py lab [--port N] [--no-browser] [--fresh]   JupyterLab on the first lesson
    python3 start.py test [--all] [-- pytest arguments]        linters, types, tests; --all: long ones, too
    python3 start.py run -- ...                                the command `lab`

The first start makes `.venv` beside this file from the locked versions; later ones find it current.
"""

# Written in the syntax of Python 3.6, so that an older Python gets as far as the sentence that says so.

import argparse
import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.realpath(__file__))
VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, "set-up.json")
LOG = os.path.join(VENV, "set-up.log")
ASIDE = VENV + ".old"  # the one before, until the new one is finished
TURN = VENV + ".lock"  # held by the start that sets up
LOCK = os.path.join(ROOT, "requirements.lock")
DEV_LOCK = os.path.join(ROOT, "requirements-dev.lock")

WINDOWS = os.name == "nt"
SCRIPTS = os.path.join(VENV, "Scripts" if WINDOWS else "bin")
SUFFIX = ".exe" if WINDOWS else ""
PYTHON = os.path.join(SCRIPTS, "python" + SUFFIX)

VERSIONS = ["3.13", "3.12", "3.11"]
SPACE = 2e9  # bytes: the environment takes up to 1.3 GB, and pip unpacks beside it
NO_SPACE = f"The set-up needs {SPACE / 1e9} GB, and the disk has less. Make room and start again."

PROBE = "import sys; print('%d.%d' % sys.version_info[:2], flush=True); import ensurepip, venv"
LISTING = """
import json, os, sys, sysconfig
folders = [sysconfig.get_path(name) for name in ("purelib", "scripts")]
names = [[name for name in os.listdir(folder) if not name.startswith("__")] for folder in folders]
print(json.dumps([[sys.version] + folders] + names))
"""

IN_USE = (
    "The environment in .venv is damaged or of another Python, and can't be made anew while {} runs from it. "
    "End that (JupyterLab: press Ctrl-C twice) and start again."
)

# What pip writes when it fails, and what that means for the person at the keyboard; the first match counts.
PIP_FAILURES = [
    (
        r"DO NOT MATCH THE HASHES.*\s+(\S+)",
        "The hash of {0} doesn't match the lock file, so it was not installed. Start again; "
        "if it stays, ask for a new copy of the project and don't install the package by hand.",
    ),
    (r"No space left on device|not enough space", NO_SPACE),
    (
        r"NewConnectionError|establish a new connection|name resolution|getaddrinfo|Timeout|timed out"
        r"|ProxyError|SSLError|Connection aborted|Connection broken|IncompleteRead",
        "The package index can't be reached. Check the network connection and start again.",
    ),
    (r"No matching distribution found for (\S+)", "The package index that pip uses has no {0}."),
    (
        r"Permission denied|Read-only file system|Access is denied",
        "A file in .venv can't be written. Close what uses it, or copy the project to a folder of your own.",
    ),
]


class Stop(Exception):
    """Ends the start with one sentence that names the remedy."""


def main(arguments):
    """Carries the command out; returns the exit code, after one sentence on what stood in the way."""
    try:
        return start(arguments)
    except Stop as stop:
        sentence = stop
    except OSError as error:
        sentence = explain_os_error(error)
    except KeyboardInterrupt:
        sentence = "Interrupted. Start again to go on."
    print(sentence, file=sys.stderr)
    return 1


def start(arguments):
    parser = argparse.ArgumentParser(
        prog="start.py", description="Sets the normalization lab up and starts it."
    )
    commands = parser.add_subparsers(dest="command", metavar="lab | test | run")
    lab = commands.add_parser("lab", help="JupyterLab on the first lesson")
    lab.add_argument("--port", metavar="N", help="default: a free one from 8888 on")
    lab.add_argument("--no-browser", action="store_true", help="only print the address")
    lab.add_argument("--fresh", action="store_true", help="bring the originals of the lessons back")
    test = commands.add_parser("test", help="linters, type checker, tests; pytest's arguments follow `--`")
    test.add_argument("--all", action="store_true", help="full products and long runs, too")
    commands.add_parser("run", help="the command `lab`; its arguments follow `--`")

    split = arguments.index("--") if "--" in arguments else len(arguments)
    options, rest = parser.parse_args(arguments[:split]), arguments[split + 1 :]
    if options.command is None:
        parser.print_help()
        return 2
    set_up(DEV_LOCK if options.command == "test" else LOCK)
    refuse_foreign_packages()
    if options.command == "test":
        return check(rest if options.all else ["-m", "not long"] + rest)
    if options.command == "run":
        return hand_over(rest)
    port = ["--port", options.port] if options.port else []
    flags = ["--no-browser"] * options.no_browser + ["--fresh"] * options.fresh
    return hand_over(["open"] + port + flags + rest)


def set_up(lock):
    """Makes `.venv` hold what `lock` lists and the project itself; does nothing where it already does."""
    if digest(lock) in read_stamp():
        return
    with my_turn():
        finished = read_stamp()
        if digest(lock) in finished:  # by the start that this one waited for
            return
        if finished:
            print("Bringing .venv up to date ...", flush=True)
            install(lock)
        else:
            # An interrupted or damaged set-up is not mended but made anew: that always works.
            python = find_python()
            with old_one_aside():
                print("Setting up in .venv (about a minute, once) ...", flush=True)
                os.mkdir(VENV)
                log_run(python + ["-m", "venv", VENV])
                install(lock)
    print("Ready.", flush=True)


@contextlib.contextmanager
def my_turn():
    """One start at a time sets up; the others wait here, and say so."""
    with open(TURN, "a") as file:
        if not take(file):
            print("Another start is setting up .venv; this one waits for it ...", flush=True)
            while not take(file):
                time.sleep(0.2)
        yield


def take(file):
    """Whether the file was free, and is locked by this process from now on, until it closes it or ends."""
    try:
        if WINDOWS:
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN)  # others: a file system that has no locks
    return True


@contextlib.contextmanager
def old_one_aside():
    """Puts the present `.venv` away while a new one is made; where that fails it comes back."""
    if shutil.disk_usage(ROOT).free < SPACE:
        raise Stop(NO_SPACE)
    for process in users_of(VENV):
        raise Stop(IN_USE.format("process " + process))
    if os.path.lexists(ASIDE):  # of a start that was killed, before the new one was finished or after that
        shutil.rmtree(ASIDE if os.path.exists(STAMP) else VENV)
    if os.path.lexists(VENV):
        move_aside()
    try:
        yield
    except BaseException:
        if os.path.lexists(ASIDE):
            if os.path.exists(LOG):
                os.replace(LOG, os.path.join(ASIDE, os.path.basename(LOG)))
            shutil.rmtree(VENV)
            os.rename(ASIDE, VENV)
            print("The .venv that was there before is back.", flush=True)
        raise
    shutil.rmtree(ASIDE, ignore_errors=True)


def move_aside():
    try:
        os.rename(VENV, ASIDE)
    except PermissionError:
        if WINDOWS:
            raise Stop(IN_USE.format("a program")) from None
        raise


def users_of(folder):
    """The ids of the processes that run a program or have loaded a library of a folder, where that is known.

    On Windows it isn't, but there such a process keeps the folder from being renamed.
    """
    inside = os.path.join(folder, "").encode()
    users = []
    if sys.platform == "darwin":
        process = ""
        listing = subprocess.run(["lsof", "-Fpn"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        for line in listing.splitlines():
            if line.startswith(b"p"):
                process = line[1:].decode()
            elif line[1:].startswith(inside) and process not in users:
                users.append(process)
    elif os.path.isdir("/proc/self"):
        for process in filter(str.isdigit, os.listdir("/proc")):
            command, loaded = (read_bytes("/proc/" + process + name) for name in ("/cmdline", "/maps"))
            if command.startswith(inside) or b" " + inside in loaded:
                users.append(process)
    return [process for process in users if process != str(os.getpid())]


def read_bytes(path):
    """A file of /proc; empty where the process has ended or belongs to somebody else."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def install(lock):
    """Puts what `lock` lists and the project into `.venv`, which is then finished."""
    # -I: packages that PYTHONPATH or the user's own folder offer don't count as installed.
    pip = [PYTHON, "-I", "-m", "pip", "install", "--no-deps", "--no-input", "--retries", "2"]
    log_run(pip + ["--progress-bar", "off", "--require-hashes", "-r", lock])
    log_run(pip + ["--no-build-isolation", "--editable", ROOT])
    # A quarter of a minute that nobody waits for in class; where it fails, the lab says so.
    compile_kernels = [PYTHON, "-I", "-c", "from lab.nn import compiled; compiled.load()"]
    subprocess.call(compile_kernels, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    write_stamp([LOCK, lock])


def digest(lock):
    """What the environment is made from, as one string."""
    made_from = hashlib.sha256()
    for path in (lock, os.path.join(ROOT, "pyproject.toml")):
        with open(path, "rb") as file:
            made_from.update(file.read())
    return made_from.hexdigest()


def read_stamp():
    """The digests of what a finished, undamaged `.venv` was made from; an empty list for any other."""
    try:
        with open(STAMP) as file:
            stamp = json.load(file)
        place, *folders = list_venv()
    except (OSError, ValueError, subprocess.CalledProcessError):
        return []
    there, *recorded = stamp["listing"]
    whole = place == there and all(set(then) <= set(now) for then, now in zip(recorded, folders))
    return stamp["digests"] if whole else []


def write_stamp(locks):
    """Written last and in one stroke: while it is missing, the set-up isn't finished."""
    with open(STAMP + ".new", "w") as file:
        json.dump({"digests": [digest(lock) for lock in locks], "listing": list_venv()}, file)
    os.replace(STAMP + ".new", STAMP)


def list_venv():
    """The Python of `.venv` and where it is, then the names in its folders of packages and of scripts."""
    return json.loads(subprocess.check_output([PYTHON, "-I", "-c", LISTING], stderr=subprocess.DEVNULL))


def refuse_foreign_packages():
    """Raises Stop where a folder of PYTHONPATH holds a package that the lab has itself: Python prefers it."""
    with open(STAMP) as file:
        (_, packages, _), names, _ = json.load(file)["listing"]
    ours = {name.split(".")[0] for name in names if not name.endswith((".dist-info", ".pth"))}
    for folder in filter(os.path.isdir, os.environ.get("PYTHONPATH", "").split(os.pathsep)):
        if os.path.realpath(folder) in (ROOT, os.path.realpath(packages)) or not os.access(folder, os.R_OK):
            continue
        for name in sorted(os.listdir(folder)):
            is_module = name.endswith((".py", ".so", ".pyd"))
            is_package = os.path.exists(os.path.join(folder, name, "__init__.py"))
            module = name.split(".")[0]
            if (is_module or is_package) and module in ours | {"lab", "autograde"}:
                raise Stop(
                    f"PYTHONPATH names {folder}, and {module} from there would take the place of the lab's. "
                    "Take that folder out of PYTHONPATH and start again."
                )


def find_python():
    """The command of a supported Python that can make an environment: this one, or another on the PATH."""
    own = [getattr(sys, "_base_executable", sys.executable)]  # not the one in .venv, which is about to go
    launcher = [["py", "-" + version] for version in VERSIONS] if WINDOWS else []
    bare = None
    for command in [own] + [["python" + version] for version in VERSIONS] + launcher:
        try:
            probe = subprocess.run(
                command + ["-c", PROBE],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
            )
        except OSError:
            continue
        version = probe.stdout.strip()
        if version in VERSIONS and probe.returncode == 0:
            return command
        if version in VERSIONS:
            bare = bare or version
    if bare:
        raise Stop(
            f"Python {bare} is here without its venv module. Install it (on Debian and Ubuntu: "
            f"sudo apt install python{bare}-venv) and start again."
        )
    raise Stop(
        f"The lab needs Python {VERSIONS[-1]} to {VERSIONS[0]}; this is {sys.version_info[0]}."
        f"{sys.version_info[1]}, and no other is on the PATH. Install one and start again."
    )


def log_run(command):
    """Runs a step of the set-up with its output in LOG; raises Stop with the reason if it fails."""
    environment = dict(os.environ, PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1", PYTHONIOENCODING="utf-8")
    fetched = 0
    output = []
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    with open(LOG, "a", encoding="utf-8") as log:
        for line in process.stdout:
            log.write(line)
            output.append(line)
            if line.startswith(("Collecting ", "Processing ")):
                fetched += 1
                if fetched % 25 == 0:
                    print(f"  {fetched} packages fetched", flush=True)
            elif line.startswith("Installing collected packages"):
                # Up to here a failure, say of the network, leaves a finished environment as it was.
                if os.path.exists(STAMP):
                    os.remove(STAMP)
                if fetched > 1:
                    print(f"  {fetched} packages fetched, installing them ...", flush=True)
    if process.wait():
        raise Stop(explain_output("".join(output)))


def explain_output(output):
    """The sentence for a failed step, from what it printed."""
    for pattern, sentence in PIP_FAILURES:
        match = re.search(pattern, output)
        if match:
            return sentence.format(*match.groups())
    return f"The set-up failed; {LOG} tells why."


def explain_os_error(error):
    """The sentence for a file or folder that didn't let itself be used."""
    path = error.filename or ROOT
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path} can't be written. Make it writable, or copy the project to a folder of your own."
    if error.errno == errno.ENOSPC:
        return NO_SPACE
    return f"{path}: {error.strerror or error}."


def check(pytest_arguments):
    """Linters, type checker, then pytest, whose summary is the last line; non-zero if any of them failed."""
    failed = []
    for name in ("ruff check .", "ruff format --check .", "mypy"):
        tool, *arguments = name.split()
        print("$ " + name, flush=True)
        if subprocess.call([os.path.join(SCRIPTS, tool + SUFFIX)] + arguments, cwd=ROOT):
            failed.append(name)
    if failed:
        print("FAILED: " + ", ".join(failed), flush=True)
    # Two processes, one of them for the browser; `-- -n0` takes one, with the debugger and the output.
    pytest = [PYTHON, "-m", "pytest", "--numprocesses=2", "--no-loadscope-reorder"]
    return subprocess.call(pytest + pytest_arguments, cwd=ROOT) or len(failed)


def hand_over(arguments):
    """Becomes the command `lab`."""
    command = [os.path.join(SCRIPTS, "lab" + SUFFIX)] + arguments
    if WINDOWS:  # where exec returns to the prompt at once
        return subprocess.call(command)
    os.execv(command[0], command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
