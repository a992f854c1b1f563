#!/usr/bin/env python3
"""Drives a running local cloud with boto3: S3, Glue, Athena and Step Functions, as a user's own code would.

Wants AWS_ENDPOINT_URL; ends with 1 on the first thing that is not as on AWS.
"""

import hashlib
import os
import tempfile
import threading
import time
import uuid

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

MIB = 1 << 20
BUCKET = f"boto3-check-{uuid.uuid4().hex[:8]}"
DATABASE = f"boto3_check_{uuid.uuid4().hex[:8]}"

s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
glue = boto3.client("glue")
athena = boto3.client("athena")
sfn = boto3.client("stepfunctions")


def refused(code, call, **arguments):
    """The error of a call that must fail with this code."""
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, f"expected {code}: {error}"
        return error
    raise AssertionError(f"expected {code}, and it succeeded: {arguments}")


def objects():
    body = "größe,1\n".encode() * 1000
    put = s3.put_object(
        Bucket=BUCKET, Key="a/größe 1+1=2.csv", Body=body, ContentType="text/csv", Metadata={"Run": "7"}
    )
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"', put
    got = s3.get_object(Bucket=BUCKET, Key="a/größe 1+1=2.csv")
    assert got["Body"].read() == body and got["ContentType"] == "text/csv" and got["Metadata"] == {"run": "7"}, got
    for range_, expected in [
        ("bytes=0-3", body[:4]),
        ("bytes=8990-", body[8990:]),
        ("bytes=-5", body[-5:]),
        ("bytes=0-999999", body),
    ]:
        part = s3.get_object(Bucket=BUCKET, Key="a/größe 1+1=2.csv", Range=range_)
        assert part["Body"].read() == expected and part["ResponseMetadata"]["HTTPStatusCode"] == 206, range_
    refused("InvalidRange", s3.get_object, Bucket=BUCKET, Key="a/größe 1+1=2.csv", Range=f"bytes={len(body)}-")
    refused("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="nothing")
    refused("404", s3.head_object, Bucket=BUCKET, Key="nothing")
    refused("NoSuchBucket", s3.get_object, Bucket="no-such-bucket-here", Key="k")
    refused("304", s3.get_object, Bucket=BUCKET, Key="a/größe 1+1=2.csv", IfNoneMatch=put["ETag"])
    refused("PreconditionFailed", s3.get_object, Bucket=BUCKET, Key="a/größe 1+1=2.csv", IfMatch='"0"')
    refused("BadDigest", s3.put_object, Bucket=BUCKET, Key="bad", Body=b"x", ChecksumCRC32="AAAAAA==")
    refused("BadDigest", s3.put_object, Bucket=BUCKET, Key="bad", Body=b"x", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    refused("404", s3.head_object, Bucket=BUCKET, Key="bad")
    refused("NotImplemented", s3.put_object_tagging, Bucket=BUCKET, Key="a", Tagging={"TagSet": []})
    s3.put_object(Bucket=BUCKET, Key="empty", Body=b"")
    assert s3.head_object(Bucket=BUCKET, Key="empty")["ContentLength"] == 0
    for algorithm in ["CRC32", "SHA1", "SHA256"]:
        put = s3.put_object(Bucket=BUCKET, Key="sum", Body=b"sum", ChecksumAlgorithm=algorithm)
        head = s3.head_object(Bucket=BUCKET, Key="sum", ChecksumMode="ENABLED")
        assert head[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"], head
    url = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "sum"})
    import urllib.request

    assert urllib.request.urlopen(url).read() == b"sum"


def conditional_writes():
    first = s3.put_object(Bucket=BUCKET, Key="lock", Body=b"1", IfNoneMatch="*")
    refused("PreconditionFailed", s3.put_object, Bucket=BUCKET, Key="lock", Body=b"2", IfNoneMatch="*")
    refused("PreconditionFailed", s3.put_object, Bucket=BUCKET, Key="lock", Body=b"2", IfMatch='"0"')
    second = s3.put_object(Bucket=BUCKET, Key="lock", Body=b"2", IfMatch=first["ETag"])
    refused("NoSuchKey", s3.put_object, Bucket=BUCKET, Key="no-lock", Body=b"2", IfMatch=first["ETag"])
    # Of many writers with one ETag, one wins.
    wins = []

    def race(number):
        try:
            s3.put_object(Bucket=BUCKET, Key="lock", Body=str(number).encode() * 9, IfMatch=second["ETag"])
            wins.append(number)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed", error

    threads = [threading.Thread(target=race, args=(number,)) for number in range(10)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(wins) == 1, wins
    assert s3.get_object(Bucket=BUCKET, Key="lock")["Body"].read() == str(wins[0]).encode() * 9


def large_objects(folder):
    content = os.urandom(MIB) * 20 + b"the end"
    path = os.path.join(folder, "large")
    with open(path, "wb") as file:
        file.write(content)
    s3.upload_file(path, BUCKET, "large", ExtraArgs={"ContentType": "application/x-large"})
    head = s3.head_object(Bucket=BUCKET, Key="large")
    assert head["ContentLength"] == len(content) and head["ContentType"] == "application/x-large", head
    assert head["ETag"].endswith('-3"'), head
    s3.download_file(BUCKET, "large", path + ".back", Config=TransferConfig(multipart_threshold=5 * MIB))
    with open(path + ".back", "rb") as file:
        assert file.read() == content
    s3.copy({"Bucket": BUCKET, "Key": "large"}, BUCKET, "large-copy", Config=TransferConfig(multipart_threshold=8 * MIB))
    assert s3.get_object(Bucket=BUCKET, Key="large-copy")["Body"].read() == content


def multipart():
    key = {"Bucket": BUCKET, "Key": "parts"}
    upload = {**key, "UploadId": s3.create_multipart_upload(**key)["UploadId"]}
    first = s3.upload_part(**upload, PartNumber=1, Body=b"1" * 5 * MIB)["ETag"]
    s3.upload_part(**upload, PartNumber=2, Body=b"wrong")
    second = s3.upload_part(**upload, PartNumber=2, Body=b"2")["ETag"]
    listed = s3.list_parts(**upload, MaxParts=1)
    assert listed["IsTruncated"] and listed["Parts"][0]["Size"] == 5 * MIB, listed
    uploads = s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    assert [each["Key"] for each in uploads] == ["parts"], uploads
    refused("404", s3.head_object, **key)

    def parts(*numbers_and_etags):
        return {"Parts": [{"PartNumber": number, "ETag": etag} for number, etag in numbers_and_etags]}

    complete = s3.complete_multipart_upload
    refused("InvalidPart", complete, **upload, MultipartUpload=parts((1, first), (2, '"0"')))
    refused("InvalidPartOrder", complete, **upload, MultipartUpload=parts((2, second), (1, first)))
    refused("MalformedXML", complete, **upload, MultipartUpload=parts())
    done = complete(**upload, MultipartUpload=parts((1, first), (2, second)), IfNoneMatch="*")
    assert done["ETag"].endswith('-2"'), done
    assert s3.get_object(**key)["Body"].read() == b"1" * 5 * MIB + b"2"
    assert s3.get_object(**key, PartNumber=2)["Body"].read() == b"2"
    refused("NoSuchUpload", s3.abort_multipart_upload, **upload)
    upload = {**key, "UploadId": s3.create_multipart_upload(**key)["UploadId"]}
    copied = s3.upload_part_copy(**upload, PartNumber=1, CopySource=key, CopySourceRange="bytes=1-9")["CopyPartResult"]
    refused("PreconditionFailed", complete, **upload, MultipartUpload=parts((1, copied["ETag"])), IfNoneMatch="*")
    s3.abort_multipart_upload(**upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


def listing():
    keys = sorted(f"list/{folder}/{number:04}" for folder in "abc" for number in range(500))
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="list/"))
    assert [page["KeyCount"] for page in pages] == [1000, 500]
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == keys
    old = list(s3.get_paginator("list_objects").paginate(Bucket=BUCKET, Prefix="list/", PaginationConfig={"PageSize": 99}))
    assert [entry["Key"] for page in old for entry in page["Contents"]] == keys
    folders = s3.list_objects_v2(Bucket=BUCKET, Prefix="list/", Delimiter="/")
    assert [each["Prefix"] for each in folders["CommonPrefixes"]] == ["list/a/", "list/b/", "list/c/"], folders
    assert "Contents" not in folders
    after = s3.list_objects_v2(Bucket=BUCKET, Prefix="list/", StartAfter="list/c/0497", FetchOwner=True)
    assert [entry["Key"] for entry in after["Contents"]] == ["list/c/0498", "list/c/0499"]
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="a/")["Contents"][0]["Key"] == "a/größe 1+1=2.csv"
    copy = s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "a/größe 1+1=2.csv"})
    head = s3.head_object(Bucket=BUCKET, Key="copy")
    assert copy["CopyObjectResult"]["ETag"] == head["ETag"] and head["Metadata"] == {"run": "7"}
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource=f"{BUCKET}/copy", MetadataDirective="REPLACE", Metadata={"b": "c"})
    assert s3.head_object(Bucket=BUCKET, Key="copy")["Metadata"] == {"b": "c"}
    deleted = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys[:1000]]})
    assert len(deleted["Deleted"]) == 1000 and "Errors" not in deleted
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="list/")["KeyCount"] == 500


