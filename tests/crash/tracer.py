"""Follows the system calls that a process makes below a directory, and holds the thread that
comes to a given one.  For x86_64, whose numbers and registers it knows."""
import ctypes
import os
import signal
import stat
import struct
import threading

NAMES = {1: "write", 3: "close", 5: "fstat", 18: "pwrite64", 73: "flock", 74: "fsync",
         75: "fdatasync", 77: "ftruncate", 91: "fchmod", 257: "openat", 258: "mkdirat",
         262: "newfstatat", 263: "unlinkat", 264: "renameat", 268: "fchmodat",
         277: "sync_file_range", 280: "utimensat", 285: "fallocate", 316: "renameat2",
         437: "openat2"}

PTRACE_CONT_SYSCALL, PTRACE_GETREGS, PTRACE_SETREGS = 24, 12, 13
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_GET_SYSCALL_INFO = 0x4206, 0x4207, 0x420E
OPTIONS = 1 | 8 | 0x100000      # system calls told apart, clones followed, all die with us
ENTRY, EXIT = 1, 2              # of struct ptrace_syscall_info
EVENT_STOP = 128
# All threads, and only those that this very thread traces.
WAIT_OPTIONS = 0x40000000 | 0x20000000
RAX, ORIG_RAX = 10, 15          # in struct user_regs_struct

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, thread, address=0, data=0):
    if libc.ptrace(request, thread, address, data) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class Mutant:
    """What a worse program would do, done to a good one: calls are left out, or others made."""

    def enters(self, call):
        """Before a call; True leaves it out, and the program believes that it went well."""
        return False


class Call:
    def __init__(self, process, name, number):
        self.name = name
        self.descriptor = "/proc/%d/fd/%d" % (process, number)
        self.path = os.readlink(self.descriptor)

    def is_directory(self):
        return stat.S_ISDIR(os.stat(self.descriptor).st_mode)


class Tracer:
    """`point` is (name of the call, how many-th of that name, "before" or "after"), or None.
    `reached` is set when a thread has come there; it goes no further.  `calls` are those seen
    so far.  The end of the process is the end of this."""

    def __init__(self, process, root, point=None, mutant=None):
        self.process, self.root, self.point, self.mutant = process, root, point, mutant
        self.reached = threading.Event()
        self.calls = []
        self.counts = {}
        self.error = None
        self.present = {}       # thread: its call, while it is in one that counts
        self.attached = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.attached.wait()
        if self.error:
            raise self.error

    def run(self):
        try:
            known = set()
            while new := set(map(int, os.listdir("/proc/%d/task" % self.process))) - known:
                for thread in new:
                    self.seize(thread)
                known |= new
        except OSError as error:
            self.error = error
        self.attached.set()
        while not self.error:
            try:
                thread, status = os.waitpid(-1, WAIT_OPTIONS)
            except ChildProcessError:
                return
            if os.WIFSTOPPED(status):
                self.stopped(thread, status)

    def seize(self, thread):
        try:
            ptrace(PTRACE_SEIZE, thread, 0, OPTIONS)
            ptrace(PTRACE_INTERRUPT, thread)
        except ProcessLookupError:
            pass                # it has ended
        except PermissionError:
            # One that was seen as a clone of a thread that is traced already.
            if thread == self.process:
                raise

    def stopped(self, thread, status):
        number, event = os.WSTOPSIG(status), status >> 16
        try:
            if number == signal.SIGTRAP | 0x80:
                if self.at_call(thread):
                    return
                number = 0
            elif event or number == signal.SIGTRAP:
                number = 0
            ptrace(PTRACE_CONT_SYSCALL, thread, 0, number)
        except (ProcessLookupError, FileNotFoundError):
            pass                # killed meanwhile

    def at_call(self, thread):
        """Whether the thread is to stay where it is."""
        info = ctypes.create_string_buffer(128)
        ptrace(PTRACE_GET_SYSCALL_INFO, thread, len(info), ctypes.addressof(info))
        if info.raw[0] == EXIT:
            return self.leaves(thread)
        if info.raw[0] != ENTRY:
            return False
        number, descriptor = struct.unpack_from("QQ", info.raw, 24)
        name = NAMES.get(number)
        if name is None or descriptor >= 1 << 31:
            return False
        try:
            call = Call(self.process, name, descriptor)
        except FileNotFoundError:
            return False
        return call.path.startswith(self.root) and self.enters(thread, call)

    def enters(self, thread, call):
        self.counts[call.name] = nth = self.counts.get(call.name, 0) + 1
        self.calls.append((call.name, nth, call.path[len(self.root):]))
        if self.is_point(call.name, nth, "before"):
            return True
        skipped = self.mutant is not None and self.mutant.enters(call)
        if skipped:
            self.set_register(thread, ORIG_RAX, (1 << 64) - 1)
        self.present[thread] = (call.name, nth, skipped)
        return False

    def leaves(self, thread):
        name, nth, skipped = self.present.pop(thread, (None, 0, False))
        if skipped:
            self.set_register(thread, RAX, 0)
        return self.is_point(name, nth, "after")

    def is_point(self, name, nth, when):
        if self.point != (name, nth, when):
            return False
        self.reached.set()
        return True

    @staticmethod
    def set_register(thread, index, value):
        registers = (ctypes.c_ulonglong * 27)()
        ptrace(PTRACE_GETREGS, thread, 0, ctypes.addressof(registers))
        registers[index] = value
        ptrace(PTRACE_SETREGS, thread, 0, ctypes.addressof(registers))
