//! Who is who on the wire, and how each service refuses.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use tests::Cloud;

const PRINCIPAL: &str = "arn:aws:sts::000000000000:assumed-role/";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_service_refuses_a_role_in_its_own_form() {
    let cloud = Cloud::start().await;
    who_is_who(&cloud);
    s3(&cloud).await;
    others(&cloud).await;
}

fn who_is_who(cloud: &Cloud) {
    let function = identity(cloud, &Cloud::key_of("full-load"));
    assert!(function.contains(&format!("<Arn>{PRINCIPAL}")) && function.contains("/full-load</Arn>"), "{function}");
    let operator = identity(cloud, "AKIAOPERATOR");
    assert!(operator.contains("<Arn>arn:aws:iam::000000000000:user/AKIAOPERATOR</Arn>"), "{operator}");
}

/// What STS says of an access key.
fn identity(cloud: &Cloud, key: &str) -> String {
    let address = cloud.endpoint.strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(address).expect("it listens");
    let form = "Action=GetCallerIdentity&Version=2011-06-15";
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/sts/aws4_request\r\nConnection: close\r\n\r\n\
         {form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

async fn s3(cloud: &Cloud) {
    let bucket = cloud.bucket().await;
    let put = |key: &str| cloud.s3().put_object().bucket(&bucket).key(key).body(ByteStream::from_static(b"x")).send();
    for key in ["raw/customers/country=CH/a.csv", "staging/a.csv", "curated/pageviews_daily/a"] {
        put(key).await.expect("the operator may do everything");
    }
    let config = cloud.config_of("full-load");
    let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    let role = aws_sdk_s3::Client::from_conf(config);

    let own = role.get_object().bucket(&bucket).key("raw/customers/country=CH/a.csv").send().await;
    own.expect("a role may do what its policies allow");
    let refused = role.get_object().bucket(&bucket).key("staging/a.csv").send().await.expect_err("no right");
    assert_eq!(refused.raw_response().map(|answer| answer.status().as_u16()), Some(403));
    assert_eq!(refused.code(), Some("AccessDenied"));
    let expected = format!(
        "/full-load is not authorized to perform: s3:GetObject on resource: \"arn:aws:s3:::{bucket}/staging/a.csv\" because \
         no identity-based policy allows the s3:GetObject action"
    );
    let message = refused.message().expect("a message");
    assert!(message.starts_with(&format!("User: {PRINCIPAL}")) && message.ends_with(&expected), "{message}");

    // Who may not list the bucket is not told what is there.
    let missing = role.head_object().bucket(&bucket).key("raw/customers/none.csv").send().await.expect_err("no object");
    assert_eq!(missing.raw_response().map(|answer| answer.status().as_u16()), Some(403));

    let listed = role.list_objects_v2().bucket(&bucket).prefix("raw/customers/").send().await.expect("its own prefix");
    assert_eq!(listed.contents().len(), 1);
    let refused = role.list_objects_v2().bucket(&bucket).send().await.expect_err("the whole bucket");
    assert_eq!(refused.code(), Some("AccessDenied"));

    let copy = role.copy_object().copy_source(format!("{bucket}/staging/a.csv")).bucket(&bucket);
    let refused = copy.key("curated/pageviews_daily/b").send().await.expect_err("no right to the source");
    assert!(refused.message().expect("a message").contains("s3:GetObject"), "{refused:?}");

    let object = |key: &str| ObjectIdentifier::builder().key(key).build().expect("a key");
    let delete = Delete::builder().objects(object("staging/a.csv")).objects(object("curated/pageviews_daily/a"));
    let delete = delete.build().expect("two objects");
    let deleted = role.delete_objects().bucket(&bucket).delete(delete).send().await.expect("an answer for each");
    let errors: Vec<_> = deleted.errors().iter().map(|error| (error.key(), error.code())).collect();
    let denied = Some("AccessDenied");
    assert_eq!(errors, [(Some("staging/a.csv"), denied), (Some("curated/pageviews_daily/a"), denied)]);
    put("staging/a.csv").await.expect("it is still there or not, the operator may write");

    let unmapped = role.get_bucket_acl().bucket(&bucket).send().await.expect_err("no mapping");
    assert!(unmapped.message().expect("a message").contains("GetBucketAcl"), "{unmapped:?}");
}

async fn others(cloud: &Cloud) {
    let config = cloud.config_of("query-count");
    let glue = aws_sdk_glue::Client::new(&config);
    let refused = glue.get_table().database_name("appdb").name("customers").send().await.expect_err("no right");
    assert_eq!(refused.code(), Some("AccessDeniedException"));
    let message = refused.message().expect("a message");
    assert!(message.contains("glue:GetTable on resource: arn:aws:glue:us-east-1:000000000000:table/appdb/customers"));

    let athena = aws_sdk_athena::Client::new(&config);
    let refused = athena.start_query_execution().query_string("select 1").send().await.expect_err("another workgroup");
    assert_eq!(refused.code(), Some("AccessDeniedException"));
    assert!(refused.message().expect("a message").contains("workgroup/primary"), "{refused:?}");

    let states = aws_sdk_sfn::Client::new(&config);
    let refused = states.list_state_machines().send().await.expect_err("no right");
    assert_eq!(refused.code(), Some("AccessDeniedException"));
    assert!(refused.message().expect("a message").contains("states:ListStateMachines"), "{refused:?}");

    let lambda = aws_sdk_lambda::Client::new(&config);
    let refused = lambda.invoke().function_name("full-load").send().await.expect_err("no right");
    assert_eq!(refused.raw_response().map(|answer| answer.status().as_u16()), Some(403));
    assert_eq!(refused.code(), Some("AccessDeniedException"));
    assert!(refused.message().expect("a message").contains("lambda:InvokeFunction"), "{refused:?}");
}
