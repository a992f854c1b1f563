//! STS `GetCallerIdentity`, the one operation of AWS's query protocol that clients ask before they do anything else.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use super::Caller;

/// The account that everything local lives in.
pub(crate) const ACCOUNT: &str = "000000000000";

const XML: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "text/xml")];

/// The forms that we answer are one line.
const MAX_FORM: usize = 64 << 10;

pub(super) async fn handle(request: Request, caller: &Caller) -> Response {
    let form = match axum::body::to_bytes(request.into_body(), MAX_FORM).await {
        Ok(form) => String::from_utf8_lossy(&form).into_owned(),
        Err(error) => return refusal("SerializationError", &error.to_string()),
    };
    match form.split('&').find_map(|pair| pair.strip_prefix("Action=")) {
        Some("GetCallerIdentity") => (XML, identity(caller)).into_response(),
        action => {
            let message = format!("the local cloud does not support the action {:?}", action.unwrap_or_default());
            refusal("InvalidAction", &message)
        }
    }
}

/// Source: <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
fn identity(caller: &Caller) -> String {
    let (arn, id) = if let Some(session) = &caller.session {
        (session.principal(), session.user_id())
    } else {
        let user = caller.access_key_id.as_deref().unwrap_or("anonymous");
        let user: String = user.chars().filter(char::is_ascii_alphanumeric).collect();
        (format!("arn:aws:iam::{ACCOUNT}:user/{user}"), user)
    };
    format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>{arn}</Arn><UserId>{id}</UserId><Account>{ACCOUNT}</Account>\
         </GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
}

fn refusal(code: &str, message: &str) -> Response {
    let message = message.replace('&', "&amp;").replace('<', "&lt;");
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    );
    (StatusCode::BAD_REQUEST, XML, body).into_response()
}
