#!/usr/bin/env python3
"""A strict Elasticsearch for tests: takes bulk requests, keeps what it took on disk, and fails as it is told to.

  bulk_server.py FOLDER [PORT]      prints its port; 127.0.0.1 only, or with FOLDER/server.pem HTTPS on 127.0.0.2, where clients
                                    need a certificate of FOLDER/ca.pem

What it took is in FOLDER/store.ndjson, one {"index":..,"id":..,"version":..,"doc":..} a line ("doc": null when it went), which it
reads again after a kill -9. What a client did wrong is in FOLDER/violations: a test expects that file to be empty.

Faults are in FOLDER/faults.json, read before each request; probabilities are from 0 to 1, and one of p
strikes at least once in 2 / p times. FOLDER/injected has the name of each one that struck, a line each:
  request_429, request_503          whole requests are refused, of every kind
  item_429, item_503                items of bulk requests are
  item_400                          so are these documents, always the same ones, for ever ("mapper_parsing_exception")
  cut                               what was asked is done, half of the answer is sent
  lost                              it is done, no answer is sent
  garbage                           it is done, the answer is no JSON
  short                             items are taken, the answer is of fewer items
  stall, stall_s                    it is done, the answer comes so much later
  only                              faults are for requests whose path ends so
  slow_bytes_s                      bodies are read so slowly
  max_bytes                         larger bodies are refused with 413
  authorization                     what the header has to say, else 401
  no_schema                         the template is not there
  overridden                        a composable template of somebody else matches our indices
  product                           the database is that one of PRODUCTS, as far as its documentation says

bulk_proxy.py does the same in front of a real node.
"""
import collections
import gzip
import hashlib
import http.server
import json
import os
import random
import re
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

SCHEMA = 86

# What the products say of themselves, and where they differ in what Shrike sees (their reference manuals, 7.17, 8.19, 1.3, 2.19, 3.x):
# - GET /: OpenSearch has a "distribution"; with compatibility.override_main_response_version 1.x and 2.x say 7.10.2 and have none.
# - Elasticsearch from 7.14 on says X-Elastic-Product, which its own clients demand.
# - The error of a value that does not fit is a mapper_parsing_exception; from Elasticsearch 8.8 on a document_parsing_exception.
# - Elasticsearch 8 begins the answer to a bulk request with "errors".
# - Types are gone from paths and action lines (Elasticsearch 8, OpenSearch 2); 7 and 1 only warn: here all refuse them.
# - Legacy templates are deprecated in all of them, and there. Composable templates come before them (not in Elasticsearch below 7.8).
PRODUCTS = {
    "elasticsearch 6.8": {"number": "6.8.23"},
    "elasticsearch 7.17": {"number": "7.17.29", "says_product": True, "composable": True},
    "elasticsearch 8.19": {"number": "8.19.4", "says_product": True, "composable": True, "mapping_error": "document_parsing_exception",
                           "errors_first": True},
    "elasticsearch 99": {"number": "99.0.0", "says_product": True, "composable": True, "mapping_error": "document_parsing_exception"},
    "opensearch 1.3": {"number": "1.3.20", "distribution": "opensearch", "composable": True},
    "opensearch 2 as 7.10": {"number": "7.10.2", "composable": True},
    "opensearch 3": {"number": "3.2.0", "distribution": "opensearch", "composable": True},
}

