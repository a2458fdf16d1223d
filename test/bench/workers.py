"""scripts/bench --workers: two workers on two CPUs against one, and what a hand-off costs (test/bench/workers_bench.c).
scripts/bench --against FOLDER: one worker of this build and of that one, by turns.

Two processes, one with one worker and one with two, run all the time; while one does a pass over the trace, the other stands still (SIGSTOP). So
passes that are compared follow each other within a second, in memory that both have touched long before, and what else the machine
does hits both. Of each round of passes the ratio and the difference are taken, of those the medians; the spread is that between
the quartiles. On a virtual machine the two CPUs are at times cores that share a cache and at times not: the time a cache line takes from one to
the other jumps between 30 and 250 ns within seconds. So it is measured in each round, and rounds where it is short are judged apart from the
others. The cost of a hand-off is what both CPUs spend more on a packet when each of them is handed to the other worker than when none is: busy time,
as the lcores count it, for what an lcore waits for another one that the host does not run is no work (the time by the clock is printed too).
Workers whose packets a NIC's RSS has placed do not look for the owner; those of ports without RSS do, as the judged ones here.

Packets are not stored, and not looked at for copies, for each pass is a copy of the one before: live, a writer that does not get the CPU makes workers shed, which is less work. A round that lost something does not count."""
import json
import os
import signal
import statistics
import subprocess
import time

import harness

PACKETS = 1000000
KINDS = ("one worker", "two workers", "two workers, all handed off", "two workers behind RSS")
WARM_PASSES = 40  # one after another: more sessions are alive at once than ever after, so no page is made while rounds are measured
SECONDS_A_RUN = 8  # ten rounds
NEAR_NS = 50  # cores of one chiplet: 20 to 45; others, and those of a mesh: 55 and more (PERFORMANCE 0)
ROUNDS_MIN = 10
LOST_MAX = 1 / 4
SPREAD_MAX_NS = 50  # between the quartiles: a machine that others use says nothing, and least of all "ok"
AGAINST_PACKETS = 5000  # with all they need they stay in a second-level cache
AGAINST_SECONDS = 30
AGAINST_WARM_PASSES = 20
PERCENTILES = (5, 25, 50)
EAL = ["--in-memory", "--no-pci", "--no-telemetry", "-m", "320", "--vdev", "net_ring0", "--vdev", "net_ring1"]
SETTINGS = ["-q", "-o", "pcapWriteMethod=null", "-o", "sinks=", "-o", "bodyDigests=off", "-o",
            "overloadShedding=false", "-o", "enablePacketDedup=false", "-o", "handoffRing=8192", "-o", "idle=pause", "--nospi"]