def buckets():
    s3.create_bucket(Bucket=BUCKET)
    refused("BucketAlreadyOwnedByYou", s3.create_bucket, Bucket=BUCKET)
    assert BUCKET in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    s3.head_bucket(Bucket=BUCKET)
    refused("404", s3.head_bucket, Bucket="no-such-bucket-here")
    assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] is None
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    refused("NotImplemented", s3.get_bucket_lifecycle_configuration, Bucket=BUCKET)


def remove_bucket():
    refused("BucketNotEmpty", s3.delete_bucket, Bucket=BUCKET)
    boto3.resource("s3").Bucket(BUCKET).objects.all().delete()
    s3.delete_bucket(Bucket=BUCKET)
    refused("404", s3.head_bucket, Bucket=BUCKET)


def catalog():
    glue.create_database(DatabaseInput={"Name": DATABASE, "Description": "a check"})
    refused("AlreadyExistsException", glue.create_database, DatabaseInput={"Name": DATABASE})
    assert glue.get_database(Name=DATABASE)["Database"]["Description"] == "a check"
    refused("EntityNotFoundException", glue.get_database, Name="no_such_database")
    storage = {
        "Columns": [{"Name": "view_id", "Type": "string"}, {"Name": "n", "Type": "int", "Comment": "how many"}],
        "Location": f"s3://{BUCKET}/table/",
        "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
        "SerdeInfo": {
            "SerializationLibrary": "org.apache.hadoop.hive.serde2.OpenCSVSerde",
            "Parameters": {"separatorChar": ","},
        },
    }
    keys = [{"Name": "year", "Type": "int"}, {"Name": "country", "Type": "string"}]
    table = {"StorageDescriptor": storage, "PartitionKeys": keys, "TableType": "EXTERNAL_TABLE", "Parameters": {"k": "v"}}
    for name in ["events", "Customers", "pages"]:
        glue.create_table(DatabaseName=DATABASE, TableInput={"Name": name, **table})
    got = glue.get_table(DatabaseName=DATABASE, Name="EVENTS")["Table"]
    assert got["StorageDescriptor"]["Columns"] == storage["Columns"] and got["VersionId"] == "0", got
    assert got["StorageDescriptor"]["SerdeInfo"] == storage["SerdeInfo"], got
    pages = glue.get_paginator("get_tables").paginate(DatabaseName=DATABASE, PaginationConfig={"PageSize": 2})
    assert [[each["Name"] for each in page["TableList"]] for page in pages] == [["customers", "events"], ["pages"]]
    found = glue.get_tables(DatabaseName=DATABASE, Expression="e.*")["TableList"]
    assert [each["Name"] for each in found] == ["events"]
    # The version check that swaps and Iceberg commits stand on.
    update = {"Name": "events", **table, "Parameters": {"k": "w"}}
    glue.update_table(DatabaseName=DATABASE, TableInput=update, VersionId="0", SkipArchive=True)
    conflict = {"DatabaseName": DATABASE, "TableInput": update, "VersionId": "0", "SkipArchive": True}
    refused("ConcurrentModificationException", glue.update_table, **conflict)
    got = glue.get_table(DatabaseName=DATABASE, Name="events")["Table"]
    assert got["Parameters"] == {"k": "w"} and got["VersionId"] == "1", got
    of_table = {"DatabaseName": DATABASE, "TableName": "events"}
    partitions(of_table, storage)
    errors = glue.batch_delete_table(DatabaseName=DATABASE, TablesToDelete=["pages", "none"])["Errors"]
    assert [(each["TableName"], each["ErrorDetail"]["ErrorCode"]) for each in errors] == [("none", "EntityNotFoundException")]
    glue.delete_table(DatabaseName=DATABASE, Name="customers")
    refused("EntityNotFoundException", glue.delete_table, DatabaseName=DATABASE, Name="customers")
    refused("UnknownOperationException", glue.get_crawlers)
    shown = athena.get_table_metadata(CatalogName="AwsDataCatalog", DatabaseName=DATABASE, TableName="events")
    assert shown["TableMetadata"]["PartitionKeys"] == keys, shown
    glue.delete_database(Name=DATABASE)