# Any other parameter is an error in all of them ("contains unrecognized parameter").
COMMON = {"filter_path", "pretty", "human", "error_trace", "format"}
PARAMETERS = {
    "_bulk": {"pipeline", "refresh", "routing", "timeout", "wait_for_active_shards"},
    "_template": {"create", "order", "local", "flat_settings"},
    "_search": {"size", "from", "sort", "ignore_unavailable", "allow_no_indices", "expand_wildcards"},
    "_doc": {"version", "version_type", "refresh", "routing", "timeout", "op_type", "if_seq_no", "if_primary_term"},
    "_update": {"retry_on_conflict", "refresh", "routing", "timeout"},
    "_refresh": {"ignore_unavailable", "allow_no_indices", "expand_wildcards"},
    "_cat": {"h", "s", "v", "bytes", "time"},
    "_cluster": {"level", "timeout", "wait_for_status"},
    "_index_template": {"cause"},
}
TEMPLATE_KEYS = {"index_patterns", "order", "settings", "mappings", "aliases", "version"}
MAPPING_KEYS = {"_meta", "_source", "dynamic", "dynamic_templates", "properties", "enabled", "date_detection", "numeric_detection"}
ACTION_KEYS = {"_index", "_id", "routing", "retry_on_conflict", "version", "version_type", "if_seq_no", "if_primary_term", "pipeline"}


class Store:
    """Documents by index and id, in memory and in a file that only grows."""

    def __init__(self, folder):
        self.lock = threading.Lock()
        self.documents = {}
        path = os.path.join(folder, "store.ndjson")
        if os.path.exists(path):
            with open(path, "rb") as f:
                data = f.read()
            whole = data.rfind(b"\n") + 1
            for line in data[:whole].splitlines():
                entry = json.loads(line)
                self.documents[entry["index"], entry["id"]] = (entry["version"], entry["doc"])
            if whole < len(data):
                os.truncate(path, whole)
        self.file = open(path, "ab", buffering=0)

    def put(self, changes):
        """All of a request at once, before its answer: what a client was told is there after a kill -9."""
        lines = []
        for index, key, version, document in changes:
            self.documents[index, key] = (version, document)
            lines.append(json.dumps({"index": index, "id": key, "version": version, "doc": document}))
        if lines:
            self.file.write(("\n".join(lines) + "\n").encode())

    def get(self, index, key):
        return self.documents.get((index, key))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder, port, handler=None):
        self.folder = folder
        self.store = Store(folder)
        self.random = random.Random(7)
        self.spared = collections.Counter()
        self.n_ids = 0
        certificate = os.path.join(folder, "server.pem")
        super().__init__(("127.0.0.2" if os.path.exists(certificate) else "127.0.0.1", port), handler or Handler)
        if os.path.exists(certificate):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            context.load_verify_locations(os.path.join(folder, "ca.pem"))
            context.verify_mode = ssl.CERT_REQUIRED
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request, address):
        pass  # a client that went away

    def faults(self):
        try:
            with open(os.path.join(self.folder, "faults.json")) as f:
                return json.load(f)
        except FileNotFoundError:
            return {}

    def note(self, name, text):
        with open(os.path.join(self.folder, name), "a") as f:
            f.write(text.replace("\n", " ")[:400] + "\n")


class Refused(Exception):
    pass


