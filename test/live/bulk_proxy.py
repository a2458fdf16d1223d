#!/usr/bin/env python3
"""A proxy that fails as bulk_server.py does, in front of a real node: what it lets through is the node's to answer.

  bulk_proxy.py FOLDER PORT URL      prints its port; faults and violations are those of bulk_server.py, in the same files

A node that is not there is a connection that closes without an answer.
"""
import http.client
import json
import os
import sys
import urllib.parse

import bulk_server


class Proxy(bulk_server.Handler):
    upstream = None

    def route(self, path, body):
        if path.endswith("/_bulk"):
            self.bulk(body)
        else:
            got = self.ask(body)
            if got:
                self.answer(*got)

    def ask(self, body):
        """(status, answer) of the node, or None when it has none and the client was told so."""
        headers = {k: v for k, v in self.headers.items() if k.lower() in ("content-type", "authorization")}
        # A connection that was kept may have died with the node, and then what was asked may have been done or not: so it is not asked twice.
        try:
            if self.upstream is None:
                self.upstream = http.client.HTTPConnection(self.server.host, timeout=120)
            self.upstream.request(self.command, self.path, body=body or None, headers=headers)
            answer = self.upstream.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            if self.upstream is not None:
                self.upstream.close()
            self.upstream = None
            self.server.note("injected", "down")
            self.close_connection = True
            return None

    def take_all(self, items, refused):
        """The node gets those that are not refused here; each answer goes to its item."""
        let_through, answers = [], [None] * len(items)
        for i, ((operation, parameters, document), status) in enumerate(zip(items, refused)):
            if operation == "create" and self.is_poison(parameters.get("_id", "")):
                self.server.note("injected", "item_400")
                answers[i] = self.item(operation, 400, "mapper_parsing_exception", "failed to parse field")
            elif status:
                answers[i] = self.item(operation, status, "es_rejected_execution_exception", "rejected")
            else:
                let_through.append(i)
        if not let_through:
            return answers
        got = self.ask("".join(json.dumps({items[i][0]: items[i][1]}) + "\n" + json.dumps(items[i][2]) + "\n" for i in let_through).encode())
        if got is None:
            return None
        if got[0] != 200:
            self.answer(*got)
            return None
        told = json.loads(got[1])["items"]
        if len(told) != len(let_through):
            self.violation(f"the node answers {len(told)} of {len(let_through)} items")
        for i, answer in zip(let_through, told):
            answers[i] = answer
        return answers


def main():
    folder, port, url = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    server = bulk_server.Server(folder, int(port), Proxy)
    server.host = urllib.parse.urlsplit(url).netloc
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