def partitions(of_table, storage):
    def input_of(year, country):
        location = f"{storage['Location']}year={year}/country={country}/"
        return {"Values": [str(year), country], "StorageDescriptor": {**storage, "Location": location}}

    wanted = [input_of(year, country) for year in range(2000, 2030) for country in ["UK", "USA"]]
    assert glue.batch_create_partition(**of_table, PartitionInputList=wanted)["Errors"] == []
    again = glue.batch_create_partition(**of_table, PartitionInputList=[wanted[0], input_of(2030, "UK")])["Errors"]
    assert [each["ErrorDetail"]["ErrorCode"] for each in again] == ["AlreadyExistsException"], again
    refused("AlreadyExistsException", glue.create_partition, **of_table, PartitionInput=wanted[0])
    got = glue.get_partition(**of_table, PartitionValues=["2000", "UK"])["Partition"]
    assert got["StorageDescriptor"]["Location"].endswith("/year=2000/country=UK/"), got
    pages = glue.get_paginator("get_partitions").paginate(**of_table, PaginationConfig={"PageSize": 50})
    assert [len(page["Partitions"]) for page in pages] == [50, 11]
    expression = "year >= 2028 AND (country = 'USA' OR country = 'DE')"
    found = glue.get_partitions(**of_table, Expression=expression)["Partitions"]
    assert [each["Values"] for each in found] == [["2028", "USA"], ["2029", "USA"]], found
    refused("InvalidInputException", glue.get_partitions, **of_table, Expression="month = 1")
    batch = glue.batch_get_partition(**of_table, PartitionsToGet=[{"Values": ["2000", "UK"]}, {"Values": ["1", "X"]}])
    assert len(batch["Partitions"]) == 1, batch
    moved = {**wanted[0], "StorageDescriptor": {**storage, "Location": "s3://elsewhere/"}}
    glue.update_partition(**of_table, PartitionValueList=["2000", "UK"], PartitionInput=moved)
    got = glue.get_partition(**of_table, PartitionValues=["2000", "UK"])["Partition"]
    assert got["StorageDescriptor"]["Location"] == "s3://elsewhere/", got
    glue.delete_partition(**of_table, PartitionValues=["2000", "UK"])
    refused("EntityNotFoundException", glue.get_partition, **of_table, PartitionValues=["2000", "UK"])


