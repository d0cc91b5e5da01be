"""The jail that a student's code runs in: bubblewrap around a Python with NumPy and nothing else.

Inside there is no network, no other process, no file that can be written, and of this machine only the
system's libraries, Python, NumPy and the files that are named. What one process may take (memory, time,
new processes) it limits itself, in `autograde.jail.sandbox`, before it reads a line of the student's.
"""

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy

INSIDE = "/jail"  # where NumPy and the named files are
SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/nix/store")  # read-only, where they exist
GET = {
    "linux": "install it (Debian, Ubuntu: sudo apt install bubblewrap; Fedora: sudo dnf install bubblewrap)",
    "darwin": "macOS has none: grade in a Linux virtual machine",
    "win32": "Windows has none: grade in WSL, the Windows Subsystem for Linux",
}
# -S: without site-packages
PYTHON = (str(Path(getattr(sys, "_base_executable", sys.executable)).resolve()), "-I", "-S", "-B")
PROBE = (
    "import sys; sys.path.insert(0, sys.argv[1]); import numpy; "
    "print(numpy.__version__ == sys.argv[2], end='')"
)


def trouble():
    """What keeps the jail from working on this machine, in a sentence with the remedy; None if nothing."""
    if shutil.which("bwrap") is None:
        get = GET.get(sys.platform, GET["linux"])
        return f"bubblewrap, which locks students' code in, isn't here: {get}."
    return _trial()


@cache
def _trial():
    """The same, from starting a jail."""
    probe = [*command({}), "-c", PROBE, INSIDE, numpy.__version__]
    try:
        done = subprocess.run(probe, capture_output=True, text=True, errors="replace", timeout=60)
    except subprocess.TimeoutExpired:
        return "bubblewrap doesn't answer: the jail didn't start within a minute."
    if done.stdout == "True":
        return None
    said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return (
        f"bubblewrap is here but can't make a jail ({said}). Often the system forbids user namespaces; allow "
        "them for bwrap (Ubuntu 24.04: an AppArmor profile for /usr/bin/bwrap; containers: --privileged)."
    )


def command(files):
    """The start of a command line: an isolated Python in the jail, with NumPy and these files in INSIDE.

    files: {name inside: path outside}; single files, never their folder.
    """
    prefix = Path(sys.base_prefix)
    shown = [path for path in map(Path, SYSTEM) if path.exists()]
    if not any(prefix.is_relative_to(path) for path in shown):
        shown.append(prefix)
    installed = {  # packages, the lab perhaps among them
        path
        for root in (prefix, Path("/usr"), Path("/usr/local"))
        for kind in ("site-packages", "dist-packages")
        for path in root.glob(f"lib/python3*/{kind}")
        if any(path.is_relative_to(each) for each in shown)
    }
    # What else lies in /usr isn't needed, and may be anybody's: nbgrader keeps its exchange there.
    shared = {
        path
        for path in map(Path, ("/usr/share", "/usr/local/share", "/usr/src", "/usr/local/src", "/usr/games"))
        if path.is_dir() and not path.is_symlink() and not prefix.is_relative_to(path)
    }
    return [
        "bwrap",
        *("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"),
        *("--uid", "65534", "--gid", "65534", "--hostname", "jail", "--setenv", "OPENBLAS_NUM_THREADS", "1"),
        *(word for path in shown for word in _shown(path)),
        *(
            word
            for path in sorted(installed | shared)
            for word in ("--tmpfs", str(path), "--remount-ro", str(path))
        ),
        *("--dev-bind", "/dev/null", "/dev/null", "--ro-bind", "/dev/urandom", "/dev/urandom"),
        *(
            word
            for name, path in (numpy_files() | files).items()
            for word in ("--ro-bind", str(path), f"{INSIDE}/{name}")
        ),
        *("--remount-ro", "/", "--chdir", "/", *PYTHON),
    ]


def numpy_files():
    """{name: path} of the folders that NumPy consists of."""
    package = Path(numpy.__file__).parent
    folders = (package, package.with_name("numpy.libs"))
    return {folder.name: folder for folder in folders if folder.exists()}


def _shown(path):
    """Debian's /lib and the like are links into /usr, and stay links."""
    if path.is_symlink():
        return ("--symlink", str(path.readlink()), str(path))
    return ("--ro-bind", str(path), str(path))
