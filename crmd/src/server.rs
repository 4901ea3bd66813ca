//! The gRPC service on the local socket: requests go to the controller, its answers come back.

use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use crm_messaging::proto::cluster_server::{Cluster, ClusterServer};
use crm_messaging::proto::{self, Event};
use tokio::net::UnixListener;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_stream::wrappers::{BroadcastStream, UnixListenerStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::Server;
use tonic::transport::server::UdsConnectInfo;
use tonic::{Request, Response, Status};

use crate::controller::{Refusal, Reply, Request as Wanted};
use crate::journal::Archive;

/// A request is no larger than a message of the ring.
const MESSAGE_LIMIT: usize = 64 << 20;
/// Events that a slow watcher may lag behind before it loses some.
const WATCH_BUFFER: usize = 4096;
/// Requests that one connection may have open.
const OPEN_REQUESTS: usize = 256;
/// How long a request that does not wait for the cluster may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A request on its way to the controller, and where the answer goes.
#[derive(Debug)]
pub enum ToController {
    /// Answered through the channel.
    Request(Wanted, oneshot::Sender<Reply>),
    /// Stop cleanly.
    Stop,
    /// End, to be back within this time; services go on.
    Restart(Duration),
}

/// Hands events to whoever watches.
#[derive(Clone, Debug)]
pub struct Watchers {
    live: broadcast::Sender<Event>,
}

impl Default for Watchers {
    fn default() -> Watchers {
        Watchers { live: broadcast::channel(WATCH_BUFFER).0 }
    }
}

impl Watchers {
    /// Something has happened; the archive has it already.
    pub fn tell(&self, event: Event) {
        // Nobody watching is no error.
        let _ = self.live.send(event);
    }
}

/// Serves on `socket` until the daemon ends. An old socket file is replaced.
///
/// # Errors
/// The socket cannot be made.
pub fn start(
    socket: &Path,
    requests: mpsc::Sender<ToController>,
    watchers: Watchers,
    archive: Archive,
    node: &str,
) -> std::io::Result<()> {
    match std::fs::remove_file(socket) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    let owner = nix::unistd::geteuid().as_raw();
    let node = node.to_string();
    let service = ClusterServer::new(Service { requests, watchers, archive, node, owner })
        .max_decoding_message_size(MESSAGE_LIMIT)
        .max_encoding_message_size(512 << 20);
    let server = Server::builder()
        .concurrency_limit_per_connection(OPEN_REQUESTS)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .max_concurrent_streams(Some(256))
        .add_service(service)
        .serve_with_incoming(UnixListenerStream::new(listener));
    tokio::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!("the local socket is closed: {error}");
        }
    });
    Ok(())
}

struct Service {
    requests: mpsc::Sender<ToController>,
    watchers: Watchers,
    archive: Archive,
    /// This one.
    node: String,
    /// The user who runs the daemon.
    owner: u32,
}

impl Service {
    /// Who asks is known by the socket: root, or the user who runs the daemon.
    fn authorize<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let peer = request.extensions().get::<UdsConnectInfo>().and_then(|i| i.peer_cred);
        match peer.map(|c| c.uid()) {
            Some(uid) if uid == 0 || uid == self.owner => Ok(()),
            Some(uid) => Err(Status::permission_denied(format!(
                "user {uid} may not use the cluster's socket; ask root"
            ))),
            None => Err(Status::permission_denied("the socket does not say who asks")),
        }
    }

    async fn ask(&self, wanted: Wanted, limit: Duration) -> Result<Reply, Status> {
        let (sender, receiver) = oneshot::channel();
        let gone = || Status::unavailable("the daemon is stopping");
        self.requests.send(ToController::Request(wanted, sender)).await.map_err(|_| gone())?;
        match tokio::time::timeout(limit, receiver).await {
            Err(_) => Err(Status::deadline_exceeded(
                "the cluster has not answered in time (is there a coordinator and quorum?)",
            )),
            Ok(Err(_)) => Err(gone()),
            Ok(Ok(Reply::Refused(why, text))) => Err(match why {
                Refusal::Stale => Status::aborted(text),
                Refusal::NotNow => Status::failed_precondition(text),
                Refusal::Invalid => Status::invalid_argument(text),
                Refusal::NotFound => Status::not_found(text),
            }),
            Ok(Ok(reply)) => Ok(reply),
        }
    }

    /// Reads what is on disk, where it holds up nobody.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Archive) -> T + Send + 'static,
    ) -> Result<T, Status> {
        let archive = self.archive.clone();
        tokio::task::spawn_blocking(move || work(&archive))
            .await
            .map_err(|e| Status::internal(format!("the history could not be read: {e}")))
    }

    async fn done(&self, wanted: Wanted) -> Result<(), Status> {
        self.ask(wanted, REQUEST_TIMEOUT).await.map(drop)
    }
}

