"""A client of Pacemaker's executor, by its own library: what executor.rs times it with.

One command a line: `operations N` runs N monitors one after the other, `monitors N` starts N
recurring ones of a second and waits for the first result of each. Each is answered with `done`.
"""

import ctypes
import select
import sys

TIMEOUT_MS = 20000
EXECUTED = 2
NOTIFY_CHANGES = 4
# The order of the library's table of functions, as far as it is needed.
NAMES = ("connect connect_async is_connected poke disconnect register info recurring unregister "
         "set_callback execute").split()
Text, Int = ctypes.c_char_p, ctypes.c_int


class Event(ctypes.Structure):
    _fields_ = [("type", Int), ("resource", Text), ("action", Text), ("user", Text), ("call", Int)]


class Functions(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in NAMES]


class Connection(ctypes.Structure):
    _fields_ = [("functions", ctypes.POINTER(Functions)), ("private", ctypes.c_void_p)]


class Client:
    def __init__(self):
        self.library = ctypes.CDLL("liblrmd.so.28")
        self.library.lrmd_api_new.restype = ctypes.c_void_p
        self.library.lrmd_dispatch.argtypes = [ctypes.c_void_p]
        self.handle = self.library.lrmd_api_new()
        self.ended = 0
        callback = ctypes.CFUNCTYPE(None, ctypes.POINTER(Event))
        self.callback = callback(self.on_event)
        self.call("set_callback", None, callback)(self.callback)
        descriptor = Int()
        code = self.call("connect", Int, Text, ctypes.POINTER(Int))(b"bench", descriptor)
        if code != 0:
            sys.exit(f"no connection to the executor: {code}")
        # The library's own wait does not wait.
        self.news = select.poll()
        self.news.register(descriptor.value, select.POLLIN)

    def call(self, name, result, *arguments):
        table = ctypes.cast(self.handle, ctypes.POINTER(Connection)).contents.functions.contents
        kind = ctypes.CFUNCTYPE(result, ctypes.c_void_p, *arguments)
        function = kind(getattr(table, name))
        return lambda *values: function(self.handle, *values)

    def on_event(self, event):
        self.ended += event.contents.type == EXECUTED

    def register(self, count):
        register = self.call("register", Int, Text, Text, Text, Text, Int)
        for number in range(count):
            if register(b"r%d" % number, b"ocf", b"bench", b"True", 0) != 0:
                sys.exit("a resource cannot be registered")

    def monitor(self, number, interval_ms):
        params = None
        self.library.lrmd_key_value_add.restype = ctypes.c_void_p
        self.library.lrmd_key_value_add.argtypes = [ctypes.c_void_p, Text, Text]
        for n in range(10):
            params = self.library.lrmd_key_value_add(params, b"param%d" % n, b"some value")
        execute = self.call("execute", Int, Text, Text, Text, ctypes.c_uint, Int, Int, Int,
                            ctypes.c_void_p)
        call = execute(b"r%d" % number, b"monitor", b"", interval_ms, TIMEOUT_MS, 0,
                       NOTIFY_CHANGES, params)
        if call <= 0:
            sys.exit("an operation is refused")

    def take(self):
        """Takes what is there: the executor cuts off a client that lets its events pile up."""
        while self.news.poll(0):
            self.library.lrmd_dispatch(self.handle)

    def wait(self, count):
        while self.ended < count:
            if not self.news.poll(TIMEOUT_MS):
                sys.exit("a result is missing")
            self.library.lrmd_dispatch(self.handle)
        self.ended = 0


def main():
    client = Client()
    print("ready", flush=True)
    for line in sys.stdin:
        command, count = line.split()
        count = int(count)
        if command == "operations":
            client.register(1)
            client.ended = 0
            for _ in range(count):
                client.monitor(0, 0)
                client.wait(1)
        else:
            client.register(count)
            client.ended = 0
            for number in range(count):
                client.monitor(number, 1000)
                client.take()
            client.wait(count)
        print("done", flush=True)


main()
