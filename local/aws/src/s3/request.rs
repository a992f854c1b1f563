//! Makes a request plain: without signature, its body without `aws-chunked` framing.
//!
//! `s3s` refuses a signed request when it cannot verify the signature, and decodes streaming bodies only together
//! with their signatures. Here any credentials do, so both are taken off before `s3s` sees the request.

use axum::extract::Request;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use super::chunked::{self, Trailers};

const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");

/// What signs a URL: versions 4 and 2. None of these names is a parameter of an operation.
const SIGNATURE_PARAMETERS: [&str; 10] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "AWSAccessKeyId",
    "Signature",
    "Expires",
];

/// The request as `s3s` reads it. A chunked body's [`Trailers`] become an extension, filled when the body has been read.
pub(super) fn open(request: Request) -> s3s::HttpRequest {
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(header::AUTHORIZATION);
    parts.uri = without_signature(&parts.uri);
    if !is_chunked(&parts.headers) {
        return http::Request::from_parts(parts, s3s::Body::http_body_unsync(body));
    }
    match parts.headers.remove(DECODED_LENGTH) {
        Some(length) => parts.headers.insert(header::CONTENT_LENGTH, length),
        None => parts.headers.remove(header::CONTENT_LENGTH),
    };
    unlist_chunked(&mut parts.headers);
    let trailers = Trailers::default();
    parts.extensions.insert(trailers.clone());
    http::Request::from_parts(parts, chunked::decode(body, trailers))
}

fn is_chunked(headers: &HeaderMap) -> bool {
    let streaming = headers.get(CONTENT_SHA256).is_some_and(|value| value.as_bytes().starts_with(b"STREAMING-"));
    streaming || encodings(headers).any(|encoding| encoding == "aws-chunked")
}

fn encodings(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lists = headers.get_all(header::CONTENT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim).filter(|encoding| !encoding.is_empty())
}

/// `aws-chunked` was a matter of transport: S3 does not store it.
fn unlist_chunked(headers: &mut HeaderMap) {
    let kept: Vec<&str> = encodings(headers).filter(|encoding| *encoding != "aws-chunked").collect();
    match HeaderValue::from_str(&kept.join(",")) {
        Ok(value) if !kept.is_empty() => headers.insert(header::CONTENT_ENCODING, value),
        _ => headers.remove(header::CONTENT_ENCODING),
    };
}

fn without_signature(uri: &Uri) -> Uri {
    let Some(query) = uri.query().filter(|query| query.contains("Signature=")) else { return uri.clone() };
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let kept: Vec<&str> =
        query.split('&').filter(|pair| !SIGNATURE_PARAMETERS.contains(&name(pair).as_str())).collect();
    let path_and_query = format!("{}?{}", uri.path(), kept.join("&"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path_and_query.trim_end_matches('?').parse().ok();
    // Taking parameters off a URI leaves a URI.
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_presigned_url_loses_its_signature_only() {
        let uri = "/b/k?X-Amz-Algorithm=A&response-content-type=text%2Fplain&X-Amz-Signature=0".parse().unwrap();
        assert_eq!(without_signature(&uri), "/b/k?response-content-type=text%2Fplain");
        let uri = "/b/k?X-Amz-Signature=0&X-Amz-Date=1".parse().unwrap();
        assert_eq!(without_signature(&uri), "/b/k");
        let uri = "/b?list-type=2".parse().unwrap();
        assert_eq!(without_signature(&uri), "/b?list-type=2");
    }

    #[test]
    fn only_the_transport_encoding_goes() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip, aws-chunked"));
        unlist_chunked(&mut headers);
        assert_eq!(headers[header::CONTENT_ENCODING], "gzip");
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("aws-chunked"));
        unlist_chunked(&mut headers);
        assert!(headers.is_empty());
    }
}