/// The controller answers each kind of request with its kind of reply.
fn unexpected(reply: &Reply) -> Status {
    Status::internal(format!("unexpected answer: {reply:?}"))
}

fn limit(timeout_ms: u64) -> Duration {
    match timeout_ms {
        0 => REQUEST_TIMEOUT,
        ms => Duration::from_millis(ms),
    }
}

fn wire_version(v: crm_core::cib::Version) -> proto::Version {
    proto::Version { admin_epoch: v.admin_epoch, epoch: v.epoch, num_updates: v.num_updates }
}

#[tonic::async_trait]
impl Cluster for Service {
    async fn query_cib(
        &self,
        request: Request<proto::CibQuery>,
    ) -> Result<Response<proto::CibReply>, Status> {
        self.authorize(&request)?;
        let section = request.into_inner().section;
        match self.ask(Wanted::QueryCib { section }, REQUEST_TIMEOUT).await? {
            Reply::Cib { cib, version, quorate } => Ok(Response::new(proto::CibReply {
                xml: cib.to_string(),
                version: Some(wire_version(version)),
                quorate,
            })),
            other => Err(unexpected(&other)),
        }
    }

    async fn commit(
        &self,
        request: Request<proto::CommitRequest>,
    ) -> Result<Response<proto::CommitReply>, Status> {
        self.authorize(&request)?;
        let wanted = Wanted::Commit(Box::new(request.into_inner()));
        match self.ask(wanted, REQUEST_TIMEOUT).await? {
            Reply::Committed(version) => {
                Ok(Response::new(proto::CommitReply { version: Some(wire_version(version)) }))
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn update_attribute(
        &self,
        request: Request<proto::AttributeUpdate>,
    ) -> Result<Response<proto::AttributeReply>, Status> {
        self.authorize(&request)?;
        self.done(Wanted::UpdateAttribute(request.into_inner())).await?;
        Ok(Response::new(proto::AttributeReply::default()))
    }

    async fn update_ticket(
        &self,
        request: Request<proto::TicketUpdate>,
    ) -> Result<Response<proto::Empty>, Status> {
        self.authorize(&request)?;
        self.done(Wanted::UpdateTicket(request.into_inner())).await?;
        Ok(Response::new(proto::Empty {}))
    }

    async fn update_secret(
        &self,
        request: Request<proto::SecretUpdate>,
    ) -> Result<Response<proto::Empty>, Status> {
        self.authorize(&request)?;
        self.done(Wanted::UpdateSecret(request.into_inner())).await?;
        Ok(Response::new(proto::Empty {}))
    }

    async fn query_attributes(
        &self,
        request: Request<proto::AttributeQuery>,
    ) -> Result<Response<proto::AttributeReply>, Status> {
        self.authorize(&request)?;
        let wanted = Wanted::QueryAttributes(request.into_inner());
        match self.ask(wanted, REQUEST_TIMEOUT).await? {
            Reply::Attributes(attributes) => {
                Ok(Response::new(proto::AttributeReply { attributes }))
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn cleanup(
        &self,
        request: Request<proto::CleanupRequest>,
    ) -> Result<Response<proto::CleanupReply>, Status> {
        self.authorize(&request)?;
        match self.ask(Wanted::Cleanup(request.into_inner()), REQUEST_TIMEOUT).await? {
            Reply::Cleaned(cleaned) => Ok(Response::new(proto::CleanupReply { cleaned })),
            other => Err(unexpected(&other)),
        }
    }

    async fn fail(
        &self,
        request: Request<proto::FailRequest>,
    ) -> Result<Response<proto::Empty>, Status> {
        self.authorize(&request)?;
        self.done(Wanted::Fail(request.into_inner())).await?;
        Ok(Response::new(proto::Empty {}))
    }

    async fn fence(
        &self,
        request: Request<proto::FenceRequest>,
    ) -> Result<Response<proto::FenceReply>, Status> {
        self.authorize(&request)?;
        let request = request.into_inner();
        if !matches!(request.action.as_str(), "" | "on" | "off" | "reboot") {
            let text = format!("'{}' is none of on, off and reboot", request.action);
            return Err(Status::invalid_argument(text));
        }
        let limit = match request.timeout_ms {
            0 => Duration::from_secs(120),
            ms => Duration::from_millis(ms),
        };
        match self.ask(Wanted::Fence(request), limit).await? {
            Reply::Fence(reply) => Ok(Response::new(reply)),
            other => Err(unexpected(&other)),
        }
    }

    async fn state(
        &self,
        request: Request<proto::StateRequest>,
    ) -> Result<Response<proto::StateReply>, Status> {
        self.authorize(&request)?;
        match self.ask(Wanted::State, limit(request.into_inner().timeout_ms)).await? {
            Reply::State(state) => Ok(Response::new(*state)),
            other => Err(unexpected(&other)),
        }
    }

    async fn wait_idle(
        &self,
        request: Request<proto::StateRequest>,
    ) -> Result<Response<proto::StateReply>, Status> {
        self.authorize(&request)?;
        match self.ask(Wanted::WaitIdle, limit(request.into_inner().timeout_ms)).await? {
            Reply::State(state) => Ok(Response::new(*state)),
            other => Err(unexpected(&other)),
        }
    }

    async fn read_file(
        &self,
        request: Request<proto::FileQuery>,
    ) -> Result<Response<proto::FileReply>, Status> {
        self.authorize(&request)?;
        match self.ask(Wanted::ReadFile(request.into_inner()), REQUEST_TIMEOUT).await? {
            Reply::Files(copies) => Ok(Response::new(proto::FileReply { copies })),
            other => Err(unexpected(&other)),
        }
    }

    async fn reload(
        &self,
        request: Request<proto::ReloadRequest>,
    ) -> Result<Response<proto::ReloadReply>, Status> {
        self.authorize(&request)?;
        match self.ask(Wanted::Reload(request.into_inner()), REQUEST_TIMEOUT).await? {
            Reply::Reloaded(nodes) => Ok(Response::new(proto::ReloadReply { nodes })),
            other => Err(unexpected(&other)),
        }
    }

    type EventsStream = tokio_stream::Iter<std::vec::IntoIter<Result<Event, Status>>>;

    async fn events(
        &self,
        request: Request<proto::EventQuery>,
    ) -> Result<Response<Self::EventsStream>, Status> {
        self.authorize(&request)?;
        let query = request.into_inner();
        let events = self.read(move |archive| archive.events(&query)).await?;
        let answers: Vec<Result<Event, Status>> = events.into_iter().map(Ok).collect();
        Ok(Response::new(tokio_stream::iter(answers)))
    }

    async fn inputs(
        &self,
        request: Request<proto::Empty>,
    ) -> Result<Response<proto::InputList>, Status> {
        self.authorize(&request)?;
        let inputs = self.read(|archive| archive.inputs()).await?;
        Ok(Response::new(proto::InputList { inputs, node: self.node.clone() }))
    }

    async fn input(
        &self,
        request: Request<proto::InputQuery>,
    ) -> Result<Response<proto::InputReply>, Status> {
        self.authorize(&request)?;
        let name = request.into_inner().name;
        let xml = self.read(move |archive| archive.input(&name)).await?;
        Ok(Response::new(proto::InputReply { xml: xml.map_err(Status::not_found)? }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<Event, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<proto::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.authorize(&request)?;
        // What comes while the past is read is in both: the numbers tell.
        let live = self.watchers.live.subscribe();
        let past = if request.into_inner().history { self.archive.recent() } else { Vec::new() };
        let seen = past.last().map_or(0, |e| e.seq);
        let live = BroadcastStream::new(live).filter_map(move |e| match e {
            Ok(event) => (event.seq > seen).then_some(Ok(event)),
            Err(lagged) => Some(Ok(Event {
                kind: "lagged".into(),
                text: format!("events were lost: {lagged}"),
                ..Event::default()
            })),
        });
        let stream = tokio_stream::iter(past.into_iter().map(Ok)).chain(live);
        Ok(Response::new(Box::pin(stream)))
    }

    async fn shutdown(
        &self,
        request: Request<proto::ShutdownRequest>,
    ) -> Result<Response<proto::Empty>, Status> {
        self.authorize(&request)?;
        let gone = |_| Status::unavailable("the daemon is stopping");
        let order = match request.into_inner().back_within_ms {
            0 => ToController::Stop,
            ms => ToController::Restart(Duration::from_millis(ms)),
        };
        self.requests.send(order).await.map_err(gone)?;
        Ok(Response::new(proto::Empty {}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Journal;
    use crm_messaging::proto::cluster_client::ClusterClient;
    use hyper_util::rt::TokioIo;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::UnixStream;
    use tonic::Code;
    use tonic::transport::{Channel, Endpoint};

    async fn client(socket: &Path) -> ClusterClient<Channel> {
        let path = socket.to_path_buf();
        let connector = tower::service_fn(move |_| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        let channel = Endpoint::from_static("http://crm").connect_with_connector(connector).await;
        ClusterClient::new(channel.unwrap())
    }

    /// A controller that knows one answer for each of two requests, and lets others hang.
    async fn pretend(mut requests: mpsc::Receiver<ToController>) {
        let mut unanswered = Vec::new();
        while let Some(request) = requests.recv().await {
            let ToController::Request(wanted, answer) = request else { continue };
            let reply = match wanted {
                Wanted::State => Reply::State(Box::default()),
                Wanted::Commit(_) => Reply::Refused(Refusal::Stale, "older".into()),
                _ => {
                    unanswered.push(answer);
                    continue;
                }
            };
            answer.send(reply).unwrap();
        }
    }

    #[tokio::test]
    async fn noise_hanging_clients_and_large_requests_disturb_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("crm.sock");
        let (ask, requests) = mpsc::channel(16);
        tokio::spawn(pretend(requests));
        start(&socket, ask, Watchers::default(), Archive::default(), "n1").unwrap();
        let mut silent = Vec::new();
        let mut random = 1_u64;
        for round in 0..100 {
            let mut noise = UnixStream::connect(&socket).await.unwrap();
            silent.push(UnixStream::connect(&socket).await.unwrap());
            let mut bytes = Vec::new();
            if round % 2 == 0 {
                bytes.extend_from_slice(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
            }
            for _ in 0..500 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                bytes.extend_from_slice(&random.to_le_bytes());
            }
            // The server may close at any point.
            let _ = noise.write_all(&bytes).await;
        }
        let mut client = client(&socket).await;
        client.state(proto::StateRequest::default()).await.unwrap();
        let large = proto::AttributeUpdate {
            value: Some("x".repeat(MESSAGE_LIMIT + 1)),
            ..proto::AttributeUpdate::default()
        };
        assert_eq!(client.update_attribute(large).await.unwrap_err().code(), Code::OutOfRange);
        let stale = client.commit(proto::CommitRequest::default()).await.unwrap_err();
        assert_eq!((stale.code(), stale.message()), (Code::Aborted, "older"));
        let wait = proto::StateRequest { timeout_ms: 1 };
        assert_eq!(client.wait_idle(wait).await.unwrap_err().code(), Code::DeadlineExceeded);
        client.state(proto::StateRequest::default()).await.unwrap();
    }

    #[tokio::test]
    async fn a_watcher_gets_what_was_and_what_comes() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("crm.sock");
        let (ask, _requests) = mpsc::channel(16);
        let watchers = Watchers::default();
        let mut journal = Journal::start(directory.path()).unwrap();
        start(&socket, ask, watchers.clone(), journal.archive(), "n1").unwrap();
        let mut happens = |text: &str| {
            watchers.tell(journal.event(Event { text: text.into(), ..Event::default() }));
        };
        happens("before");
        let mut client = client(&socket).await;
        let request = proto::WatchRequest { history: true };
        let mut stream = client.watch(request).await.unwrap().into_inner();
        happens("after");
        for text in ["before", "after"] {
            assert_eq!(stream.message().await.unwrap().unwrap().text, text);
        }
    }
}
