//! What the configuration's author should know.

use super::{NodeIx, RscIx, Task};

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// A part of the configuration was ignored or replaced by a default.
    ConfigError,
    /// Legal, but probably not what was meant.
    ConfigWarning,
    /// Trouble in the cluster, not in the configuration. The peers hold it against the
    /// configuration all the same, and so does `crm_verify`.
    Error,
    /// What nodes or resources have to suffer; held against the configuration as well.
    Warning,
    /// Worth knowing, and nobody's fault.
    Notice,
}

/// What a simulation tells about parameters that seem to have changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Note {
    /// Only private parameters of a recorded operation are different, so it is taken as unchanged.
    PrivateOperation {
        /// What was recorded, as it is compared.
        task: Task,
        /// Its interval, ms.
        interval: u32,
        /// The resource.
        rsc: RscIx,
        /// Where it was recorded.
        node: NodeIx,
        /// The result and the key of the record.
        magic: String,
    },
    /// Only private parameters of a fence device are different from when the node was unfenced.
    PrivateDevice {
        /// The device.
        device: RscIx,
        /// The node.
        node: NodeIx,
    },
    /// A fence device is different from when the node was unfenced.
    Device {
        /// The device.
        device: RscIx,
        /// The node.
        node: NodeIx,
        /// Its digest without private parameters, if that may explain it.
        secure: Option<String>,
    },
}

/// One remark made while reading or deciding, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// How bad.
    pub severity: Severity,
    /// The sentence, without level or time.
    pub text: String,
}
