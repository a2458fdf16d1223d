"""What the sections of scripts/test share: cases and their count, running Shrike, its records in a form that can be compared.

A section is a program under test/check/ that calls case() for each thing it shows and ends with finish(). It prints one
line per case; its last line is "NAME: N passed, N failed, N skipped", its exit status is 1 when something failed.
"""
import glob
import ipaddress
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CAPTURES = os.path.join(ROOT, "test", "pcap")
CONF = os.path.join(ROOT, "test", "conformance.conf")
JOBS = min(8, len(os.sched_getaffinity(0)))
# Half of a short run is sleep: EAL counts the TSC's ticks for 100 ms.
REPLAYS_AT_ONCE = 2 * JOBS

_section = os.path.basename(sys.argv[0]).removesuffix(".py")
_count = {"passed": 0, "failed": 0, "skipped": 0}


# ---- cases


def case(name, problem=""):
    """One thing shown: 'problem' says why not, and is empty when all is well. A list of problems counts as one."""
    if isinstance(problem, (list, tuple)):
        problem = "; ".join(problem[:5]) + (f"; and {len(problem) - 5} more" if len(problem) > 5 else "")
    _count["failed" if problem else "passed"] += 1
    print(f"  {'FAILED' if problem else 'ok    '} {name}" + (f": {problem}" if problem else ""), flush=True)
    return not problem


def skip(name, why):
    _count["skipped"] += 1
    print(f"  skipped {name}: {why}", flush=True)


def add_counts(passed, failed, skipped=0):
    """The cases of a program that counts for itself."""
    _count["passed"] += passed
    _count["failed"] += failed
    _count["skipped"] += skipped


def finish():
    print(f"{_section}: {_count['passed']} passed, {_count['failed']} failed, {_count['skipped']} skipped", flush=True)
    sys.exit(1 if _count["failed"] or not sum(_count.values()) else 0)


def give_up(why):
    """Nothing of this section can be shown here."""
    skip(_section, why)
    finish()


# ---- where things are


def program(kind="build"):
    """Shrike's path in a build folder; SHRIKE names another release program."""
    path = os.environ.get("SHRIKE") if kind == "build" else None
    path = path or os.path.join(ROOT, kind, "app", "shrike")
    if not os.access(path, os.X_OK):
        case(f"{os.path.relpath(path, ROOT)} exists", "build it with scripts/build")
        finish()
    return path


def shared(*parts):
    """A path in the folder with the reference records and traces, or None: SHRIKE_SHARED, ../shared or ../../shared."""
    for folder in (os.environ.get("SHRIKE_SHARED", ""), os.path.join(ROOT, "..", "shared"), os.path.join(ROOT, "..", "..", "shared")):
        path = os.path.abspath(os.path.join(folder, *parts))
        if folder and os.path.exists(path):
            return path
    return None


def reference_sets():
    """(name, captures folder, references folder) of the reference captures that are here."""
    sets = (("reference", "conformance/pcap", "conformance/refs"), ("zeek", "conformance/zeek/pcap", "conformance/zeek/refs"))
    found = [(name, shared(pcaps), shared(refs)) for name, pcaps, refs in sets]
    return [s for s in found if s[1] and s[2]]


def own_captures():
    names = sorted(glob.glob(os.path.join(CAPTURES, "*")))
    return [n for n in names if re.search(r"\.(pcap|pcapng)(\.gz|\.zst)?$", n)]


def load(section):
    """Another section as a module."""
    import importlib.machinery
    import importlib.util

    loader = importlib.machinery.SourceFileLoader(section.replace("-", "_"), os.path.join(ROOT, "test", "check", section))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def scratch():
    """A folder that is gone when the section ends."""
    folder = tempfile.mkdtemp(prefix="shrike-test-", dir=os.environ.get("TMPDIR", "/tmp"))
    import atexit

    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


# ---- running Shrike


class Result:
    def __init__(self, code, out, err, summary):
        self.code, self.out, self.err, self.summary = code, out, err, summary

    def records(self):
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]

    def problem(self, codes=(0,)):
        """Why this run was not fine, or nothing."""
        if self.code not in codes:
            return f"exit {self.code}: {self.err.strip()[-300:]}"
        if self.summary and self.summary.get("ledger") != "balanced":
            return f"ledger is {self.summary.get('ledger')}"
        return ""


