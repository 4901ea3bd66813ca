//! The CIB of the running cluster, through the daemon's socket.

use std::path::PathBuf;
use std::time::Duration;

use crm_core::cib::{Element, Version, parse};
use crm_messaging::proto::{self, cluster_client::ClusterClient};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::{Access, AccessError, Result};

/// How long a request may take that does not wait for the cluster.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// A CIB is tens of megabytes at most.
const MESSAGE_LIMIT: usize = 512 << 20;

/// The daemon on this node. Connects at the first request and stays connected.
pub struct LiveAccess {
    socket: PathBuf,
    connection: Option<(Runtime, ClusterClient<Channel>)>,
}

impl LiveAccess {
    /// Nothing is connected before the first request.
    pub fn new(socket: PathBuf) -> LiveAccess {
        LiveAccess { socket, connection: None }
    }

    fn no_daemon(&self, reason: impl ToString) -> AccessError {
        AccessError::NoDaemon { socket: self.socket.clone(), reason: reason.to_string() }
    }

    fn connect(&self) -> Result<(Runtime, ClusterClient<Channel>)> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| self.no_daemon(e))?;
        let path = self.socket.clone();
        let first = runtime.block_on(UnixStream::connect(&path)).map_err(|e| self.no_daemon(e))?;
        let mut first = Some(first);
        let connector = tower::service_fn(move |_| {
            let ready = first.take();
            let path = path.clone();
            async move {
                let stream = match ready {
                    Some(stream) => stream,
                    None => UnixStream::connect(path).await?,
                };
                Ok::<_, std::io::Error>(TokioIo::new(stream))
            }
        });
        let channel = runtime
            .block_on(Endpoint::from_static("http://crm").connect_with_connector(connector))
            .map_err(|e| self.no_daemon(e))?;
        let client = ClusterClient::new(channel)
            .max_decoding_message_size(MESSAGE_LIMIT)
            .max_encoding_message_size(MESSAGE_LIMIT);
        Ok((runtime, client))
    }

    /// Runs one request, with a bound on how long it may take.
    ///
    /// # Errors
    /// See [`AccessError`].
    pub fn call<T>(
        &mut self,
        limit: Duration,
        request: impl AsyncFnOnce(&mut ClusterClient<Channel>) -> std::result::Result<T, Status>,
    ) -> Result<T> {
        let (runtime, mut client) = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let outcome =
            runtime.block_on(async { tokio::time::timeout(limit, request(&mut client)).await });
        let outcome = match outcome {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(status)) => Err(from_status(&status, limit)),
            Err(_) => Err(AccessError::TimedOut(limit)),
        };
        if !matches!(outcome, Err(AccessError::Lost(_))) {
            self.connection = Some((runtime, client));
        }
        outcome
    }
}

fn from_status(status: &Status, limit: Duration) -> AccessError {
    let message = status.message().to_string();
    match status.code() {
        Code::Aborted => AccessError::Stale(message),
        Code::InvalidArgument => AccessError::Invalid(message),
        Code::NotFound => AccessError::NotFound(message),
        Code::DeadlineExceeded => AccessError::TimedOut(limit),
        Code::Unavailable | Code::Unknown | Code::Cancelled => AccessError::Lost(message),
        Code::FailedPrecondition
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::AlreadyExists
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss
        | Code::Unauthenticated
        | Code::Ok => AccessError::Refused(message),
    }
}

fn version_of(cib: &Element) -> proto::Version {
    let Version { admin_epoch, epoch, num_updates } = Version::of(cib);
    proto::Version { admin_epoch, epoch, num_updates }
}

impl Access for LiveAccess {
    fn is_live(&self) -> bool {
        true
    }

    fn cib(&mut self) -> Result<Element> {
        let query = proto::CibQuery::default();
        let reply =
            self.call(REQUEST_TIMEOUT, async |c| Ok(c.query_cib(query).await?.into_inner()))?;
        parse(&reply.xml)
            .map_err(|source| AccessError::Malformed { path: self.socket.clone(), source })
    }

    fn commit(&mut self, base: &Element, configuration: &Element, command: &str) -> Result<()> {
        let request = proto::CommitRequest {
            base: Some(version_of(base)),
            change: Some(proto::commit_request::Change::Configuration(configuration.to_string())),
            author: std::env::var("USER").unwrap_or_else(|_| "root".into()),
            command: command.into(),
            schema: base.attr("validate-with").unwrap_or_default().into(),
        };
        self.call(REQUEST_TIMEOUT, async |c| c.commit(request).await.map(drop))
    }

