//! The exit codes that all cluster commands share, and their words.

/// How a command ended, in the numbers that Pacemaker's commands use (reference O-20).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    /// All is well.
    pub const OK: Exit = Exit(0);
    /// Something failed that has no code of its own.
    pub const ERROR: Exit = Exit(1);
    /// The command line is wrong.
    pub const USAGE: Exit = Exit(64);
    /// Wrong data was given.
    pub const DATA: Exit = Exit(65);
    /// An input file is missing or no CIB.
    pub const NO_INPUT: Exit = Exit(66);
    /// The name of a host is unknown.
    pub const NO_HOST: Exit = Exit(68);
    /// What Pacemaker answers to input it cannot read.
    pub const SOFTWARE: Exit = Exit(70);
    /// An output file cannot be created.
    pub const CANNOT_CREATE: Exit = Exit(73);
    /// An output file cannot be written.
    pub const IO: Exit = Exit(74);
    /// Not a complete CIB.
    pub const PROTOCOL: Exit = Exit(76);
    /// The configuration is invalid.
    pub const CONFIG: Exit = Exit(78);
    /// There is no connection to the cluster.
    pub const DISCONNECTED: Exit = Exit(102);
    /// No such object.
    pub const NO_SUCH: Exit = Exit(105);
    /// What aborting with signal 6 looks like to a shell.
    pub const ABORTED: Exit = Exit(134);

    /// The words that go with the code, as `status message=` has them.
    pub fn text(self) -> &'static str {
        match self.0 {
            0 => "OK",
            1 => "Error occurred",
            2 => "Invalid parameter",
            3 => "Unimplemented",
            4 | 77 => "Insufficient privileges",
            5 => "Not installed",
            6 => "Not configured",
            7 => "Not running",
            8 => "Promoted",
            9 => "Failed in promoted role",
            64 => "Incorrect usage",
            65 => "Invalid data given",
            66 => "Input file not available",
            67 => "User does not exist",
            68 => "Host does not exist",
            69 => "Necessary service unavailable",
            70 => "Internal software bug",
            71 => "Operating system error occurred",
            72 => "System file not available",
            73 => "Cannot create output file",
            74 => "I/O error occurred",
            75 => "Temporary failure, try again",
            76 => "Protocol violated",
            78 => "Invalid configuration",
            100 => "Fatal error occurred, will not respawn",
            101 => "System panic required",
            102 => "Not connected",
            103 => "Update was older than existing configuration",
            104 => "Digest mismatch",
            105 => "No such object",
            106 => "Quorum required",
            107 => "Operation not safe",
            108 => "Requested item already exists",
            109 => "Multiple items match request",
            110 => "Requested item has expired",
            111 => "Requested item is not yet in effect",
            112 => "Could not determine status",
            113 => "Not applicable under current conditions",
            124 => "Timeout occurred",
            190 => "Service is active but might fail soon",
            191 => "Service is promoted but might fail soon",
            193 => "No exit status available",
            _ => "Unknown exit status",
        }
    }
}
