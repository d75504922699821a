"""Calls the local Cloudflare through Cloudflare's official Python SDK, one noun a run, and prints
what came back as one JSON document: `python3 sdk.py <noun>`."""

import json
import os
import sys

from cloudflare import APIStatusError, Cloudflare

cf = Cloudflare(api_token=os.environ["CLOUDFLARE_API_TOKEN"], max_retries=0)
account = os.environ["CLOUDFLARE_ACCOUNT_ID"]


def failure(call):
    try:
        call()
    except APIStatusError as error:
        codes = [one.code for one in getattr(error, "errors", None) or []]
        return {"status": error.status_code, "codes": codes}
    return None


def metadata(bindings=()):
    return {"main_module": "index.js", "compatibility_date": "2026-04-01", "bindings": list(bindings)}


def files(text):
    code = "export default { fetch() { return new Response(%s) } };" % json.dumps(text)
    return [("index.js", code.encode(), "application/javascript+module")]


def identity():
    stranger = Cloudflare(api_token="not-a-token", max_retries=0)
    return {
        "status": cf.user.tokens.verify().status,
        "accounts": [one.id for one in cf.accounts.list()],
        "stranger": failure(stranger.user.tokens.verify),
    }


def zones():
    zone = cf.zones.create(name="sdk.test", account={"id": account}).id
    made = cf.dns.records.create(zone_id=zone, type="A", name="www", content="192.0.2.1", ttl=1)
    edited = cf.dns.records.edit(
        made.id, zone_id=zone, type="A", name="www", content="192.0.2.2", ttl=1
    )
    batch = cf.dns.records.batch(
        zone_id=zone,
        deletes=[{"id": made.id}],
        posts=[{"type": "TXT", "name": "note", "ttl": 300, "content": "hello"}],
    )
    exported = cf.dns.records.export(zone_id=zone)
    listed = [one.name for one in cf.dns.records.list(zone_id=zone)]
    cf.zones.delete(zone_id=zone)
    return {
        "edited": edited.content,
        "batch": [len(batch.deletes), len(batch.posts)],
        "exported": 'note.sdk.test.\t300\tIN\tTXT\t"hello"' in exported,
        "listed": listed,
    }


def kv():
    space = cf.kv.namespaces.create(account_id=account, title="notes").id
    at = {"account_id": account, "namespace_id": space}
    cf.kv.namespaces.values.update("a/b c", value=b"one", **at)
    cf.kv.namespaces.values.update("meta", value=b"two", metadata='{"n":1}', **at)
    cf.kv.namespaces.bulk_update(
        space, account_id=account, body=[{"key": f"k{n:02}", "value": f"v{n}"} for n in range(25)]
    )
    value = cf.kv.namespaces.values.get("a/b c", **at).read().decode()
    meta = cf.kv.namespaces.metadata.get("meta", **at)
    keys = [one.name for one in cf.kv.namespaces.keys.list(space, account_id=account, prefix="k", limit=10)]
    none = failure(lambda: cf.kv.namespaces.values.get("none", **at))
    cf.kv.namespaces.delete(space, account_id=account)
    return {"value": value, "metadata": meta, "keys": len(keys), "none": none}


def d1():
    database = cf.d1.database.create(account_id=account, name="books").uuid
    run = lambda **rest: list(cf.d1.database.query(database, account_id=account, **rest))
    run(sql="CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT); INSERT INTO book (title) VALUES ('a');")
    inserted = run(sql="INSERT INTO book (title) VALUES (?), (?)", params=["b", "c"])
    rows = run(sql="SELECT title FROM book ORDER BY id")
    broken = failure(lambda: run(sql="INSERT INTO book (title) VALUES ('d'); SELECT * FROM nope"))
    count = run(sql="SELECT count(*) AS n FROM book")
    listed = [one.name for one in cf.d1.database.list(account_id=account)]
    cf.d1.database.delete(database, account_id=account)
    return {
        "changes": inserted[0].meta.changes,
        "rows": [row["title"] for row in rows[0].results],
        "broken": broken,
        "count": count[0].results[0]["n"],
        "listed": listed,
    }


def r2():
    made = cf.r2.buckets.create(account_id=account, name="pictures").name
    listed = [one.name for one in cf.r2.buckets.list(account_id=account).buckets]
    twice = failure(lambda: cf.r2.buckets.create(account_id=account, name="pictures"))
    cf.r2.buckets.delete("pictures", account_id=account)
    return {"made": made, "listed": listed, "twice": twice}


def workers():
    scripts = cf.workers.scripts
    put = scripts.update("sdk-worker", account_id=account, metadata=metadata(), files=files("one"))
    # Read raw: this SDK's model of the answer does not load with the pydantic that it asks for.
    answer = scripts.versions.with_raw_response.create(
        "sdk-worker", account_id=account, metadata=metadata(), files=files("two")
    )
    version = answer.http_response.json()["result"]["id"]
    versions = [one.id for one in scripts.versions.list("sdk-worker", account_id=account)]
    deployment = scripts.deployments.create(
        "sdk-worker",
        account_id=account,
        strategy="percentage",
        versions=[{"version_id": version, "percentage": 100}],
    )
    scripts.schedules.update("sdk-worker", account_id=account, body=[{"cron": "*/5 * * * *"}])
    scripts.secrets.update(
        "sdk-worker", account_id=account, name="KEY", text="hidden", type="secret_text"
    )
    secrets = [one.name for one in scripts.secrets.list("sdk-worker", account_id=account)]
    listed = [one.id for one in scripts.list(account_id=account)]
    scripts.delete("sdk-worker", account_id=account, force=True)
    return {
        "id": put.id,
        "versions": len(versions),
        "newest": versions[0] == version,
        "deployed": deployment.versions[0].version_id == version,
        "secrets": secrets,
        "scripts": listed,
    }


def queues():
    queue = cf.queues.create(account_id=account, queue_name="jobs").queue_id
    cf.queues.consumers.create(queue, account_id=account, type="http_pull")
    cf.queues.messages.push(queue, account_id=account, body={"n": 1}, content_type="json")
    pulled = cf.queues.messages.pull(queue, account_id=account, batch_size=10)
    messages = getattr(pulled, "messages", None) or list(pulled)
    acked = cf.queues.messages.ack(
        queue, account_id=account, acks=[{"lease_id": one.lease_id} for one in messages]
    )
    listed = [one.queue_name for one in cf.queues.list(account_id=account)]
    cf.queues.delete(queue, account_id=account)
    return {"pulled": len(messages), "acked": acked.ack_count, "listed": listed}


NOUNS = {
    noun.__name__: noun for noun in (identity, zones, kv, d1, r2, workers, queues)
}
print(json.dumps(NOUNS[sys.argv[1]]()))