def index_alias(index):
    return re.sub(r"_v\d+$", "", index)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    # ---- requests

    def body(self):
        n = int(self.headers.get("Content-Length") or 0)
        slow = self.faults.get("slow_bytes_s")
        data = b""
        while len(data) < n:
            piece = self.rfile.read(min(n - len(data), max(1, slow // 10)) if slow else n - len(data))
            if not piece:
                raise Refused
            data += piece
            if slow:
                time.sleep(0.1)
        encoding = self.headers.get("Content-Encoding")
        if encoding == "gzip":
            return gzip.decompress(data)
        if encoding == "zstd":
            return subprocess.run(["zstd", "-dcq"], input=data, stdout=subprocess.PIPE, check=True).stdout
        if encoding:
            self.violation(f"Content-Encoding {encoding}")
        return data

    def violation(self, text):
        self.server.note("violations", f"{self.command} {self.path}: {text}")

    def chance(self, name):
        p = self.faults.get(name)
        if not p or not self.path.partition("?")[0].endswith(self.faults.get("only", "")):
            return False
        # By chance, but not so long without one that a short test would not see it.
        with self.server.store.lock:
            self.server.spared[name] += 1
            struck = self.server.random.random() < p or self.server.spared[name] * p >= 2
            if struck:
                self.server.spared[name] = 0
        if struck:
            self.server.note("injected", name)
        return struck

    def answer(self, status, content):
        """What was asked is done. Whether the client hears of it is another matter."""
        data = content if isinstance(content, bytes) else json.dumps(content, separators=(",", ":")).encode()
        if self.chance("stall"):
            time.sleep(self.faults.get("stall_s", 10))
        if self.chance("lost"):
            self.close_connection = True
        elif self.chance("garbage"):
            self.send(200, b"<html>gateway</html>")
        else:
            self.send(status, data, self.chance("cut"))

    def send(self, status, data, cut=False):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if self.product.get("says_product"):
            self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[:len(data) // 2] if cut else data)
        if cut:
            self.wfile.flush()
            self.close_connection = True

    def error(self, status, kind, reason=""):
        content = {"error": {"root_cause": [{"type": kind, "reason": reason}], "type": kind, "reason": reason}, "status": status}
        self.send(status, json.dumps(content, separators=(",", ":")).encode())

    def serve(self):
        self.faults = self.server.faults()
        try:
            body = self.body()
        except Refused:
            self.close_connection = True
            return
        path, _, query = self.path.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        wanted = self.faults.get("authorization")
        if wanted and self.headers.get("Authorization") != wanted:
            self.error(401, "security_exception", "missing authentication credentials")
        elif self.chance("request_429"):
            self.error(429, "es_rejected_execution_exception", "queue is full")
        elif self.chance("request_503"):
            self.error(503, "unavailable_shards_exception", "no")
        else:
            self.route(path, body)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = serve

    @property
    def product(self):
        return PRODUCTS.get(self.faults.get("product"), {})

    def unknown_parameters(self, parts):
        known = set().union(*(PARAMETERS[p] for p in parts if p in PARAMETERS)) | COMMON
        return sorted(self.query.keys() - known)

    def route(self, path, body):
        parts = [urllib.parse.unquote(p) for p in path.strip("/").split("/")]
        unknown = self.unknown_parameters(parts)
        if unknown:
            self.violation(f"parameters {unknown}")
            self.error(400, "illegal_argument_exception", f"request [{path}] contains unrecognized parameter: [{unknown[0]}]")
        elif parts[-1] == "_bulk":
            self.bulk(body)
        elif parts[0] == "_template":
            self.template(parts[1], body)
        elif parts == [""]:
            version = {k: self.product[k] for k in ("number", "distribution") if k in self.product}
            self.answer(200, {"name": "node", "version": version, "tagline": "You Know, for Search"})
        elif parts == ["_cluster", "health"]:
            self.answer(200, {"status": "green", "number_of_data_nodes": 1})
        elif parts[:2] == ["_index_template", "_simulate_index"] and self.command == "POST":
            self.simulate(parts[2])
        elif len(parts) == 1 and self.command in ("HEAD", "PUT") and not parts[0].startswith("_"):
            self.index(parts[0], body)
        elif parts[0] == "_cat":
            self.answer(200, [{"cluster": "test", "status": "green"}])
        elif parts[-1] == "_refresh":
            self.answer(200, {"_shards": {"failed": 0}})
        elif parts[-1] == "_search":
            self.search(parts[0], body)
        elif len(parts) == 3 and parts[1] in ("_doc", "_update"):
            self.document(parts[0], parts[1], parts[2], body)
        else:
            self.violation("unknown request")
            self.error(400, "illegal_argument_exception", "unknown request")

    # ---- single documents

    def template(self, name, body):
        if self.command == "PUT":
            template = json.loads(body)
            self.check_template(template)
            self.keep("_template", name, template)
        elif self.product:
            kept = self.server.store.get("_template", name)
            self.answer(200 if kept else 404, {name: kept[1]} if kept else {})
        elif self.faults.get("no_schema"):
            self.answer(404, {})
        else:
            self.answer(200, {name: {"mappings": {"_meta": {"molochDbVersion": SCHEMA}}}})

    def check_template(self, template):
        unknown = template.keys() - TEMPLATE_KEYS
        if unknown or not isinstance(template.get("index_patterns"), list):
            self.violation(f"template with {sorted(unknown)} and patterns {template.get('index_patterns')}")
        unknown = template.get("mappings", {}).keys() - MAPPING_KEYS
        if unknown:
            self.violation(f"a mapping with {sorted(unknown)}, or of a type")
        # An alias has to find its field in the mapping that it comes with.
        properties = template.get("mappings", {}).get("properties", {})
        for name, value in properties.items():
            field = {"properties": properties}
            for part in value.get("path", name).split("."):
                field = field.get("properties", {}).get(part, {})
            if value.get("type") == "alias" and "type" not in field:
                self.violation(f"alias {name} of {value['path']}, which is not there")

    def keep(self, kind, name, what):
        with self.server.store.lock:
            self.server.store.put([(kind, name, 1, what)])
        self.answer(200, {"acknowledged": True})

    def index(self, name, body):
        if self.command == "HEAD":
            self.answer(200 if self.server.store.get("_index", name) else 404, {})
            return
        request = json.loads(body)
        unknown = request.keys() - {"settings", "mappings", "aliases"} or request.get("mappings", {}).keys() - MAPPING_KEYS
        if unknown:
            self.violation(f"index with {sorted(unknown)}")
        with self.server.store.lock:
            self.server.store.put([("_index", alias, 1, {}) for alias in request.get("aliases", {})])
        self.keep("_index", name, request)

    def simulate(self, index):
        """The composable template that would count for an index."""
        if not self.product.get("composable"):
            self.error(405, "method_not_allowed", "Incorrect HTTP method for uri")
        else:
            self.answer(200, {"template": {"settings": {}}, "overlapping": []} if self.faults.get("overridden") else {})

    def search(self, index, body):
        request = json.loads(body) if body else {}
        found = [(key, doc) for (i, key), (_, doc) in list(self.server.store.documents.items()) if i == index]
        clauses = request.get("query", {}).get("bool", {}).get("filter", [])
        for clause in clauses:
            for name, value in clause.get("term", {}).items():
                found = [(k, d) for k, d in found if d.get(name) == value]
            for name, value in clause.get("range", {}).items():
                found = [(k, d) for k, d in found if d.get(name, 0) > value["gt"]]
        if "sort" in request:
            name = next(iter(request["sort"][0]))
            found.sort(key=lambda kd: kd[1].get(name, 0))
        size = int(self.query.get("size") or request.get("size", 10))
        self.answer(200, {"hits": {"hits": [{"_index": index, "_id": k, "_source": d} for k, d in found[:size]]}})

    def document(self, index, operation, key, body):
        store = self.server.store
        with store.lock:
            old = store.get(index, key)
            if self.command == "GET":
                reply = (404, {"found": False}) if old is None else (200, {"found": True, "_version": old[0], "_source": old[1]})
            elif operation == "_update":
                reply = self.update(index, key, json.loads(body), old)
            else:
                reply = self.replace(index, key, json.loads(body), old)
        self.answer(*reply)

    def replace(self, index, key, document, old):
        version = (old[0] if old else 0) + 1
        if self.query.get("version_type") == "external":
            asked = int(self.query["version"])
            if asked < version:
                return 409, {"error": {"type": "version_conflict_engine_exception"}, "status": 409}
            version = asked
        self.server.store.put([(index, key, version, document)])
        return (200 if old else 201), {"_version": version}

    def update(self, index, key, request, old):
        if old is None and "upsert" not in request and not request.get("doc_as_upsert"):
            return 404, {"error": {"type": "document_missing_exception"}, "status": 404}
        document = {**old[1], **request["doc"]} if old else request.get("upsert", request["doc"])
        self.server.store.put([(index, key, (old[0] if old else 0) + 1, document)])
        return (200 if old else 201), {"_version": 1}

    # ---- bulk

    def bulk(self, body):
        if self.headers.get("Content-Type") != "application/x-ndjson":
            self.violation(f"Content-Type {self.headers.get('Content-Type')}")
        if self.faults.get("max_bytes") and len(body) > self.faults["max_bytes"]:
            self.error(413, "content_too_long_exception")
            return
        items = self.items(body)
        if items is None:
            self.error(400, "illegal_argument_exception", "The bulk request must be terminated by a newline")
            return
        refused = [(self.chance("item_429") and 429) or (self.chance("item_503") and 503) for _ in items]
        answers = self.take_all(items, refused)
        if answers is None:
            return
        if self.chance("short"):
            answers = answers[:-1]
        errors = any("error" in next(iter(a.values())) for a in answers)
        first = {"errors": errors, "took": 1} if self.product.get("errors_first") else {"took": 1, "errors": errors}
        self.answer(200, {**first, "items": answers})

    def items(self, body):
        """[(operation, its parameters, document)], or None when this is no bulk request."""
        if not body.endswith(b"\n"):
            self.violation("does not end with a newline")
            return None
        lines = body.split(b"\n")[:-1]
        if not lines or len(lines) % 2:
            self.violation(f"{len(lines)} lines")
            return None
        items = []
        for action, text in zip(lines[::2], lines[1::2]):
            try:
                (operation, parameters), = json.loads(action).items()
                document = json.loads(text)
            except ValueError as e:
                self.violation(f"{e}: {action[:100]!r} {text[:100]!r}")
                return None
            if operation not in ("create", "index", "update") or "_index" not in parameters or not isinstance(document, dict) or \
                    parameters.keys() - ACTION_KEYS:
                self.violation(f"action {action[:200]!r}")
                return None
            items.append((operation, parameters, document))
        names = [p["_id"] for o, p, _ in items if o == "create" and "_id" in p]
        if len(set(names)) != len(names):
            self.violation("an id twice in one request")
        return items

    def is_poison(self, key):
        return int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) / 2**32 < self.faults.get("item_400", 0)

    def take_all(self, items, refused):
        """An answer for each item, or None when the request was answered already."""
        with self.server.store.lock:
            return self.take(items, refused)

    def take(self, items, refused):
        answers, changes = [], []
        for (operation, parameters, document), status in zip(items, refused):
            index, key = parameters["_index"], parameters.get("_id")
            if key is None:
                self.server.n_ids += 1
                key = f"made-{os.getpid()}-{self.server.n_ids}"
            if operation == "create" and self.is_poison(key):
                self.server.note("injected", "item_400")
                answers.append(self.item(operation, 400, self.product.get("mapping_error", "mapper_parsing_exception"), "failed to parse field"))
            elif status:
                answers.append(self.item(operation, status, "es_rejected_execution_exception", "rejected"))
            elif operation == "create" and self.server.store.get(index, key) is not None:
                answers.append(self.item(operation, 409, "version_conflict_engine_exception", "document already exists"))
            else:
                old = self.server.store.get(index, key)
                if operation == "update":
                    document = {**old[1], **document["doc"]} if old else document.get("upsert", document["doc"])
                changes.append((index, key, (old[0] if old else 0) + 1, document))
                self.server.store.documents[index, key] = changes[-1][2:]
                answers.append(self.item(operation, 200 if old else 201))
        self.server.store.put(changes)
        return answers

    @staticmethod
    def item(operation, status, kind=None, reason=None):
        return {operation: {"status": status, "error": {"type": kind, "reason": reason}} if kind else {"status": status}}


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    server = Server(folder, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
