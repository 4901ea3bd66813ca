//! Wizards: configurations with blanks, each in a text of its own.
//!
//! The form, line by line (`#` begins a comment where a line begins with it):
//!
//! ```text
//! about a virtual IP address          one line about it
//! category Basic                      where it is listed
//! help More about it.                 as many lines as it takes
//! parameter ip address required : the address
//! parameter netmask integer = 24 : the length of the prefix
//! configure                           from here on: statements of the configuration language
//! primitive %{id} IPaddr2 params ip=%{ip} %[cidr_netmask=%{netmask}%]
//! %if fencing : property stonith-enabled=true
//! after                               from here on: what is said when it is done
//! Try it: crm resource move %{id}
//! ```
//!
//! `%{name}` is the value, quoted where it needs to be; `%[ ... %]` is left out unless every
//! parameter in it has a value; a line behind `%if name :` is there only if the parameter has a
//! value that is not `false`. Types are those of [`Kind`]; `= value` is a default, `required`
//! asks for a value. Files of this form, named `NAME.wizard`, are read from the directory of
//! `--scriptdir` and from `/etc/crm/wizards`; they go before those in this executable.

mod expand;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub(crate) use expand::word;
pub use expand::{Expanded, expand};
pub use read::read;

/// Bytes of a wizard's file.
const MAX_BYTES: u64 = 1 << 20;

/// What a parameter may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The id of a new object.
    Resource,
    /// An IPv4 or IPv6 address.
    Address,
    /// A whole number.
    Integer,
    /// true or false (also yes, no, on, off).
    Boolean,
    /// A time: `20s`, `1min`.
    Duration,
    /// An absolute path.
    Path,
    /// Any text.
    Text,
    /// Several words of the configuration language, put in as they are.
    Words,
    /// One of these.
    OneOf(Vec<String>),
}

/// A blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What it may be.
    pub kind: Kind,
    /// It has to have a value.
    pub required: bool,
    /// The value unless one is given.
    pub default: Option<String>,
    /// One line about it.
    pub about: String,
}

/// A configuration with blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wizard {
    /// Its name.
    pub name: String,
    /// One line about it.
    pub about: String,
    /// Where it is listed.
    pub category: String,
    /// More about it.
    pub help: String,
    /// Its blanks.
    pub parameters: Vec<Parameter>,
    /// Statements with blanks.
    pub configure: Vec<String>,
    /// What is said when it is done.
    pub after: Vec<String>,
}

/// Those in this executable.
const CARRIED: &[(&str, &str)] = &[
    ("apache", include_str!("carried/apache.wizard")),
    ("drbd", include_str!("carried/drbd.wizard")),
    ("exportfs", include_str!("carried/exportfs.wizard")),
    ("fence-external", include_str!("carried/fence-external.wizard")),
    ("filesystem", include_str!("carried/filesystem.wizard")),
    ("haproxy", include_str!("carried/haproxy.wizard")),
    ("lvm", include_str!("carried/lvm.wizard")),
    ("mailto", include_str!("carried/mailto.wizard")),
    ("mysql", include_str!("carried/mysql.wizard")),
    ("mysql-drbd", include_str!("carried/mysql-drbd.wizard")),
    ("nfs-server", include_str!("carried/nfs-server.wizard")),
    ("nginx", include_str!("carried/nginx.wizard")),
    ("ping", include_str!("carried/ping.wizard")),
    ("service", include_str!("carried/service.wizard")),
    ("vip-ipvs", include_str!("carried/vip-ipvs.wizard")),
    ("virtual-ip", include_str!("carried/virtual-ip.wizard")),
];

/// All wizards by name: those in `directory` and `/etc/crm/wizards`, then those carried.
///
/// Files that cannot be understood are told of, and left out.
pub fn all(directory: Option<&str>) -> (BTreeMap<String, Wizard>, Vec<String>) {
    let mut found = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, text) in CARRIED {
        match read(name, text) {
            Ok(wizard) => drop(found.insert(name.to_string(), wizard)),
            Err(e) => wrong.push(e),
        }
    }
    let own = directory.map(PathBuf::from);
    for place in std::iter::once(PathBuf::from("/etc/crm/wizards")).chain(own) {
        for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
            let path = entry.path();
            let wizard = path.extension().is_some_and(|e| e == "wizard");
            let Some(name) = path.file_stem().and_then(|s| s.to_str()).filter(|_| wizard) else {
                continue;
            };
            if entry.metadata().is_ok_and(|m| m.len() > MAX_BYTES) {
                wrong.push(format!("{}: too large", path.display()));
                continue;
            }
            let text = std::fs::read_to_string(&path).map_err(|e| e.to_string());
            match text.and_then(|text| read(name, &text)) {
                Ok(wizard) => drop(found.insert(name.to_string(), wizard)),
                Err(e) => wrong.push(format!("{}: {e}", path.display())),
            }
        }
    }
    (found, wrong)
}