def run(arguments, kind="build", timeout=120, summary=True, environment=None, **more):
    """Runs Shrike. With 'summary' its JSON summary is read too."""
    command = [program(kind)] if kind else []
    path = None
    if summary:
        handle, path = tempfile.mkstemp(prefix="shrike-summary-")
        os.close(handle)
        arguments = list(arguments) + ["--summary", path]
    env = dict(os.environ, **(environment or {}))
    try:
        p = subprocess.run(command + list(arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                           timeout=timeout, env=env, **more)
        code, out, err = p.returncode, p.stdout, p.stderr
    except subprocess.TimeoutExpired as e:
        code, out, err = -1, e.stdout or b"", (e.stderr or b"") + f"\nno end in {timeout} s".encode()
    content = None
    if path:
        with open(path) as f:
            text = f.read()
        os.unlink(path)
        content = json.loads(text) if text.strip() else None
    return Result(code, out.decode(errors="replace"), err.decode(errors="replace"), content)


def threads(pid):
    """[(thread id, name, set of CPUs it may run on)] of a process. A thread that just began has the name of the one that made it."""
    found = []
    for status in glob.glob(f"/proc/{pid}/task/*/status"):
        try:
            with open(status) as f:
                lines = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        except OSError:
            continue
        cpus = set()
        for part in lines["Cpus_allowed_list"].split(","):
            first, _, last = part.partition("-")
            cpus |= set(range(int(first), int(last or first) + 1))
        found.append((int(lines["Pid"]), lines["Name"], cpus))
    return found


def storage(folder, kind="build"):
    """Options that put everything Shrike keeps (database, pcap, state) into 'folder' instead of /var/lib/shrike."""
    template = subprocess.run([program(kind), "--print-conf"], stdout=subprocess.PIPE, text=True, timeout=30).stdout
    words = []
    for key, path in re.findall(r"^#(\w+) = /var/lib/shrike(\S*)", template, re.M):
        words += ["-o", f"{key}={folder}{path}"]
    return words


def stored(folder):
    """(records, {file number: path}) of the default sink's database in a folder given to storage()."""
    import sqlite3

    with sqlite3.connect(f"file:{os.path.join(folder, 'shrike.sqlite')}?mode=ro", uri=True) as db:
        records = [json.loads(row[0]) for row in db.execute("SELECT document FROM sessions")]
        files = dict(db.execute("SELECT num, name FROM files"))
    return records, files


def replay(pcap, *more, **options):
    """Records of a capture, nothing stored. Damaged captures are exit 4, which is for the caller to judge."""
    return run(["--dry-run", "-q", "--records", "-", "-c", CONF, "-r", pcap, *more], **options)


# ---- records that can be compared

VOLATILE = {"@timestamp", "timestamp", "node", "fileId"}
ORDERED = re.compile(r"(packetPos|packetLen|cert|dns)$")


def canonical(value, parent="", key=""):
    """As the reference's compare.py: arrays whose order says nothing are sorted, addresses are written in full."""
    if isinstance(value, dict):
        return {k: canonical(v, key, k) for k, v in value.items()}
    if isinstance(value, list):
        items = [canonical(v, key) for v in value]
        if not ORDERED.search(key) and f"{parent}.{key}" not in ("dns.answers", "vlan.id"):
            items.sort(key=lambda v: json.dumps(v, sort_keys=True))
        return items
    if isinstance(value, str) and ":" in value:
        try:
            return ipaddress.ip_address(value).exploded
        except ValueError:
            return value
    return value


def normalise(record, without=()):
    record = {k: v for k, v in record.items() if k not in VOLATILE and k not in without}
    if "rootId" in record:
        record["rootId"] = "SET"
    return canonical(record)


def comparable(records, without=()):
    """Records as a sorted list of texts: two runs are the same when these are."""
    return sorted(json.dumps(normalise(r, without), sort_keys=True) for r in records)


def difference(expected, got):
    """Empty when two lists of comparable() are the same."""
    if expected == got:
        return ""
    from collections import Counter

    lost, added = list((Counter(expected) - Counter(got)).elements()), list((Counter(got) - Counter(expected)).elements())
    text = f"{len(lost)} of {len(expected)} records lost or other, {len(added)} new"
    if lost and added:
        a, b = flatten(json.loads(lost[0])), flatten(json.loads(added[0]))
        keys = [k for k in sorted(a.keys() | b.keys()) if a.get(k) != b.get(k)]
        text += "; first: " + ", ".join(f"{k} {a.get(k)!r} -> {b.get(k)!r}" for k in keys[:4])[:400]
    elif lost or added:
        text += "; first: " + (lost or added)[0][:300]
    return text


def flatten(value, path="", out=None):
    out = {} if out is None else out
    if isinstance(value, dict):
        for k, v in value.items():
            flatten(v, f"{path}.{k}" if path else k, out)
    else:
        out[path] = value
    return out


def positions(record):
    """(file number or None, position) of each packet, from gap0 form (RECORD.md 2)."""
    number, last, gap, out = None, 0, 0, []
    for value in record.get("packetPos", []):
        if value < 0:
            number, last, gap = -value, 0, 0
            continue
        gap = value or gap
        last += gap
        out.append((number, last))
    return out


def raw_positions(record):
    """The same for positions that are not gap coded (gapPacketPos=false)."""
    number, out = None, []
    for value in record.get("packetPos", []):
        if value < 0:
            number = -value
        else:
            out.append((number, value))
    return out