class Sensor:
    """A whole sensor that does passes on demand, and stands still between them."""

    def __init__(self, trace, workers, cpus, build="build", packets=PACKETS, settings=()):
        program = os.path.join(harness.ROOT, build, "test", "workers_bench")
        command = [program, str(packets), trace, *EAL, "--lcores", f"0@{cpus[0]},1@{cpus[1]}", "--", *SETTINGS, "-o", f"workers={workers}", *settings]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def warm(self, mode, passes):
        for _ in range(passes):
            self.measure(mode)

    def measure(self, mode):
        """Nanoseconds a packet, by the clock and that lcores were busy; None: something was lost."""
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.stdin.write(mode + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise SystemExit(f"bench: workers_bench ended: {self.process.stderr.read()[-300:]}")
        self.process.send_signal(signal.SIGSTOP)
        result = json.loads(line)
        if mode == "other" and result["handed_off"] != result["packets"]:
            raise SystemExit(f"bench: {result['handed_off']} of {result['packets']} packets were handed off")
        return (result["ns_per_packet"], result["busy_ns_per_packet"]) if result["lost"] == 0 else None

    def end(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()


def quartiles(values):
    low, middle, high = statistics.quantiles(values, n=4)
    return middle, low, high


def judge(rounds, label, allowed_ns):
    """Prints what rounds of one kind say; returns how many figures are missed."""
    for i, kind in enumerate(KINDS):
        ns, low, high = quartiles([r[i][0] for r in rounds])
        print(f"{kind:28} {ns:7.1f} ns a packet, {1e3 / ns:6.2f} Mpps  (quartiles {low:.1f} to {high:.1f})")
    by_rss, rss_low, rss_high = quartiles([r[0][0] / r[3][0] for r in rounds])
    print(f"{label}: two workers behind RSS do {by_rss:.2f} times the work of one ({rss_low:.2f} to {rss_high:.2f})")
    scale, scale_low, scale_high = quartiles([r[0][0] / r[1][0] for r in rounds])
    cost, cost_low, cost_high = quartiles([r[2][1] - r[1][1] for r in rounds])
    by_clock, clock_low, clock_high = quartiles([2 * (r[2][0] - r[1][0]) for r in rounds])
    print(f"{label}: by the clock, waiting included, a hand-off costs {by_clock:.1f} ns ({clock_low:.1f} to {clock_high:.1f})")
    rows = ((f"{label}: two workers do {scale:.2f} times the work of one ({scale_low:.2f} to {scale_high:.2f}), 1.8 asked", scale >= 1.8),
            (f"{label}: a hand-off costs {cost:.1f} ns a packet ({cost_low:.1f} to {cost_high:.1f}), {allowed_ns} allowed", cost <= allowed_ns))
    told = cost_high - cost_low <= SPREAD_MAX_NS
    for text, fine in rows:
        print(("ok      " if fine else "MISSED  ") + text if told else "unknown " + text)
    if not told:
        print(f"{label}: the rounds differ by more than {SPREAD_MAX_NS} ns; something else uses the CPUs")
    return sum(not (fine and told) for _, fine in rows)


def two_cpus():
    cpus = sorted(os.sched_getaffinity(0))[:2]
    if len(cpus) < 2:
        print("workers: needs two CPUs")
        return None
    return cpus


def build_in(folder):
    subprocess.run(["ninja", "-C", os.path.join(harness.ROOT, folder), "test/workers_bench"], check=True, stdout=subprocess.DEVNULL)


def against(trace, folder):
    """What a change brings, to a nanosecond: passes of few packets, of sessions that are new each time, by turns in this build
    and in another one. The machine's noise hits both, and the lower percentiles of thousands of passes have little of it."""
    cpus = two_cpus()
    if cpus is None:
        return 0
    folders = ["build", os.path.abspath(folder)]
    sensors = []
    try:
        for build in folders:
            build_in(build)
            sensors.append(Sensor(trace, 1, cpus, build, AGAINST_PACKETS, ["-o", "enablePacketDedup=true"]))
            sensors[-1].warm("new", AGAINST_WARM_PASSES)
        passes = [[] for _ in sensors]
        end = time.monotonic() + AGAINST_SECONDS
        while time.monotonic() < end:
            for sensor, results in zip(sensors, passes):
                result = sensor.measure("new")
                if result is not None:
                    results.append(result[1])
    finally:
        for sensor in sensors:
            sensor.end()
    for name, results in zip(folders, passes):
        cuts = statistics.quantiles(results, n=100)
        print(f"{min(results):7.1f} ns a packet at least, percentiles "
              + ", ".join(f"{p}: {cuts[p - 1]:.1f}" for p in PERCENTILES) + f" of {len(results)} passes: {name}")
    return 0


def run(trace, runs, latency_of):
    """'latency_of(cpus)': core to core, now, in nanoseconds. Prints; returns the exit status."""
    cpus = two_cpus()
    if cpus is None:
        return 0
    build_in("build")
    sensors, rounds, lost, missed = [], [], 0, 0
    try:
        for workers in (1, 2):
            sensors.append(Sensor(trace, workers, cpus))
            sensors[-1].warm("right", WARM_PASSES)
        after = latency_of(cpus)
        end = time.monotonic() + runs * SECONDS_A_RUN
        while time.monotonic() < end:
            now = [sensors[0].measure("right"), *(sensors[1].measure(mode) for mode in ("right", "other", "rss"))]
            before, after = after, latency_of(cpus)
            if None in now:
                lost += 1
            elif (before <= NEAR_NS) == (after <= NEAR_NS):
                rounds.append((*now, after))
    finally:
        for sensor in sensors:
            sensor.end()
    if lost > LOST_MAX * (lost + len(rounds)):
        raise SystemExit(f"bench: {lost} of {lost + len(rounds)} rounds lost packets")
    near, far = [r for r in rounds if r[-1] <= NEAR_NS], [r for r in rounds if r[-1] > NEAR_NS]
    for some, label, allowed_ns in ((near, "a cache shared", 25), (far, "no cache shared", 45)):
        if some:
            print(f"{label}: {len(some)} of {len(rounds)} rounds, core to core {statistics.median(r[-1] for r in some):.0f} ns one way"
                  + (", too few to tell" if len(some) < ROUNDS_MIN else ""))
        if len(some) >= ROUNDS_MIN:
            missed += judge(some, label, allowed_ns)
    return int(missed > 0)
