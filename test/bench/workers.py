"""scripts/bench --workers: two workers on two CPUs against one, and what a hand-off costs (test/bench/workers_bench.c).

The runs of the three kinds take turns, so that what else the machine does hits all of them; medians are taken. Packets are not stored: live, a writer
that does not get the CPU makes workers shed, which is less work. A run that lost something is made again. The cost of a hand-off is what both CPUs spend more on a packet when each of them is
handed to the other worker than when none is."""
import json
import os
import statistics
import subprocess

import harness

KINDS = {"one worker": ("right", 1), "two workers": ("right", 2), "two workers, all handed off": ("other", 2)}
PACKETS = 1000000
TRIES = 12
EAL = ["--in-memory", "--no-pci", "--no-telemetry", "-m", "320", "--vdev", "net_ring0", "--vdev", "net_ring1"]
SETTINGS = ["-q", "-o", "pcapWriteMethod=null", "-o", "sinks=", "-o", "bodyDigests=off", "-o",
            "overloadShedding=false", "-o", "handoffRing=8192", "-o", "idle=pause", "--nospi"]


def share_a_cache(a, b):
    """The last cache, as the kernel knows it."""
    shared = set()
    folder = f"/sys/devices/system/cpu/cpu{a}/cache"
    for index in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        path = os.path.join(folder, index, "shared_cpu_list")
        if os.path.exists(path):
            for part in open(path).read().strip().split(","):
                first, _, last = part.partition("-")
                shared |= set(range(int(first), int(last or first) + 1))
    return b in shared


def one(trace, kind, cpus):
    mode, workers = KINDS[kind]
    program = os.path.join(harness.ROOT, "build", "test", "workers_bench")
    command = [program, mode, str(PACKETS), trace, *EAL, "--lcores", f"0@{cpus[0]},1@{cpus[1]}", "--", *SETTINGS, "-o", f"workers={workers}"]
    for _ in range(TRIES):
        p = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
        if p.returncode == 0 and json.loads(p.stdout)["lost"] == 0:
            return json.loads(p.stdout)
    raise SystemExit(f"bench: {kind}: {TRIES} runs lost packets or failed: {(p.stdout + p.stderr)[-300:]}")


def run(trace, runs, latency_ns):
    """Prints; returns the exit status."""
    cpus = sorted(os.sched_getaffinity(0))[:2]
    if len(cpus) < 2:
        print("workers: needs two CPUs")
        return 0
    subprocess.run(["ninja", "-C", os.path.join(harness.ROOT, "build"), "test/workers_bench"], check=True, stdout=subprocess.DEVNULL)
    times = {kind: [] for kind in KINDS}
    for _ in range(runs):
        for kind in KINDS:
            times[kind].append(one(trace, kind, cpus)["ns_per_packet"])
    ns = {kind: statistics.median(values) for kind, values in times.items()}
    for kind, values in times.items():
        print(f"{kind:28} {ns[kind]:7.1f} ns a packet, {1e3 / ns[kind]:6.2f} Mpps  ({min(values):.1f} to {max(values):.1f})")
    near = share_a_cache(*cpus)
    allowed = 25 if near else 45
    scale = ns["one worker"] / ns["two workers"]
    cost = 2 * (ns["two workers, all handed off"] - ns["two workers"])
    print(f"core to core {latency_ns} ns one way; the CPUs {'share' if near else 'do not share'} a cache")
    rows = ((f"two workers do {scale:.2f} times the work of one, 1.8 asked", scale >= 1.8),
            (f"a hand-off costs {cost:.1f} ns a packet, {allowed} allowed", cost <= allowed))
    for text, fine in rows:
        print(("ok      " if fine else "MISSED  ") + text)
    return int(not all(fine for _, fine in rows))