def query(sql, **arguments):
    """A query's final description."""
    id = athena.start_query_execution(QueryString=sql, **arguments)["QueryExecutionId"]
    while True:
        execution = athena.get_query_execution(QueryExecutionId=id)["QueryExecution"]
        if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
            return execution
        time.sleep(0.02)


def queries():
    output = {"ResultConfiguration": {"OutputLocation": f"s3://{BUCKET}/results/"}}
    tables(output)
    values = "VALUES (1, 'a\"b'), (2, NULL), (3, '')"
    sql = f"SELECT n, t FROM ({values}) AS v (n, t) ORDER BY n"
    done = query(sql, **output)
    assert done["Status"]["State"] == "SUCCEEDED", done
    assert done["StatementType"] == "DML" and done["SubstatementType"] == "SELECT", done
    location = done["ResultConfiguration"]["OutputLocation"]
    assert location == f"s3://{BUCKET}/results/{done['QueryExecutionId']}.csv", location
    body = s3.get_object(Bucket=BUCKET, Key=f"results/{done['QueryExecutionId']}.csv")["Body"].read()
    assert body == b'"n","t"\n"1","a""b"\n"2",\n"3",""\n', body
    id = {"QueryExecutionId": done["QueryExecutionId"]}
    pages = list(athena.get_paginator("get_query_results").paginate(**id, PaginationConfig={"PageSize": 3}))
    rows = [row["Data"] for page in pages for row in page["ResultSet"]["Rows"]]
    text = [[datum.get("VarCharValue") for datum in row] for row in rows]
    assert text == [["n", "t"], ["1", 'a"b'], ["2", None], ["3", ""]] and len(pages) == 2, text
    columns = pages[0]["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    assert [(column["Name"], column["Type"]) for column in columns] == [("n", "integer"), ("t", "varchar")], columns
    many = query("SELECT x FROM UNNEST(sequence(1, 2500)) AS t (x)", **output)
    assert many["Status"]["State"] == "SUCCEEDED", many
    pages = list(athena.get_paginator("get_query_results").paginate(QueryExecutionId=many["QueryExecutionId"]))
    assert [len(page["ResultSet"]["Rows"]) for page in pages] == [1000, 1000, 501]
    token = uuid.uuid4().hex + uuid.uuid4().hex
    start = athena.start_query_execution
    first = start(QueryString="SELECT 1", ClientRequestToken=token, **output)["QueryExecutionId"]
    assert start(QueryString="SELECT 1", ClientRequestToken=token, **output)["QueryExecutionId"] == first
    error = refused("InvalidRequestException", start, QueryString="SELECT 2", ClientRequestToken=token, **output)
    assert "Idempotent parameters do not match" in str(error)
    error = refused("InvalidRequestException", start, QueryString="SELEC 1", **output)
    assert "line 1:1" in str(error) and error.response["AthenaErrorCode"] == "MALFORMED_QUERY", error.response
    refused("InvalidRequestException", start, QueryString="SELECT 1")
    refused("InvalidRequestException", start, QueryString="SELECT 1 -- " + "x" * 262_144, **output)
    failed = query("SELECT * FROM no_such_table", QueryExecutionContext={"Database": DATABASE}, **output)
    assert failed["Status"]["State"] == "FAILED" and "TABLE_NOT_FOUND" in failed["Status"]["StateChangeReason"], failed
    assert failed["Status"]["AthenaError"]["ErrorCategory"] == 2, failed
    refused("InvalidRequestException", athena.get_query_results, QueryExecutionId=failed["QueryExecutionId"])
    refused("InvalidRequestException", athena.get_query_execution, QueryExecutionId="nothing")
    batch = athena.batch_get_query_execution(QueryExecutionIds=[first, "nothing"])
    assert [each["QueryExecutionId"] for each in batch["QueryExecutions"]] == [first], batch
    assert athena.list_query_executions()["QueryExecutionIds"][0] == failed["QueryExecutionId"]
    athena.stop_query_execution(QueryExecutionId=first)
    bound = query("SELECT ? + 1, ?", ExecutionParameters=["41", "'it''s'"], **output)
    rows = athena.get_query_results(QueryExecutionId=bound["QueryExecutionId"])["ResultSet"]["Rows"]
    assert [datum["VarCharValue"] for datum in rows[1]["Data"]] == ["42", "it's"], rows


def tables(output):
    """A table is written: what the statements that do it answer."""
    context = {"QueryExecutionContext": {"Database": DATABASE}, **output}
    done = query(f"CREATE DATABASE {DATABASE}", **output)
    assert done["Status"]["State"] == "SUCCEEDED" and done["StatementType"] == "DDL", done
    assert done["ResultConfiguration"]["OutputLocation"].endswith(f"{done['QueryExecutionId']}.txt"), done
    location = f"LOCATION 's3://{BUCKET}/table/' TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet')"
    done = query(f"CREATE TABLE numbers (n bigint) {location}", **context)
    assert done["Status"]["State"] == "SUCCEEDED", done
    done = query("INSERT INTO numbers VALUES (1), (2), (3)", **context)
    assert done["Status"]["State"] == "SUCCEEDED" and done["SubstatementType"] == "INSERT", done
    manifest = done["Statistics"]["DataManifestLocation"]
    files = s3.get_object(Bucket=BUCKET, Key=manifest.removeprefix(f"s3://{BUCKET}/"))["Body"].read().decode().split()
    assert files and all(file.startswith(f"s3://{BUCKET}/table/data/") for file in files), files
    for file in files:
        s3.head_object(Bucket=BUCKET, Key=file.removeprefix(f"s3://{BUCKET}/"))
    assert athena.get_query_results(QueryExecutionId=done["QueryExecutionId"])["UpdateCount"] == 3
    done = query("SHOW TABLES", **context)
    rows = athena.get_query_results(QueryExecutionId=done["QueryExecutionId"])["ResultSet"]["Rows"]
    assert [row["Data"][0]["VarCharValue"] for row in rows] == ["numbers"], rows
    done = query("SELECT n FROM numbers WHERE n > 1", **context)
    assert done["Statistics"]["DataScannedInBytes"] > 0, done
    rows = athena.get_query_results(QueryExecutionId=done["QueryExecutionId"])["ResultSet"]["Rows"]
    assert len(rows) == 3, rows
    done = query("DROP TABLE numbers", **context)
    assert done["Status"]["State"] == "SUCCEEDED", done
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="table/")["KeyCount"] == 0


