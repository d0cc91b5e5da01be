"""What the worker's child denies itself before it reads a line of the student's: memory, time, system calls.

Imports the standard library alone: it lies beside the worker in the jail.
"""

import ctypes
import platform
import signal
import struct
import sys

MEMORY = 2 << 30  # bytes of address space, of which NumPy and OpenBLAS map a good part
FILES = 32

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # as seccomp calls them
# System calls that start processes, reach others or widen rights: their numbers on the two architectures.
# No list of what is allowed: this process has no rights, no network and no file to write, and can't get any,
# so what stays open reaches nobody. But a new libc or NumPy that needs a call which such a list doesn't know
# would fail every submission of a class, on the day of grading. For the jail as a whole it must allow forks.
DENIED = {
    "fork": (57, None), "vfork": (58, None), "clone": (56, 220), "clone3": (435, 435),
    "execve": (59, 221), "execveat": (322, 281), "socket": (41, 198), "socketpair": (53, 199),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "unshare": (272, 97),
    "setns": (308, 268), "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131),
    "memfd_create": (319, 279), "open_by_handle_at": (304, 265), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "kcmp": (312, 272),
    "name_to_handle_at": (303, 264), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "memfd_secret": (447, 447), "personality": (135, 92),
}  # fmt: skip


def end_with_parent():
    """Have the kernel end this process with the one that started it: without a jail nothing else does."""
    if sys.platform == "linux":
        set_signal = 1
        ctypes.CDLL(None).prctl(set_signal, ctypes.c_ulong(signal.SIGKILL))


def confine(seconds):
    """Limit this process for good: memory, time, open files, no files written, no new processes."""
    import resource

    for name, limit in {
        "AS": MEMORY, "CPU": int(seconds) + 1, "NOFILE": FILES, "FSIZE": 0, "CORE": 0, "NPROC": 0,
    }.items():  # fmt: skip
        which = getattr(resource, f"RLIMIT_{name}", None)
        if which is not None:
            _, most = resource.getrlimit(which)
            limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
            resource.setrlimit(which, (limit, limit))
    if sys.platform == "linux" and platform.machine() in ARCHITECTURES:
        column = list(ARCHITECTURES).index(platform.machine())
        numbers = [each[column] for each in DENIED.values() if each[column] is not None]
        forbid(ARCHITECTURES[platform.machine()], numbers)


def forbid(architecture, numbers):
    """Make the kernel refuse these system calls, here and in all that comes from here (seccomp).

    Limits on processes don't hold for the superuser; this does.
    """
    load_architecture, load_number = (0x20, 0, 0, 4), (0x20, 0, 0, 0)
    allow, refuse = (0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050001)  # refuse: with EPERM
    jump_if = [(0x15, len(numbers) - i, 0, number) for i, number in enumerate(numbers)]
    program = [
        load_architecture, (0x15, 0, len(numbers) + 3, architecture),
        load_number, (0x35, len(numbers) + 1, 0, 0x40000000),  # x86's second table of calls
        *jump_if, allow, refuse,
    ]  # fmt: skip
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *instruction) for instruction in program))
    filter_ = ctypes.create_string_buffer(struct.pack("HP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_seccomp, mode_filter = 38, 22, 2
    zero = ctypes.c_ulong(0)
    if libc.prctl(no_new_privileges, ctypes.c_ulong(1), zero, zero, zero) or libc.prctl(
        set_seccomp, ctypes.c_ulong(mode_filter), ctypes.byref(filter_), zero, zero
    ):
        raise OSError(ctypes.get_errno(), "seccomp")
