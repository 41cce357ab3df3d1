"""A worker for Atelier: `ATELIER_KEY=<a key with the scope runner> python runner.py http://127.0.0.1:8000 memes`."""

import json
import os
import socket
import sys
import threading
import time
import urllib.request

URL, TOOLS = sys.argv[1].rstrip("/"), sys.argv[2:]
NAME = f"{socket.gethostname()}-{os.getpid()}"


def send(method, url, content, headers):
    request = urllib.request.Request(url, content, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def call(path, **body):
    headers = {"Authorization": f"Bearer {os.environ['ATELIER_KEY']}", "Content-Type": "application/json"}
    return json.loads(send("POST", f"{URL}/v1/runner/{path}", json.dumps(body).encode(), headers))


def make(job, report):
    """The work: yields (name, content type, kind, bytes) and reports how far it has come."""
    report(10, "writing")
    yield "made.txt", "text/plain", "text", f"{job['tool']}: {job['prompt']}\n".encode()


def run(job):
    held, over = {"job_id": job["job_id"], "token": job["token"]}, threading.Event()
    state = {"progress": 0, "stage": "starting"}

    def keep():
        # A lease that is renewed three times over survives a lost request; whoever loses it stops.
        while not over.wait(job["lease_seconds"] / 4) and call("heartbeat", **held, **state)["answer"] == "ok":
            pass
        over.set()

    threading.Thread(target=keep, daemon=True).start()
    files = []
    for name, content_type, kind, content in make(job, lambda *now: state.update(progress=now[0], stage=now[1])):
        if over.is_set():
            return call("settle", **held, outcome="CANCELLED")
        place = call("outputs", **held, name=name, content_type=content_type, size=len(content))
        send(place["method"], place["url"], content, {"Content-Type": content_type})
        files.append({"file_id": place["file_id"], "kind": kind})
    over.set()
    return call("settle", **held, outcome="COMPLETED", files=files, engine={"provider": "example", "version": "1"})


while True:
    jobs = call("claim", tools=TOOLS, worker_id=NAME)["jobs"]
    for job in jobs:
        print(job["job_id"], run(job)["outcome"], flush=True)
    if not jobs:
        time.sleep(2)
