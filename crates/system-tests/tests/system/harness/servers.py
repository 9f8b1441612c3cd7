# Web and echo servers at every address of this namespace, and (with the word dns) a resolver: servers.py PORT dns|no-dns LOG
import http.server, os, socket, socketserver, struct, sys, threading

port, dns, log_path = int(sys.argv[1]), sys.argv[2] == "dns", sys.argv[3]
log = None
NAMES = {b"\x03web\x04test\x00": "203.0.113.80", b"\x05inner\x04test\x00": "10.66.0.1"}
LONG = b"\x04long\x04test\x00"


class Page(http.server.BaseHTTPRequestHandler):
    # /N is N bytes; what is posted is read.
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self):
        body = ("%s was asked by %s\n" % (self.connection.getsockname()[0], self.client_address[0])).encode()
        if self.path != "/":
            body = bytes(int(self.path[1:]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Web(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256


def answer(query, way):
    log.write("%s %s\n" % (way, query.hex()))
    log.flush()
    end = query.index(b"\x00", 12) + 5
    name, kind = query[12 : end - 4], struct.unpack("!H", query[end - 4 : end - 2])[0]
    known, records = name in NAMES or name == LONG, b""
    count = 0
    if kind == 1 and name in NAMES:
        count, records = 1, b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04" + socket.inet_aton(NAMES[name])
    if kind == 1 and name == LONG:
        count = 200
        records = b"".join(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xcb\x00\x71" + bytes([i]) for i in range(200))
    flags = 0x8180 | (0 if known else 3)
    whole = query[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0) + query[12:end] + records
    if way == "udp" and len(whole) > 1232:
        return query[:2] + struct.pack("!HHHHH", flags | 0x0200, 1, 0, 0, 0) + query[12:end]
    return whole


def datagrams():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((resolver, 53))
    while True:
        query, asker = sock.recvfrom(4096)
        sock.sendto(answer(query, "udp"), asker)


def connections():
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((resolver, 53))
    sock.listen()
    while True:
        stream, _ = sock.accept()
        length = struct.unpack("!H", stream.recv(2, socket.MSG_WAITALL))[0]
        whole = answer(stream.recv(length, socket.MSG_WAITALL), "tcp")
        stream.sendall(struct.pack("!H", len(whole)) + whole)
        stream.close()


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(4096):
            self.request.sendall(data)


class Echoes(socketserver.ThreadingTCPServer):
    daemon_threads = allow_reuse_address = True


web = Web(("0.0.0.0", port), Page)
threading.Thread(target=Echoes(("0.0.0.0", 7), Echo).serve_forever, daemon=True).start()
log = open(log_path + ".new", "w")
if dns:
    words = [line.split() for line in open("/etc/resolv.conf")]
    resolver = next((w[1] for w in words if len(w) > 1 and w[0] == "nameserver"), "127.0.0.1")
    for task in (datagrams, connections):
        threading.Thread(target=task, daemon=True).start()

os.rename(log_path + ".new", log_path)
web.serve_forever()
