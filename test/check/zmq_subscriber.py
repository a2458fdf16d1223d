"""A subscriber to the sink zmq, in another language: python3-zmq of Debian, so run with /usr/bin/python3.

zmq_subscriber.py ENDPOINT TOPICS FILE [push|slow] writes to FILE, as pickles one after the other, "ready" and then each (topic, message),
until its standard input is closed and nothing has come for a second. "slow" reads nothing before that.
"""
import pickle
import select
import sys

import zmq


def main():
    endpoint, topics, path, *how = sys.argv[1:]
    socket = zmq.Context().socket(zmq.PULL if "push" in how else zmq.SUB)
    socket.setsockopt(zmq.RCVHWM, 10 if "slow" in how else 0)
    socket.setsockopt(zmq.LINGER, 0)
    if "push" not in how:
        for topic in topics.split(","):
            socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
    socket.connect(endpoint)
    with open(path, "wb", buffering=0) as out:
        pickle.dump("ready", out)
        ended = False
        while True:
            if not ended and select.select([sys.stdin], [], [], 1 if "slow" in how else 0)[0]:
                ended = sys.stdin.read() == ""
            if "slow" in how and not ended:
                continue
            if not socket.poll(1000 if ended else 50):
                if ended:
                    return
                continue
            while socket.poll(0):
                pickle.dump(tuple(socket.recv_multipart()), out)


main()