    fn bump(&mut self) -> Result<()> {
        let cib = self.cib()?;
        let configuration = cib.child("configuration").cloned();
        let configuration = configuration.unwrap_or_else(|| Element::new("configuration"));
        self.commit(&cib, &configuration, "cibadmin --bump")
    }

    fn update_attribute(&mut self, update: &proto::AttributeUpdate) -> Result<()> {
        let update = update.clone();
        self.call(REQUEST_TIMEOUT, async |c| c.update_attribute(update).await.map(drop))
    }

    fn update_ticket(&mut self, update: &proto::TicketUpdate) -> Result<()> {
        let update = update.clone();
        self.call(REQUEST_TIMEOUT, async |c| c.update_ticket(update).await.map(drop))
    }

    fn update_secret(&mut self, update: &proto::SecretUpdate) -> Result<()> {
        let update = update.clone();
        self.call(REQUEST_TIMEOUT, async |c| c.update_secret(update).await.map(drop))
    }

    fn cleanup(&mut self, request: &proto::CleanupRequest) -> Result<Vec<String>> {
        let request = request.clone();
        self.call(REQUEST_TIMEOUT, async |c| Ok(c.cleanup(request).await?.into_inner().cleaned))
    }

    fn fail(&mut self, request: &proto::FailRequest) -> Result<()> {
        let request = request.clone();
        self.call(REQUEST_TIMEOUT, async |c| c.fail(request).await.map(drop))
    }

    fn fence(&mut self, request: &proto::FenceRequest) -> Result<String> {
        let request = request.clone();
        let limit = Duration::from_millis(request.timeout_ms) + REQUEST_TIMEOUT;
        let reply = self.call(limit, async |c| Ok(c.fence(request).await?.into_inner()))?;
        if reply.success { Ok(reply.message) } else { Err(AccessError::Refused(reply.message)) }
    }

    fn state(&mut self, wait: Option<Duration>) -> Result<proto::StateReply> {
        let limit = wait.unwrap_or(Duration::ZERO);
        let request = proto::StateRequest {
            timeout_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
        };
        match wait {
            None => self.call(REQUEST_TIMEOUT, async |c| Ok(c.state(request).await?.into_inner())),
            Some(limit) => {
                let bound = limit + Duration::from_secs(1);
                self.call(bound, async |c| Ok(c.wait_idle(request).await?.into_inner()))
            }
        }
    }

    fn events(&mut self, query: &proto::EventQuery) -> Result<Vec<proto::Event>> {
        let query = query.clone();
        self.call(REQUEST_TIMEOUT, async |c| {
            let mut stream = c.events(query).await?.into_inner();
            let mut events = Vec::new();
            while let Some(event) = stream.message().await? {
                events.push(event);
            }
            Ok(events)
        })
    }

    fn inputs(&mut self) -> Result<proto::InputList> {
        self.call(REQUEST_TIMEOUT, async |c| Ok(c.inputs(proto::Empty {}).await?.into_inner()))
    }

    fn input(&mut self, name: &str) -> Result<Element> {
        let query = proto::InputQuery { name: name.into() };
        let reply = self.call(REQUEST_TIMEOUT, async |c| Ok(c.input(query).await?.into_inner()))?;
        parse(&reply.xml)
            .map_err(|source| AccessError::Malformed { path: format!("{name}.xml").into(), source })
    }

    fn read_file(&mut self, query: &proto::FileQuery) -> Result<Vec<proto::FileCopy>> {
        let query = query.clone();
        self.call(REQUEST_TIMEOUT, async |c| Ok(c.read_file(query).await?.into_inner().copies))
    }

    fn reload(&mut self, request: &proto::ReloadRequest) -> Result<Vec<proto::NodeReload>> {
        let request = request.clone();
        self.call(REQUEST_TIMEOUT, async |c| Ok(c.reload(request).await?.into_inner().nodes))
    }

    fn shutdown(&mut self, back_within: Option<Duration>) -> Result<()> {
        let ms = back_within.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
        let request = proto::ShutdownRequest { back_within_ms: ms };
        self.call(REQUEST_TIMEOUT, async |c| c.shutdown(request).await.map(drop))
    }
}
