//! Where planned faults meet what does not pass the server: invocations by states, and the functions' processes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use local_aws::faults::{Call, Fault, Faults, FunctionKiller, Moment};
use local_aws::kill_this_process;
use local_aws::lambda::Lambda;
use local_aws::states::{LambdaInvoker, LambdaRefusal, LambdaReply};

/// Lambda, as faults see it.
pub(super) struct Processes(pub(super) Lambda);

impl FunctionKiller for Processes {
    fn kill(&self, function: &str) {
        self.0.kill(function);
    }
}

/// An invoker of which the plan decides whether it reaches the function, and whether its reply comes back.
pub(super) struct FaultyInvoker {
    pub(super) inner: Arc<dyn LambdaInvoker>,
    pub(super) faults: Faults,
}

#[async_trait]
impl LambdaInvoker for FaultyInvoker {
    async fn invoke(&self, function: &str, payload: Vec<u8>) -> Result<LambdaReply, LambdaRefusal> {
        if !self.faults.is_watching() {
            return self.inner.invoke(function, payload).await;
        }
        let name = function.rsplit_once(":function:").map_or(function, |(_, name)| name);
        self.faults.invoked(name, &payload);
        let refused = |code: &str, message: &str| {
            Err(LambdaRefusal { code: code.to_owned(), message: format!("a planned fault: {message}") })
        };
        match self.faults.decide(&Call::invoke(name)) {
            Some(Fault::Throttle) => refused("TooManyRequestsException", "Rate Exceeded."),
            Some(Fault::InternalError) => refused("ServiceException", "Lambda met an internal error"),
            // What Step Functions calls a connection that failed:
            // https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#bp-lambda-serviceexception
            Some(Fault::DropBefore) => refused("SdkClientException", "the connection was closed before the request"),
            Some(Fault::DropAfter) => {
                let _lost = self.inner.invoke(function, payload).await;
                refused("SdkClientException", "the connection was closed before the answer")
            }
            Some(Fault::KillCloud(moment)) => {
                if moment == Moment::After {
                    let _lost = self.inner.invoke(function, payload).await;
                }
                kill_this_process()
            }
            Some(Fault::Delay(millis)) => {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                self.inner.invoke(function, payload).await
            }
            // These cannot be planned for an invocation.
            Some(Fault::KillFunction(_) | Fault::Query(_)) | None => self.inner.invoke(function, payload).await,
        }
    }
}
