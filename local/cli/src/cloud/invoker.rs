//! How a state machine reaches a function.

use async_trait::async_trait;
use bytes::Bytes;
use local_aws::lambda::Lambda;
use local_aws::states::{LambdaInvoker, LambdaRefusal, LambdaReply};

/// Lambda, as Step Functions sees it.
#[derive(Debug)]
pub(super) struct Invoker {
    lambda: Lambda,
}

impl Invoker {
    pub(super) fn new(lambda: Lambda) -> Self {
        Self { lambda }
    }
}

#[async_trait]
impl LambdaInvoker for Invoker {
    async fn invoke(&self, function: &str, payload: Vec<u8>) -> Result<LambdaReply, LambdaRefusal> {
        let invoked = self.lambda.invoke(function, Bytes::from(payload)).await;
        let invoked =
            invoked.map_err(|error| LambdaRefusal { code: error.code().to_owned(), message: error.to_string() })?;
        Ok(LambdaReply {
            payload: invoked.payload.to_vec(),
            failed: invoked.function_error.is_some(),
            request_id: invoked.request_id,
        })
    }
}
