//! Where commands read and change the CIB: a file (`CIB_file`) or the daemon on this node.
//!
//! Every command works through [`Access`], so that the same code serves both.

mod file;
mod live;

use std::path::PathBuf;
use std::time::Duration;

use crm_core::cib::{Element, ParseError};
use crm_messaging::proto;

pub use file::FileAccess;
pub use live::LiveAccess;

/// Why a request was not carried out. Unless a variant says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// There is no daemon to talk to.
    #[error("the cluster is not running on this node ({}: {reason}); start it with 'crm cluster start'", socket.display())]
    NoDaemon {
        /// The socket that was tried.
        socket: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The document is not XML.
    #[error("{}: {source}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: ParseError,
    },
    /// Somebody else committed since the base was read.
    #[error("the configuration was changed by somebody else meanwhile: {0}")]
    Stale(String),
    /// The cluster may not or will not do it now (no quorum, no coordinator, ...).
    #[error("{0}")]
    Refused(String),
    /// The request makes no sense to the cluster.
    #[error("{0}")]
    Invalid(String),
    /// Something named in the request does not exist.
    #[error("{0}")]
    NotFound(String),
    /// No answer in time. The request may still be carried out.
    #[error("no answer within {}", humantime(*.0))]
    TimedOut(Duration),
    /// The connection broke in mid-request. Whether it was carried out is not known.
    #[error("the daemon went away before it answered: {0}")]
    Lost(String),
    /// Only a running cluster can do this.
    #[error("{0} needs a running cluster, and CIB_file names a file")]
    NeedsCluster(&'static str),
}

fn humantime(d: Duration) -> String {
    if d.subsec_millis() == 0 {
        format!("{} s", d.as_secs())
    } else {
        format!("{} ms", d.as_millis())
    }
}

/// The result of a request.
pub type Result<T> = std::result::Result<T, AccessError>;

/// A CIB that can be read and changed, and the cluster behind it where there is one.
pub trait Access {
    /// True for a running cluster, false for a file.
    fn is_live(&self) -> bool;

    /// The whole `cib` element as it is now, status included.
    ///
    /// # Errors
    /// See [`AccessError`].
    fn cib(&mut self) -> Result<Element>;

    /// Replaces the configuration, provided that the one in force is still that of `base`.
    ///
    /// `configuration` is the new `configuration` element, valid in the schema that `base` names,
    /// which may be another one than was read; `command` is kept with the commit.
    ///
    /// # Errors
    /// [`AccessError::Stale`] if somebody committed since `base` was read; see [`AccessError`].
    fn commit(&mut self, base: &Element, configuration: &Element, command: &str) -> Result<()>;

    /// Raises the configuration's epoch and changes nothing else.
    ///
    /// # Errors
    /// See [`AccessError`].
    fn bump(&mut self) -> Result<()>;

    /// Sets or deletes a node attribute.
    ///
    /// # Errors
    /// [`AccessError::NotFound`] for an unknown node; see [`AccessError`].
    fn update_attribute(&mut self, update: &proto::AttributeUpdate) -> Result<()>;

    /// Sets or deletes attributes of a ticket, or forgets it.
    ///
    /// # Errors
    /// See [`AccessError`].
    fn update_ticket(&mut self, update: &proto::TicketUpdate) -> Result<()>;

    /// Sets or deletes a parameter that is kept out of the configuration, on every node.
    ///
    /// # Errors
    /// [`AccessError::NeedsCluster`] for a file; see [`AccessError`].
    fn update_secret(&mut self, update: &proto::SecretUpdate) -> Result<()>;

    /// Forgets operation history and failures; returns `resource on node` for each.
    ///
    /// # Errors
    /// See [`AccessError`].
    fn cleanup(&mut self, request: &proto::CleanupRequest) -> Result<Vec<String>>;

    /// Records a failure of a resource.
    ///
    /// # Errors
    /// [`AccessError::NeedsCluster`] for a file; see [`AccessError`].
    fn fail(&mut self, request: &proto::FailRequest) -> Result<()>;

    /// Fences a node, or records that a human did.
    ///
    /// # Errors
    /// [`AccessError::NeedsCluster`] for a file; see [`AccessError`].
    fn fence(&mut self, request: &proto::FenceRequest) -> Result<String>;

    /// What the cluster is doing; with `wait`, only once it is idle or the time is over.
    ///
    /// # Errors
    /// [`AccessError::NeedsCluster`] for a file, [`AccessError::TimedOut`]; see [`AccessError`].
    fn state(&mut self, wait: Option<Duration>) -> Result<proto::StateReply>;

    /// What has happened, as far as this node's daemon has kept it; oldest first.
    ///
    /// # Errors
    /// [`AccessError::NeedsCluster`] for a file; see [`AccessError`].
    fn events(&mut self, query: &proto::EventQuery) -> Result<Vec<proto::Event>>;

    /// The transition inputs that this node's daemon has kept.
    ///
    /// # Errors
    /// [`AccessError::NeedsCluster`] for a file; see [`AccessError`].
    fn inputs(&mut self) -> Result<proto::InputList>;

    /// One of them: the CIB as the scheduler saw it.
    ///
    /// # Errors
    /// [`AccessError::NotFound`] if it is not on this node, [`AccessError::NeedsCluster`] for a
    /// file; see [`AccessError`].
    fn input(&mut self, name: &str) -> Result<Element>;

    /// A configuration file as members of the cluster have it.
    ///
    /// # Errors
    /// [`AccessError::Invalid`] for a file that nodes do not show, [`AccessError::NeedsCluster`]
    /// for a CIB file; see [`AccessError`].
    fn read_file(&mut self, query: &proto::FileQuery) -> Result<Vec<proto::FileCopy>>;

    /// Lets every member read cluster.conf again.
    ///
    /// # Errors
    /// [`AccessError::NeedsCluster`] for a file; see [`AccessError`].
    fn reload(&mut self, request: &proto::ReloadRequest) -> Result<Vec<proto::NodeReload>>;

    /// Stops this node's daemon cleanly. With a time, it is expected back within it: services go
    /// on, and nobody is fenced.
    ///
    /// # Errors
    /// [`AccessError::NeedsCluster`] for a file; see [`AccessError`].
    fn shutdown(&mut self, back_within: Option<Duration>) -> Result<()>;
}

/// What `CIB_file` or, without it, the daemon's socket gives. Nothing is opened yet.
pub fn open() -> Box<dyn Access> {
    match std::env::var_os("CIB_file").filter(|f| !f.is_empty()) {
        Some(file) => Box::new(FileAccess::new(file.into())),
        None => Box::new(LiveAccess::new(socket_path())),
    }
}

/// The daemon's socket: `crm.sock` in `CRM_RUN_DIR` or `/run/crm`.
pub fn socket_path() -> PathBuf {
    std::env::var_os("CRM_RUN_DIR")
        .map_or_else(|| PathBuf::from("/run/crm"), PathBuf::from)
        .join("crm.sock")
}
