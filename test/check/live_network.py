"""Network namespaces with real peers, for live tests: a client and a server, joined by a hub (a bridge that floods) in a third
namespace, whose further ports carry a copy of every frame. Nothing reaches the host's network; all ends with close()."""
import os
import signal
import subprocess
import time

import harness

CLIENT4, SERVER4, CLIENT6, SERVER6 = "10.79.0.1", "10.79.0.2", "fd79::1", "fd79::2"
MACS = "02:00:00:00:00:01", "02:00:00:00:00:02"
OFFLOADS = "tso off gso off gro off tx off rx off txvlan off rxvlan off".split()
WAIT_S = 20


class Missing(Exception):
    """The machine cannot do it."""


def wait_for(condition, what, seconds=WAIT_S):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what}: not after {seconds} s")


class Network:
    def __init__(self, tmp):
        self.tmp, self.children, self.spaces, self.ports = tmp, [], {}, 0
        try:
            for name in ("client", "server", "hub"):
                self.spaces[name] = f"shrike-{name}-{os.getpid()}"
                self.command(f"ip netns add {self.spaces[name]}")
            self.hub_ip("link add hub0 type bridge ageing_time 0 mcast_snooping 0 stp_state 0")
            self.quiet("hub", "hub0")
            self.hub_ip("link set hub0 up")
            self.join("client", CLIENT4, CLIENT6, MACS[0])
            self.join("server", SERVER4, SERVER6, MACS[1])
            # Nobody asks for neighbours while sensors start.
            for name, ipv4, ipv6, mac in (("client", SERVER4, SERVER6, MACS[1]), ("server", CLIENT4, CLIENT6, MACS[0])):
                for address in (ipv4, ipv6):
                    self.ip(name, f"neigh replace {address} lladdr {mac} dev eth0 nud permanent")
        except (subprocess.CalledProcessError, FileNotFoundError) as e:
            self.close()
            why = e.stderr.decode(errors="replace").strip() if isinstance(e, subprocess.CalledProcessError) else str(e)
            raise Missing(f"no network namespaces here: {why}") from e

    # ---- devices

    def command(self, text):
        subprocess.run(text.split(), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=30)

    def ip(self, name, text):
        self.command(f"ip -n {self.spaces[name]} {text}")

    def hub_ip(self, text):
        self.ip("hub", text)

    def inside(self, name, *words):
        return ["ip", "netns", "exec", self.spaces[name], *words]

    def quiet(self, name, device):
        """Nothing is sent from here by itself."""
        self.command(" ".join(self.inside(name, "sysctl", "-qw", f"net.ipv6.conf.{device}.disable_ipv6=1")))

    def as_on_the_wire(self, name, device):
        """Offloads would show frames that no wire has, and checksums not yet filled in."""
        subprocess.run(self.inside(name, "ethtool", "-K", device, *OFFLOADS), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def join(self, name, ipv4, ipv6, mac):
        space = self.spaces[name]
        self.command(f"ip link add {name}0 netns {self.spaces['hub']} type veth peer name eth0 netns {space}")
        for key in ("accept_dad=0", "router_solicitations=0"):
            self.command(" ".join(self.inside(name, "sysctl", "-qw", f"net.ipv6.conf.eth0.{key}")))
        self.quiet("hub", f"{name}0")
        for where, device in ((name, "eth0"), ("hub", f"{name}0")):
            self.as_on_the_wire(where, device)
        self.ip(name, f"link set eth0 address {mac}")
        self.ip(name, f"addr add {ipv4}/24 dev eth0")
        self.ip(name, f"addr add {ipv6}/64 dev eth0 nodad")
        self.ip(name, "link set lo up")
        self.ip(name, "link set eth0 up")
        self.hub_ip(f"link set {name}0 master hub0")
        self.hub_ip(f"link set {name}0 up")

    def mirror(self, queues=1):
        """(port of the hub, device at its other end, on which a sensor listens, its namespace). One for each: the kernel puts
        together the IP fragments that it hands to af_packet, of a whole namespace."""
        self.ports += 1
        port, device, space = f"port{self.ports}", f"mon{self.ports}", f"mirror{self.ports}"
        self.spaces[space] = f"shrike-{space}-{os.getpid()}"
        self.command(f"ip netns add {self.spaces[space]}")
        self.hub_ip(f"link add {port} numtxqueues {queues} numrxqueues {queues} type veth peer name {device} netns {self.spaces[space]} "
                    f"numtxqueues {queues} numrxqueues {queues}")
        for where, name in (("hub", port), (space, device)):
            self.quiet(where, name)
            self.as_on_the_wire(where, name)
            self.ip(where, f"link set {name} up")
        self.attach(port)
        return port, device, space

    def attach(self, port):
        self.hub_ip(f"link set {port} master hub0")
        self.hub_ip(f"link set {port} up")

    def sent(self, port):
        """Packets that a port of the hub has passed on."""
        path = f"/sys/class/net/{port}/statistics/tx_packets"
        return int(subprocess.run(self.inside("hub", "cat", path), check=True, stdout=subprocess.PIPE).stdout)

    def dropped(self, device):
        """Packets for a device in the hub's namespace that it did not take."""
        path = f"/sys/class/net/{device}/statistics/tx_dropped"
        return int(subprocess.run(self.inside("hub", "cat", path), check=True, stdout=subprocess.PIPE).stdout)

    # ---- processes

    def start(self, name, *words, **more):
        child = subprocess.Popen(self.inside(name, *words), stdin=subprocess.DEVNULL, **{"stdout": subprocess.DEVNULL,
                                                                                        "stderr": subprocess.DEVNULL, **more})
        self.children.append(child)
        return child

    def run(self, name, *words, seconds=60, check=True):
        done = subprocess.run(self.inside(name, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                              timeout=seconds)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(words)[:80]}: exit {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}")
        return done.stdout.decode(errors="replace")

    def listening(self, kind, port):
        wait_for(lambda: f":{port} " in self.run("server", "ss", "-Hln", f"--{kind}"), f"a server on {kind} port {port}")

    def tcpdump(self, name, device, path):
        """All of what 'device' sends and receives, to a file; returns the process once it listens."""
        log = path + ".log"
        with open(log, "wb") as err:
            child = self.start(name, "tcpdump", "-Z", "root", "-B", "65536", "-s", "262144", "-U", "--immediate-mode", "-n", "-i", device, "-w",
                               path, stderr=err)

        def ready():
            with open(log, errors="replace") as f:
                return "listening on" in f.read()

        wait_for(ready, "tcpdump")
        return child

    def end(self, child, seconds=60, number=signal.SIGTERM):
        """The exit code after a signal, or None when it had to be killed."""
        if child in self.children:
            self.children.remove(child)
        if child.poll() is None:
            child.send_signal(number)
        try:
            return child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            return None

    def close(self):
        for child in list(self.children):
            self.end(child, 5)
        for space in self.spaces.values():
            subprocess.run(["ip", "netns", "del", space], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


# ---- peers


class Peers:
    """Servers in the server's namespace, and the clients that talk to them."""

    def __init__(self, net):
        self.net = net
        net.quiet("server", "lo")
        self.web_server()
        self.name_server()
        net.start("server", "iperf3", "-s")
        net.start("server", "python3", os.path.join(harness.ROOT, "test", "live", "peers.py"), "tcp-echo", "7001")
        for kind, port in (("tcp", 80), ("tcp", 443), ("udp", 53), ("tcp", 5201), ("tcp", 7001)):
            net.listening(kind, port)

    def path(self, name):
        return os.path.join(self.net.tmp, name)

    def web_server(self):
        www = self.path("www")
        os.makedirs(www)
        with open(os.path.join(www, "numbers.txt"), "w") as f:
            f.write("\n".join(str(i) for i in range(60000)))
        with open(os.path.join(www, "index.html"), "w") as f:
            f.write("<html><body>hello</body></html>\n")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.path("key.pem"), "-out",
                        self.path("cert.pem"), "-days", "30", "-subj", "/CN=live.shrike.example"], check=True, stderr=subprocess.DEVNULL)
        with open(self.path("nginx.conf"), "w") as f:
            f.write(f"""daemon off; master_process off; pid {self.path('nginx.pid')}; error_log stderr;
events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path {self.net.tmp}; proxy_temp_path {self.net.tmp}; fastcgi_temp_path {self.net.tmp};
uwsgi_temp_path {self.net.tmp}; scgi_temp_path {self.net.tmp};
server {{ listen 80; listen [::]:80; listen 443 ssl; ssl_certificate {self.path('cert.pem')}; ssl_certificate_key {self.path('key.pem')};
root {www}; location /old {{ return 301 /index.html; }} }} }}
""")
        self.net.start("server", "nginx", "-c", self.path("nginx.conf"))

    def name_server(self):
        with open(self.path("dnsmasq.conf"), "w") as f:
            f.write(f"no-resolv\nno-hosts\nno-daemon\nbind-interfaces\nlisten-address={SERVER4},{SERVER6}\nuser=root\npid-file=\n"
                    "local=/example/\nhost-record=www.shrike.example,192.0.2.10,2001:db8::10\ncname=alias.shrike.example,www.shrike.example\n"
                    "txt-record=shrike.example,second string\n")
        self.net.start("server", "dnsmasq", "-C", self.path("dnsmasq.conf"))

    def client(self, *words, **more):
        return self.net.run("client", *words, **more)

    def browse(self):
        quiet = ("-s", "-o", "/dev/null", "--max-time", "20")
        for host in (SERVER4, f"[{SERVER6}]"):
            self.client("curl", *quiet, f"http://{host}/index.html", "--next", *quiet, f"http://{host}/numbers.txt")
        self.client("curl", *quiet, "-A", "Mozilla/5.0 (shrike)", "-b", "id=7; lang=en", f"http://{SERVER4}/missing?q=one", "--next", *quiet,
                    "-I", f"http://{SERVER4}/old", "--next", *quiet, "-d", "user=me", f"http://{SERVER4}/index.html")
        self.client("curl", *quiet, "-k", f"https://{SERVER4}/numbers.txt")

    def ask(self):
        for question in (("www.shrike.example", "A"), ("alias.shrike.example", "AAAA"), ("nothing.shrike.example", "A"),
                         ("+tcp", "shrike.example", "TXT")):
            self.client("dig", "+tries=1", "+time=5", f"@{SERVER4}", *question)
        self.client("dig", "+tries=1", "+time=5", f"@{SERVER6}", "www.shrike.example", "A")

    def ping(self):
        self.client("ping", "-q", "-c", "3", "-i", "0.2", SERVER4)
        self.client("ping", "-q", "-c", "2", "-i", "0.2", "-s", "4000", SERVER4)  # in fragments
        self.client("ping", "-q", "-c", "2", "-i", "0.2", "-s", "4000", SERVER6)

    def close_and_reset(self):
        for kind in ("tcp-close", "tcp-reset"):
            self.client("python3", os.path.join(harness.ROOT, "test", "live", "peers.py"), kind, SERVER4, "7001")

    def pump(self, seconds, rate, *more):
        """iperf3 for a time, at so many bits a second (0: what the devices reach)."""
        return self.client("iperf3", "-c", SERVER4, "-t", str(seconds), "-b", str(rate), *more, "-J", seconds=seconds + 60)

    def talk(self):
        """Some of everything."""
        self.browse()
        self.ask()
        self.ping()
        self.close_and_reset()
        self.pump(1, "20M")
        self.pump(1, "8M", "-u", "-l", "1200")