def workgroups():
    name = f"boto3-check-{uuid.uuid4().hex[:8]}"
    result = {"OutputLocation": f"s3://{BUCKET}/enforced/"}
    athena.create_work_group(
        Name=name, Configuration={"ResultConfiguration": result, "EnforceWorkGroupConfiguration": True}
    )
    refused("InvalidRequestException", athena.create_work_group, Name=name)
    elsewhere = {"OutputLocation": f"s3://{BUCKET}/elsewhere/"}
    done = query("SELECT 1", WorkGroup=name, ResultConfiguration=elsewhere)
    assert done["ResultConfiguration"]["OutputLocation"].startswith(result["OutputLocation"]), done
    updates = {"EnforceWorkGroupConfiguration": False, "BytesScannedCutoffPerQuery": 10_000_000}
    athena.update_work_group(WorkGroup=name, ConfigurationUpdates=updates)
    got = athena.get_work_group(WorkGroup=name)["WorkGroup"]["Configuration"]
    assert got["BytesScannedCutoffPerQuery"] == 10_000_000 and got["ResultConfiguration"] == result, got
    done = query("SELECT 1", WorkGroup=name, ResultConfiguration=elsewhere)
    assert done["ResultConfiguration"]["OutputLocation"].startswith(elsewhere["OutputLocation"]), done
    assert name in [each["Name"] for each in athena.list_work_groups()["WorkGroups"]]
    refused("InvalidRequestException", athena.delete_work_group, WorkGroup=name)
    athena.delete_work_group(WorkGroup=name, RecursiveDeleteOption=True)
    refused("InvalidRequestException", athena.get_work_group, WorkGroup=name)


def state_machines():
    machines = sfn.list_state_machines()["stateMachines"]
    assert machines, "no state machine is deployed"
    described = sfn.describe_state_machine(stateMachineArn=machines[0]["stateMachineArn"])
    assert described["status"] == "ACTIVE", described


def main():
    assert boto3.client("sts").get_caller_identity()["Account"] == "000000000000"
    with tempfile.TemporaryDirectory() as folder:
        buckets()
        objects()
        conditional_writes()
        large_objects(folder)
        multipart()
        listing()
        catalog()
        queries()
        workgroups()
        remove_bucket()
        glue.delete_database(Name=DATABASE)
        state_machines()
    print("boto3: all as on AWS")


main()
