"""Reads what Athena wrote with PyIceberg, and lets Athena read what PyIceberg wrote, through a running local cloud.

AWS_ENDPOINT_URL says where; the state machine has run once, so appdb.pageviews_daily is there and not empty.
"""

import collections
import datetime
import os
import sys
import time
import uuid

import boto3
import pyarrow as pa
from pyiceberg.catalog import load_catalog
from pyiceberg.expressions import EqualTo, GreaterThanOrEqual
from pyiceberg.types import StringType

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
REGION = os.environ.get("AWS_REGION", "us-east-1")
KEYS = {"access": os.environ.get("AWS_ACCESS_KEY_ID", "local"), "secret": os.environ.get("AWS_SECRET_ACCESS_KEY", "local")}

catalog = load_catalog(
    "local",
    **{
        "type": "glue",
        "glue.endpoint": ENDPOINT,
        "glue.region": REGION,
        "glue.access-key-id": KEYS["access"],
        "glue.secret-access-key": KEYS["secret"],
        "s3.endpoint": ENDPOINT,
        "s3.region": REGION,
        "s3.access-key-id": KEYS["access"],
        "s3.secret-access-key": KEYS["secret"],
    },
)
athena_client = boto3.client("athena", region_name=REGION, endpoint_url=ENDPOINT)


def athena(sql, bucket):
    """Rows of a query as lists of text; a statement without a result has none."""
    started = athena_client.start_query_execution(
        QueryString=sql,
        QueryExecutionContext={"Database": "appdb"},
        ResultConfiguration={"OutputLocation": f"s3://{bucket}/athena-results/pyiceberg/"},
    )
    query = started["QueryExecutionId"]
    while True:
        execution = athena_client.get_query_execution(QueryExecutionId=query)["QueryExecution"]
        state = execution["Status"]["State"]
        if state not in ("QUEUED", "RUNNING"):
            break
        time.sleep(0.05)
    if state != "SUCCEEDED":
        raise AssertionError(f"{sql}: {state}: {execution['Status'].get('StateChangeReason')}")
    pages = athena_client.get_paginator("get_query_results").paginate(QueryExecutionId=query)
    rows = [[cell.get("VarCharValue") for cell in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]]
    return rows[1:] if execution["StatementType"] == "DML" else rows


def same(what, ours, theirs):
    if ours != theirs:
        raise AssertionError(f"{what}: Athena says {ours}, PyIceberg says {theirs}")
    print(f"   {what}: {str(ours)[:100]}")


def reads_what_athena_wrote():
    table = catalog.load_table("appdb.pageviews_daily")
    bucket = table.location().removeprefix("s3://").split("/")[0]
    rows = table.scan().to_arrow().to_pylist()
    assert rows, "the output table is empty"

    counted = athena('SELECT count(*), sum(view_count), min(view_date), max(view_date) FROM "appdb"."pageviews_daily"', bucket)
    dates = [row["view_date"] for row in rows]
    views = sum(row["view_count"] for row in rows)
    same("rows, views, first and last day", counted, [[str(len(rows)), str(views), str(min(dates)), str(max(dates))]])

    grouped = athena("SELECT view_date, country, sum(view_count) FROM pageviews_daily GROUP BY 1, 2 ORDER BY 1, 2", bucket)
    sums = collections.Counter()
    for row in rows:
        sums[(str(row["view_date"]), row["country"])] += row["view_count"]
    same("views by day and country", grouped, [[day, country, str(total)] for (day, country), total in sorted(sums.items())])

    last = max(dates)
    pruned = table.scan(row_filter=GreaterThanOrEqual("view_date", last.isoformat())).to_arrow()
    filtered = athena(f"SELECT count(*) FROM pageviews_daily WHERE view_date >= DATE '{last}'", bucket)
    same("rows of the last day", filtered, [[str(pruned.num_rows)]])

    snapshots = athena('SELECT snapshot_id FROM "pageviews_daily$snapshots" ORDER BY committed_at', bucket)
    same("snapshots", snapshots, [[str(snapshot.snapshot_id)] for snapshot in table.snapshots()])
    files = athena('SELECT file_path FROM "pageviews_daily$files" ORDER BY 1', bucket)
    same("files", files, [[path] for path in sorted(table.inspect.files()["file_path"].to_pylist())])
    return bucket


def total(table):
    return [[str(sum(table.scan().to_arrow()["views"].to_pylist()))]]


