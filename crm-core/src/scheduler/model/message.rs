//! What the configuration's author should know.

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// A part of the configuration was ignored or replaced by a default.
    ConfigError,
    /// Legal, but probably not what was meant.
    ConfigWarning,
    /// Trouble in the cluster, not in the configuration.
    Error,
    /// Worth knowing about the cluster.
    Warning,
    /// Worth knowing.
    Notice,
}

/// One remark made while reading or deciding, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// How bad.
    pub severity: Severity,
    /// The sentence, without level or time.
    pub text: String,
}
