//! What becomes of a request that a fault hits.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::extract::connect_info::Connected;
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use futures::StreamExt as _;
use tokio::net::TcpListener;

use super::{Caller, Services, answer};
use crate::faults::{Call, Fault, Moment, refusal};

/// How long a connection that was cut, or whose process was killed, may take to end.
const LAST_BREATH: Duration = Duration::from_secs(5);

/// What a connection can be cut with: another handle of its socket.
#[derive(Debug, Clone)]
pub(super) struct Cord(Option<Arc<TcpStream>>);

/// A listener of connections that can be cut.
#[derive(Debug)]
pub(super) struct Listening(pub(super) TcpListener);

impl Listener for Listening {
    type Io = tokio::net::TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // A delayed acknowledgement would cost 40 ms a request.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
        (stream, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Listening>> for Cord {
    fn connect_info(stream: IncomingStream<'_, Listening>) -> Self {
        match stream.io().as_fd().try_clone_to_owned() {
            Ok(socket) => Self(Some(Arc::new(TcpStream::from(socket)))),
            Err(error) => {
                tracing::error!(%error, "a connection cannot be cut when a fault wants that");
                Self(None)
            }
        }
    }
}

impl Cord {
    fn cut(&self) {
        let Some(socket) = &self.0 else { return };
        // It may have been closed by the other side.
        if let Err(error) = socket.shutdown(Shutdown::Both) {
            tracing::debug!(%error, "the connection was closed already");
        }
    }
}

/// Answers a request, or does not, as the fault wants it.
pub(super) async fn answer_with(
    fault: Fault,
    call: &Call,
    services: &Services,
    (request, mut caller): (Request, Caller),
    cord: &Cord,
) -> Response {
    match fault {
        Fault::Throttle => {
            read_to_end(request).await;
            refusal::throttled(call)
        }
        Fault::InternalError => {
            read_to_end(request).await;
            refusal::failed(call)
        }
        Fault::DropBefore => {
            read_to_end(request).await;
            cut(cord).await
        }
        Fault::DropAfter => {
            let _lost = answer(services, request, &caller).await;
            cut(cord).await
        }
        Fault::Delay(millis) => {
            let services = services.clone();
            // A request on its way arrives, whether its sender still waits or not.
            let late = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                answer(&services, request, &caller).await
            });
            late.await.unwrap_or_else(|error| {
                tracing::error!(%error, "a delayed request was not answered");
                refusal::failed(call)
            })
        }
        Fault::KillFunction(moment) => {
            if moment == Moment::After {
                let _lost = answer(services, request, &caller).await;
            }
            services.faults.kill_function(&call.caller);
            // Nothing must reach the process before it is dead, and it takes the connection along.
            tokio::time::sleep(LAST_BREATH).await;
            cut(cord).await
        }
        Fault::KillCloud(moment) => {
            if moment == Moment::After {
                let _lost = answer(services, request, &caller).await;
            }
            kill_this_process()
        }
        Fault::Query(fault) => {
            caller.query_fault = Some(fault);
            answer(services, request, &caller).await
        }
    }
}

/// kill -9 of this very process: no destructor runs, no signal handler, nothing is flushed.
pub fn kill_this_process() -> ! {
    let killed = Command::new("kill").args(["-9", &std::process::id().to_string()]).status();
    tracing::error!(?killed, "this process was to be killed and still runs");
    std::process::abort();
}

/// The server notices that the socket is closed, and ends the connection.
async fn cut(cord: &Cord) -> Response {
    cord.cut();
    tokio::time::sleep(LAST_BREATH).await;
    Response::new(Body::empty())
}

/// A client that still writes would see its request fail, not the answer.
async fn read_to_end(request: Request) {
    let mut body = request.into_body().into_data_stream();
    while let Some(Ok(_)) = body.next().await {}
}
