"""Makes MongoDB's replica set and its users ("create"), and tells whether a member takes part ("member PORT")."""

import json
import os
import re
import sys
import time

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

PORTS = os.environ["WW_PORTS"].split()
HOSTS = [f"127.0.0.1:{port}" for port in PORTS]


def connect(host, user=None, password=None):
    return MongoClient(
        f"mongodb://{host}/",
        directConnection=True,
        serverSelectionTimeoutMS=2000,
        socketTimeoutMS=20000,
        username=user,
        password=password,
    )


def until(what, seconds, attempt):
    """Repeats attempt until it returns something true; errors on the way are what starting up looks like."""
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            if seen := attempt():
                return seen
        except PyMongoError as error:
            last = error
        time.sleep(0.05)
    sys.exit(f"{what}: not within {seconds} s ({last})")


def monitor_roles():
    """What `watchward grants` gives the user that watches: the script is for a shell that is not here, its roles are JSON."""
    with open(os.path.join(os.path.dirname(__file__), "..", "grants", "mongodb-6.js"), encoding="utf-8") as script:
        return json.loads(re.search(r'"roles": (.*)', script.read()).group(1))


def create():
    first = connect(HOSTS[0])
    until("mongod answers", 90, lambda: first.admin.command("ping"))
    # One member elects itself at once; three together would first wait a whole election time-out.
    config = {"_id": "docs", "version": 1, "members": [{"_id": 0, "host": HOSTS[0]}]}
    first.admin.command("replSetInitiate", config)
    until("mongodb-1 is primary", 90, lambda: first.admin.command("hello")["isWritablePrimary"])
    # The localhost exception allows exactly this one user without a login.
    first.admin.command("createUser", "admin", pwd=os.environ["WW_ADMIN"], roles=["root"])
    admin = connect(HOSTS[0], "admin", os.environ["WW_ADMIN"])
    admin.admin.command("createUser", "watchward", pwd=os.environ["WW_MONITOR"], roles=monitor_roles())
    admin.shop.orders.insert_many([{"_id": n, "customer": n % 100, "amount": n % 97} for n in range(2000)])
    admin.shop.orders.create_index("customer")
    # MongoDB takes one new voting member per change of the configuration.
    for number in (1, 2):
        until(f"mongodb-{number + 1} answers", 90, lambda: connect(HOSTS[number]).admin.command("ping"))

        def add():
            current = admin.admin.command("replSetGetConfig")["config"]
            if any(member["host"] == HOSTS[number] for member in current["members"]):
                return True
            current["version"] += 1
            current["members"].append({"_id": number, "host": HOSTS[number]})
            return admin.admin.command("replSetReconfig", current)

        until(f"mongodb-{number + 1} joins", 90, add)


def member(port):
    client = connect(f"127.0.0.1:{port}", "admin", os.environ["WW_ADMIN"])
    hello = client.admin.command("hello")
    # A client that logs in proves that users have arrived here too.
    client.admin.command("ping")
    return hello["isWritablePrimary"] or hello["secondary"]


if __name__ == "__main__":
    try:
        if sys.argv[1] == "create":
            create()
        else:
            sys.exit(0 if member(sys.argv[2]) else 1)
    except (PyMongoError, OperationFailure) as error:
        sys.exit(f"mongodb: {error}")