def is_read_by_athena(bucket):
    name = f"from_pyiceberg_{uuid.uuid4().hex[:8]}"
    schema = pa.schema([("day", pa.date32()), ("url", pa.string()), ("views", pa.int64())])
    table = catalog.create_table(f"appdb.{name}", schema, location=f"s3://{bucket}/pyiceberg/{name}")
    with table.update_spec() as update:
        update.add_field("day", "identity", "day")
    day = datetime.date.fromisoformat
    rows = [(day("2026-01-31"), "/é", 3), (day("2026-02-01"), "/b", 4), (None, None, 5)]
    table.append(pa.Table.from_pylist([dict(zip(schema.names, row)) for row in rows], schema=schema))
    shown = athena(f"SELECT day, url, views FROM {name} ORDER BY views", bucket)
    same("rows that PyIceberg appended", shown, [["2026-01-31", "/é", "3"], ["2026-02-01", "/b", "4"], [None, None, "5"]])

    athena(f"INSERT INTO {name} SELECT DATE '2026-02-02', '/c', 6", bucket)
    table = catalog.load_table(f"appdb.{name}")
    same("views after Athena's INSERT", athena(f"SELECT sum(views) FROM {name}", bucket), total(table))

    athena(f"UPDATE {name} SET views = views + 10 WHERE url = '/c'", bucket)
    athena(
        f"MERGE INTO {name} t USING (VALUES ('/c', 20), ('/d', 30)) AS s (url, views) ON t.url = s.url "
        "WHEN MATCHED THEN UPDATE SET views = t.views + s.views "
        "WHEN NOT MATCHED THEN INSERT (day, url, views) VALUES (DATE '2026-02-03', s.url, s.views)",
        bucket,
    )
    athena(f"DELETE FROM {name} WHERE url = '/é'", bucket)
    table = catalog.load_table(f"appdb.{name}")
    shown = athena(f"SELECT url, views FROM {name} ORDER BY views", bucket)
    rows = sorted(table.scan().to_arrow().to_pylist(), key=lambda row: row["views"])
    same("rows after Athena's UPDATE, MERGE and DELETE", shown, [[row["url"], str(row["views"])] for row in rows])
    first = min(table.snapshots(), key=lambda snapshot: snapshot.sequence_number)
    former = athena(f"SELECT sum(views) FROM {name} FOR VERSION AS OF {first.snapshot_id}", bucket)
    same("views of the first snapshot", former, [["12"]])

    table.delete(EqualTo("url", "/b"))
    table = catalog.load_table(f"appdb.{name}")
    same("views after PyIceberg's delete", athena(f"SELECT sum(views) FROM {name}", bucket), total(table))
    for url in ("/x", "/y", "/z"):
        table.append(pa.Table.from_pylist([{"day": None, "url": url, "views": 1}], schema=schema))
    athena(f"DELETE FROM {name} WHERE url = '/y'", bucket)
    table = catalog.load_table(f"appdb.{name}")
    same("views after appends and Athena's DELETE", athena(f"SELECT sum(views) FROM {name}", bucket), total(table))
    with table.transaction() as transaction:
        transaction.set_properties({
            "optimize_rewrite_data_file_threshold": "2",
            "history.expire.max-snapshot-age-ms": "0",
        })
    athena(f"OPTIMIZE {name} REWRITE DATA USING BIN_PACK", bucket)
    athena(f"VACUUM {name}", bucket)
    table = catalog.load_table(f"appdb.{name}")
    same("snapshots after VACUUM", [str(len(table.snapshots()))], ["1"])
    same("views after OPTIMIZE and VACUUM", athena(f"SELECT sum(views) FROM {name}", bucket), total(table))
    with table.update_schema() as update:
        update.rename_column("url", "page")
        update.add_column("country", StringType())
    shown = athena(f"SELECT page, country FROM {name} WHERE page = '/c'", bucket)
    same("a renamed and an added column", shown, [["/c", None]])
    athena(f"DROP TABLE {name}", bucket)
    left = boto3.client("s3", region_name=REGION, endpoint_url=ENDPOINT).list_objects_v2(Bucket=bucket, Prefix=f"pyiceberg/{name}/")
    same("files that a DROP leaves", left["KeyCount"], 0)


def main():
    is_read_by_athena(reads_what_athena_wrote())


if __name__ == "__main__":
    sys.exit(main())
